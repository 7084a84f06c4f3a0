/** Hosts in C that hold nothing of the network: wasm3, WAMR, WasmEdge. */

import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeFile } from '../../../package-files.js'
import { compiled, sourcesIn } from '../compile.js'
import type { Job, JobNumbers } from '../job.js'
import * as processes from '../job.js'
import { findSimde } from './wasm2c.js'

/** wasm3, from a checkout of its sources. */
export const wasm3 = compiled(
  {
    name: 'wasm3',
    install:
      'git clone https://github.com/wasm3/wasm3, then WASM3_DIR=its folder; and a C compiler',
    refuses: processes.refusesSimd,
  },
  'wasm3.c',
  async () => {
    const { WASM3_DIR: folder } = process.env
    if (folder === undefined) return undefined
    const source = join(folder, 'source')
    const header = await processes.firstPath(join(source, 'wasm3.h'))
    if (header === undefined) return undefined
    const version = /M3_VERSION\s+"([^"]+)"/.exec(await readFile(header, 'utf8'))?.[1]
    return {
      version: version ?? 'unknown',
      more: async () => [`-I${source}`, '-Dd_m3HasWASI=0', ...(await sourcesIn(source)), '-lm'],
    }
  },
)

/**
 * WasmEdge through its C API: its interpreter, and its compiler ahead of time.
 *
 * @param ahead whether the file is compiled before it runs
 */
const edge = (name: string, ahead: boolean): processes.Host =>
  compiled(
    { name, install: 'apt-get install wasmedge libwasmedge-dev gcc, or WASMEDGE_DIR=its folder' },
    'wasmedge.c',
    async () => {
      const folder = process.env.WASMEDGE_DIR
      const own = folder === undefined ? [] : [folder]
      const program = await processes.findProgram(
        ...own.map((path) => `${path}/bin/wasmedge`),
        'wasmedge',
      )
      const roots = [...own, '/usr', '/usr/local', `${process.env.HOME}/.wasmedge`]
      const header = await processes.firstPath(
        ...roots.map((root) => `${root}/include/wasmedge/wasmedge.h`),
      )
      if (program === undefined || header === undefined) return undefined
      const root = header.replace('/include/wasmedge/wasmedge.h', '')
      const places = [`-I${root}/include`, `-L${root}/lib`, `-L${root}/lib64`]
      return {
        version: await processes.versionOf(program),
        more: async () => [...places, '-lwasmedge', `-Wl,-rpath,${root}/lib`],
        net: async (job) => {
          if (!ahead) return job.net
          const net = join(job.folder, 'net.so')
          await processes.runProgram(program, ['compile', job.net, net], { seconds: 900 })
          return net
        },
      }
    },
  )

export const wasmedge = edge('wasmedge', false)
export const wasmedgeAot = edge('wasmedge-aot', true)

// WAMR's fast interpreter, from a checkout of its sources.

/** Folders below core/ whose files in C are all needed; none but theirs. */
const whole = [
  'shared/mem-alloc',
  'shared/mem-alloc/ems',
  'shared/utils',
  'shared/platform/common/posix',
  'shared/platform/common/memory',
  'shared/platform/common/libc-util',
]
const single = [
  'iwasm/interpreter/wasm_interp_fast.c',
  'iwasm/interpreter/wasm_loader.c',
  'iwasm/interpreter/wasm_runtime.c',
  'iwasm/common/arch/invokeNative_general.c',
]
/** Files of iwasm/common that a plain interpreter does not need. */
const without = ['wasm_application.c', 'wasm_shared_memory.c']
const headers = [
  'iwasm/include',
  'iwasm/common',
  'iwasm/interpreter',
  'shared/platform/include',
  'shared/platform/common/libc-util',
  'shared/mem-alloc',
  'shared/utils',
]
const settings = [
  'WASM_ENABLE_INTERP=1',
  'WASM_ENABLE_FAST_INTERP=1',
  'WASM_ENABLE_BULK_MEMORY=1',
  'WASM_ENABLE_BULK_MEMORY_OPT=1',
  'WASM_ENABLE_REF_TYPES=1',
  'BH_MALLOC=wasm_runtime_malloc',
  'BH_FREE=wasm_runtime_free',
]
const processors: Partial<Record<NodeJS.Architecture, string>> = { x64: 'X86_64', arm64: 'AARCH64' }

/** The arguments with which a C compiler builds WAMR into a program. */
async function build(core: string, platform: string, processor: string): Promise<string[]> {
  const simde = await findSimde()
  const folder = `shared/platform/${platform}`
  const common = await sourcesIn(join(core, 'iwasm/common'))
  const rest = await Promise.all([folder, ...whole].map((path) => sourcesIn(join(core, path))))
  const simd = simde === undefined ? 0 : 1
  const defined = [
    ...settings,
    `BH_PLATFORM_${platform.toUpperCase()}`,
    `BUILD_TARGET_${processor}`,
    ...(processor === 'AARCH64' ? ['BUILD_TARGET="AARCH64"'] : []),
    `WASM_ENABLE_SIMD=${simd}`,
    `WASM_ENABLE_SIMDE=${simd}`,
  ]
  return [
    ...defined.map((setting) => `-D${setting}`),
    ...[...headers, folder].map((path) => `-I${join(core, path)}`),
    ...(simde === undefined ? [] : [`-I${simde}`, `-I${join(simde, 'simde')}`]),
    ...common.filter((path) => !without.includes(basename(path))),
    ...rest.flat(),
    ...single.map((path) => join(core, path)),
    '-lm',
    '-lpthread',
  ]
}

export const wamr = compiled(
  {
    name: 'wamr',
    install:
      'git clone https://github.com/bytecodealliance/wasm-micro-runtime, then WAMR_DIR=its ' +
      'folder; and a C compiler and libsimde-dev',
  },
  'wamr.c',
  async () => {
    const { platform, env, arch } = process
    const processor = processors[arch]
    if (!env.WAMR_DIR || !['linux', 'darwin'].includes(platform) || !processor) return undefined
    const core = join(env.WAMR_DIR, 'core')
    const header = await processes.firstPath(join(core, 'version.h'))
    if (header === undefined) return undefined
    const text = await readFile(header, 'utf8')
    const version = ['MAJOR', 'MINOR', 'PATCH']
      .map((part) => new RegExp(`WAMR_VERSION_${part} +(\\d+)`).exec(text)?.[1] ?? '?')
      .join('.')
    return { version, more: () => build(core, platform, processor) }
  },
)

// Hosts that run JavaScript from a file: Node (V8), Bun (JavaScriptCore), gjs (SpiderMonkey).

const programUrl = codeFile('edge/verify/program.js')

/** Text of the measurement, for hosts that get it by HTTP. */
export const programText = (): string => readFileSync(fileURLToPath(programUrl), 'utf8')

/** What a job has in numbers, without paths. */
export function numbersOf(job: Job): JobNumbers {
  const { folder, net, input, expected, ...numbers } = job
  return numbers
}

/**
 * Writes a script that measures and prints, and returns its path.
 *
 * @param host lines of JavaScript that define `read(path)` → Uint8Array, `now()`, `resident()` and
 *   `print(text)`
 */
async function writeScript(job: Job, name: string, host: string): Promise<string> {
  const path = join(job.folder, name)
  const text = `${host}
import { measure } from ${JSON.stringify(programUrl.href)}
const wasm = read(${JSON.stringify(job.net)})
const input = read(${JSON.stringify(job.input)})
const expected = new Uint32Array(read(${JSON.stringify(job.expected)}).buffer)
const job = ${JSON.stringify(numbersOf(job))}
print(JSON.stringify(measure(wasm, input, expected, job, { now, resident })))
`
  await writeFile(path, text)
  return path
}

/** For Node and Bun. */
const nodeScript = `import { readFileSync } from 'node:fs'
const read = (path) => new Uint8Array(readFileSync(path))
const now = () => performance.now()
const resident = () => process.memoryUsage().rss
const print = (text) => console.log(text)`

const gjsScript = `import GLib from 'gi://GLib'
const read = (path) => new Uint8Array(GLib.file_get_contents(path)[1])
const now = () => GLib.get_monotonic_time() / 1000
const resident = () => {
  try {
    const status = new TextDecoder().decode(read('/proc/self/status'))
    return 1024 * Number(/VmRSS:\\s*(\\d+)/.exec(status)[1])
  } catch {
    return null
  }
}`

/**
 * @param script what its surroundings are there; see `writeScript`
 * @param args before the script's path
 */
const scripted = (
  name: string,
  install: string,
  script: string,
  args: readonly string[] = [],
): processes.Host => ({
  name,
  install,
  find: async () => {
    const program = name === 'node' ? process.execPath : await processes.findProgram(name)
    if (program === undefined) return undefined
    return {
      version: await processes.versionOf(program),
      run: async (job) =>
        processes.runHost(job, program, [...args, await writeScript(job, `${name}.mjs`, script)]),
    }
  },
})

export const node = scripted('node', 'it runs this program', nodeScript)
export const bun = scripted('bun', 'npm install --global bun', nodeScript)
export const gjs = scripted('gjs', 'apt-get install gjs', gjsScript, ['-m'])
