/** WAMR's fast interpreter, from a checkout of its sources. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findCompiler, runCompiled } from '../compile.js'
import type { Host } from '../host.js'
import { firstPath } from '../process.js'
import { findSimde } from './wasm2c.js'

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
  const files = async (path: string): Promise<string[]> => {
    const names = await readdir(join(core, path)).catch(() => [])
    return names.filter((name) => name.endsWith('.c')).map((name) => `${path}/${name}`)
  }
  const common = (await files('iwasm/common')).filter((path) => !without.some(isEndOf(path)))
  const rest = (await Promise.all([folder, ...whole].map(files))).flat()
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
    ...[...common, ...rest, ...single].map((path) => join(core, path)),
    '-lm',
    '-lpthread',
  ]
}

const isEndOf = (path: string) => (name: string) => path.endsWith(`/${name}`)

export const wamr: Host = {
  name: 'wamr',
  install:
    'git clone https://github.com/bytecodealliance/wasm-micro-runtime, then WAMR_DIR=its folder; ' +
    'and a C compiler and libsimde-dev',
  find: async () => {
    const folder = process.env.WAMR_DIR
    const compiler = await findCompiler()
    const { platform } = process
    const processor = processors[process.arch]
    if (!folder || !compiler || !['linux', 'darwin'].includes(platform) || !processor)
      return undefined
    const core = join(folder, 'core')
    const header = await firstPath(join(core, 'version.h'))
    if (header === undefined) return undefined
    const text = await readFile(header, 'utf8')
    const version = ['MAJOR', 'MINOR', 'PATCH']
      .map((part) => new RegExp(`WAMR_VERSION_${part} +(\\d+)`).exec(text)?.[1] ?? '?')
      .join('.')
    return {
      version,
      run: async (job) =>
        runCompiled(job, compiler, 'wamr.c', await build(core, platform, processor)),
    }
  },
}
