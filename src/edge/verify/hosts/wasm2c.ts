/** wasm2c and a C compiler: no run time for WebAssembly. */

import { copyFile, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { compileHost, findCompiler, hostArguments } from '../compile.js'
import {
  findProgram,
  firstPath,
  type Host,
  type Job,
  runHost,
  runProgram,
  versionOf,
} from '../job.js'

export type Wasm2c = NonNullable<Awaited<ReturnType<typeof findWasm2c>>>

/**
 * Where wasm2c and its few files in C are: the folder of wasm-rt-impl.c and its companions, and
 * that of wasm-rt.h.
 */
export async function findWasm2c() {
  const own = process.env.WABT_DIR === undefined ? [] : [process.env.WABT_DIR]
  const program = await findProgram(
    ...own.flatMap((folder) => [`${folder}/bin/wasm2c`, `${folder}/build/wasm2c`]),
    'wasm2c',
  )
  const roots = [
    ...own.flatMap((folder) => [`${folder}/wasm2c`, `${folder}/share/wabt/wasm2c`]),
    '/usr/share/wabt/wasm2c',
    '/usr/local/share/wabt/wasm2c',
    // Debian: one file is here alone.
    '/usr/src/wasm2c',
    '/opt/homebrew/share/wabt/wasm2c',
  ]
  const source = await firstPath(...roots.map((root) => `${root}/wasm-rt-mem-impl-helper.inc`))
  if (program === undefined || source === undefined) return undefined
  const runtime = source.replace(/\/[^/]*$/, '')
  const includes = [runtime, ...own.map((folder) => `${folder}/include`), '/usr/include']
  const header = await firstPath(
    ...[...includes, '/usr/local/include'].map((folder) => `${folder}/wasm-rt.h`),
  )
  if (header === undefined) return undefined
  const headers = header.replace(/\/wasm-rt\.h$/, '')
  return { program, version: await versionOf(program), runtime, headers }
}

/** Writes net-wasm.c and returns what the compiler needs besides, but folders of headers. */
export async function translate(job: Job, { program, runtime }: Wasm2c): Promise<string[]> {
  const code = join(job.folder, 'net-wasm.c')
  await runProgram(program, [job.net, '--module-name=net', '-o', code], { seconds: 300 })
  const companions = ['wasm-rt-impl.c', 'wasm-rt-mem-impl.c'].map((name) => join(runtime, name))
  return [
    ...(job.call === 'step' ? ['-DNET_STEP'] : []),
    ...(job.inputType === 'u8' ? ['-DNET_U8'] : []),
    `-I${job.folder}`,
    `-I${runtime}`,
    code,
    ...companions,
    '-lm',
  ]
}

/** The folder that simde is in; only files with SIMD need it. */
export const findSimde = (): Promise<string | undefined> =>
  firstPath(
    ...(process.env.SIMDE_DIR ? [`${process.env.SIMDE_DIR}/simde/wasm/simd128.h`] : []),
    '/usr/include/simde/wasm/simd128.h',
    '/usr/local/include/simde/wasm/simd128.h',
  ).then((path) => path?.replace('/simde/wasm/simd128.h', ''))

/**
 * @param tools the compiler, and what runs its programs unless they run by themselves
 * @param folders of headers, given that of wasm-rt.h and that of simde
 */
const host = (
  name: string,
  install: string,
  tools: () => Promise<readonly (string | undefined)[]>,
  folders: (job: Job, headers: string, simde: string | undefined) => Promise<readonly string[]>,
): Host => ({
  name,
  install,
  find: async () => {
    const found = await findWasm2c()
    const [compiler, ...runner] = await tools()
    if (!found || !compiler || !runner.every((program) => program !== undefined)) return undefined
    const simde = await findSimde()
    return {
      version: found.version,
      run: async (job) => {
        const code = await translate(job, found)
        const more = [...code, ...(await folders(job, found.headers, simde)), '-lpthread']
        const program = await compileHost(job, [compiler, 'wasm2c.c', more])
        const [command, ...args] = [...runner, program, ...hostArguments(job)]
        return runHost(job, command, args)
      },
    }
  },
})

export const wasm2c = host(
  'wasm2c',
  'apt-get install wabt gcc libsimde-dev, or WABT_DIR=its folder',
  async () => [await findCompiler()],
  async (_, headers, simde) => [headers, ...(simde ? [simde] : [])].map((path) => `-I${path}`),
)

/** With a cross compiler for AArch64; the program runs in QEMU, unless this is AArch64. */
export const wasm2cAarch64 = host(
  'wasm2c-aarch64',
  'apt-get install wabt libsimde-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user',
  () =>
    Promise.all([
      findProgram('aarch64-linux-gnu-gcc'),
      findProgram('qemu-aarch64', 'qemu-aarch64-static'),
    ]),
  async (job, from, simde) => {
    // Headers of their own: those beside them in the system are for this machine's processor.
    const headers = join(job.folder, 'aarch64-headers')
    await mkdir(headers)
    await copyFile(join(from, 'wasm-rt.h'), join(headers, 'wasm-rt.h'))
    if (simde) await symlink(join(simde, 'simde'), join(headers, 'simde'))
    return [`-I${headers}`, '-static']
  },
)
