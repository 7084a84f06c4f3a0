/** Finds, compiles and instantiates the engine's modules. */

import { describe, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { VERSION } from '../base/version.js'
import { type EngineImports, engineImports } from './kernel-table.js'
import { instantiateSync } from './loader.js'
import { broken, readFirst, readOwn } from './package-file.js'
import { platform } from './platform.js'
import type { Executor } from './threads/executor.js'

// Runs programs on the calling thread.

export function localExecutor(module: host.WasmModule, memory: host.WasmMemory): Executor {
  const engine = instantiateEngine(module, memory)
  return {
    async run({ program, scratch, kernels }) {
      engine.take(kernels)
      engine.run(program, 0, 1, scratch, 0, 0)
    },
    async dispose() {},
  }
}

// Whether a module is the engine's, and which one.

type EngineVariant = 'engine' | 'engine-threads' | 'engine-debug' | 'engine-wide'

/** A file of the engine: also `engine`, with the names of all functions. */
type EngineFile = EngineVariant | 'engine-named'

/** The custom section that says version and variant; tools/build-wasm.mjs adds it. */
const SECTION = 'spikewasm.engine'

/**
 * @param where the module was found
 * @throws SpikewasmError unless it is that variant of this version
 */
function checkEngine(module: host.WasmModule, variant: EngineFile, where: string): void {
  const [section] = WebAssembly.Module.customSections(module, SECTION)
  const [version, found] = section ? new TextDecoder().decode(section).split(' ') : []
  if (version === VERSION && found === variant) return
  const got =
    version === undefined
      ? 'another module of WebAssembly'
      : version === VERSION
        ? `${found}.wasm`
        : `a module of version ${version}`
  fail(
    `${where} must be ${variant}.wasm of spikewasm ${VERSION}, got ${got}; take the file from ` +
      'node_modules/spikewasm/build/wasm, or give the folder that holds all of them, with / at ' +
      'its end',
  )
}

export type { EngineVariant }

/** Where a module of the engine comes from, where somebody says it. */
export type EngineSource = string | host.URL | Uint8Array | ArrayBuffer | host.WasmModule

/** What the runtime calls. */
export interface EngineExports {
  /** Runs a program as one of its workers. Returns a `Fault`. */
  run(
    program: number,
    worker: number,
    workers: number,
    scratch: number,
    spins: number,
    timeoutMs: number,
  ): number
  /** Runs one unit of a record at step t. */
  execute(record: number, unit: number, t: number, scratch: number): void
  /** Totals of bytes in memory, a multiple of 64 of them: see assembly/spikes/totals.ts. */
  byteTotals(at: number, bytes: number, out: number): void
  byteMax(at: number, bytes: number): number
  bitSum(at: number, bytes: number): number
  maskCounts(masks: number, neurons: number, planes: number, counts: number): void
}

const compiled = new Map<string, Promise<host.WasmModule>>()

/**
 * The compiled module of a variant; each is compiled once for the process.
 *
 * @param wide a compilation of its own: wide vectors are on, but may have been off when somebody
 *   else's was optimised
 * @param from where it is; default: in the package
 * @throws SpikewasmError for what is missing, or no such module of this version
 */
export function loadEngine(
  variant: EngineVariant,
  wide = false,
  from?: EngineSource,
): Promise<host.WasmModule> {
  if (from instanceof WebAssembly.Module) {
    checkEngine(from, variant, GIVEN)
    return Promise.resolve(from)
  }
  const address = typeof from === 'string' || from instanceof URL ? from : undefined
  if (from && !address) return compile(bytesOf(from as Uint8Array), variant, GIVEN, wide && 'wide')
  const key = `${variant} ${wide} ${address ?? ''}`
  let module = compiled.get(key)
  if (!module) {
    module = find(variant, wide, address)
    compiled.set(key, module)
    // A file that comes back may be read again.
    module.catch(() => compiled.delete(key))
  }
  return module
}

/** The same at once, where files can be read without waiting: in Node. Undefined elsewhere. */
export function loadEngineSync(variant: EngineVariant): host.WasmModule | undefined {
  const { packageFile, readPackageFileSync } = platform()
  const url = packageFile(pathOf(variant))
  if (!url || !readPackageFileSync) return undefined
  try {
    const bytes = readPackageFileSync(url)
    return bytes && new WebAssembly.Module(bytes as BufferSource)
  } catch (error) {
    throw broken([url], error)
  }
}

/** A module of a file whose optimised code V8 shares with no other of the same `name`. */
export async function loadApart(file: EngineFile, name: string): Promise<host.WasmModule> {
  const { url, bytes } = await readOwn(pathOf(file), isModule, mendOf(file))
  return compile(bytes, file, url.href, name)
}

/** The bytes of `engine`, with the names of all functions: exported networks are made of them. */
export async function engineBytes(): Promise<Uint8Array> {
  const name = 'engine-named'
  return (await readOwn(pathOf(name), isModule, mendOf(name))).bytes
}

/**
 * The same from where somebody says it is, with the module that it is.
 *
 * @param name of the option
 * @throws SpikewasmError for what is missing, or no such module of this version
 */
export async function givenEngine(
  name: string,
  from: EngineSource,
): Promise<{ readonly bytes: Uint8Array; readonly module: host.WasmModule }> {
  const file = 'engine-named'
  if (from instanceof WebAssembly.Module)
    fail(`${name} must be the address of ${file}.wasm or its bytes, got a WebAssembly.Module`)
  const isAddress = typeof from === 'string' || from instanceof URL
  const bytes = isAddress
    ? (await readGiven(file, from, name)).bytes
    : bytesOf(from as Uint8Array | ArrayBuffer)
  return { bytes, module: await compile(bytes, file, name) }
}

/** An instance of the engine, whose table takes a plan's kernels. */
export type Engine = EngineExports & Pick<EngineImports, 'take'>

/** An instance of a module over a memory, which may be shared with other instances. */
export function instantiateEngine(module: host.WasmModule, memory: host.WasmMemory): Engine {
  const { env, take } = engineImports(memory)
  // The module's own functions. Those that the loader makes of them count arguments for optional
  // parameters, which no function of the engine has.
  const exports = instantiateSync(module, { env }).instance.exports as unknown as EngineExports
  return { ...exports, take }
}

/** @throws SpikewasmError for what can be no module of the engine */
export function checkSource(name: string, from: EngineSource, file = 'engine'): void {
  const isOne =
    (typeof from === 'string' && from !== '') ||
    [URL, Uint8Array, ArrayBuffer, WebAssembly.Module].some((kind) => from instanceof kind)
  if (!isOne)
    fail(
      `${name} must be the address of ${file}.wasm or of its folder, its bytes, or a ` +
        `WebAssembly.Module, got ${describe(from)}`,
    )
}

const GIVEN = 'compile.wasm'

const mendOf = (file: EngineFile): string =>
  `give ${file === 'engine-named' ? 'exportWasm' : 'compile'} its address, as wasm: with Vite, ` +
  `import wasm from 'spikewasm/${file}.wasm?url'; ` +
  'elsewhere copy it from node_modules/spikewasm/build/wasm'

const pathOf = (file: EngineFile): string => `build/wasm/${file}.wasm`

/** A file begins so. */
const MAGIC = [0, 0x61, 0x73, 0x6d]
const isModule = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte)

/** @param address of the file, or of its folder */
function readGiven(file: EngineFile, address: string | host.URL, option: string) {
  const given = platform().address(address)
  const url = given.pathname.endsWith('/') ? new URL(`${file}.wasm`, given) : given
  return readFirst([url], isModule, `${option} must be where ${file}.wasm is`)
}

async function find(
  variant: EngineVariant,
  wide: boolean,
  address: string | host.URL | undefined,
): Promise<host.WasmModule> {
  const { url, bytes } = await (address === undefined
    ? readOwn(pathOf(variant), isModule, mendOf(variant))
    : readGiven(variant, address, GIVEN))
  return compile(bytes, variant, url.href, wide && 'wide')
}

async function compile(
  bytes: Uint8Array,
  variant: EngineFile,
  where: string,
  mark: string | false = false,
): Promise<host.WasmModule> {
  let module: host.WasmModule
  try {
    module = await WebAssembly.compile((mark ? marked(bytes, mark) : bytes) as BufferSource)
  } catch (error) {
    const why = (error as Error).message
    fail(
      `${where} must be ${variant}.wasm of spikewasm, got what is no WebAssembly (${why}); ` +
        mendOf(variant),
      error,
    )
  }
  checkEngine(module, variant, where)
  return module
}

const bytesOf = (from: Uint8Array | ArrayBuffer): Uint8Array =>
  from instanceof Uint8Array ? from : new Uint8Array(from)

/**
 * V8 shares optimised code between modules of the same bytes, so these get an empty custom section
 * of a name.
 */
function marked(bytes: Uint8Array, name: string): Uint8Array {
  const mark = [0, name.length + 1, name.length, ...new TextEncoder().encode(name)]
  const marked = new Uint8Array(bytes.length + mark.length)
  marked.set(bytes)
  marked.set(mark, bytes.length)
  return marked
}
