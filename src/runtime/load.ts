/**
 * Finds, compiles and instantiates the engine's modules, in Node (from the package's files) or in a
 * page (fetched beside this file).
 */

import { SpikewasmError } from '../errors.js'
import { platform } from './platform.js'
import { instantiateSync } from './vendor/loader/index.js'

export type EngineVariant = 'engine' | 'engine-threads' | 'engine-debug'

/** What the runtime calls; a module exports its kernels besides. */
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

const compiled = new Map<string, Promise<WebAssembly.Module>>()

/**
 * The compiled module of a variant; each is compiled once for the process.
 *
 * @param wide a compilation of its own: wide vectors are on, but may have been off when somebody
 *   else's was optimised
 */
export function loadEngine(variant: EngineVariant, wide = false): Promise<WebAssembly.Module> {
  const key = wide ? `${variant} wide` : variant
  let module = compiled.get(key)
  if (!module) {
    module = wide ? compileApart(variant) : compile(urlOf(variant))
    compiled.set(key, module)
    // A file that comes back may be read again.
    module.catch(() => compiled.delete(key))
  }
  return module
}

/**
 * The same at once, where files can be read without waiting: in Node. Undefined elsewhere.
 */
export function loadEngineSync(variant: EngineVariant): WebAssembly.Module | undefined {
  const url = urlOf(variant)
  try {
    const bytes = platform().readPackageFileSync?.(url)
    return bytes && new WebAssembly.Module(bytes as BufferSource)
  } catch (error) {
    throw broken(url, error)
  }
}

/** The module's bytes. */
export function engineBytes(variant: EngineVariant): Promise<Uint8Array> {
  return read(urlOf(variant))
}

/** An instance of a module over a memory, which may be shared with other instances. */
export function instantiateEngine(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): EngineExports {
  // The module's own functions. Those that the loader makes of them count arguments for optional
  // parameters, which no function of the engine has.
  return instantiateSync(module, { env: { memory } }).instance.exports as unknown as EngineExports
}

const urlOf = (variant: EngineVariant): URL =>
  new URL(`../../wasm/${variant}.wasm`, import.meta.url)

async function compile(url: URL): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile((await read(url)) as BufferSource)
  } catch (error) {
    throw broken(url, error)
  }
}

/** What to say of a file of the package that cannot be used. */
export function broken(url: URL, cause: unknown): SpikewasmError {
  if (cause instanceof SpikewasmError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  const file = url.protocol === 'file:' ? decodeURIComponent(url.pathname) : url.href
  return new SpikewasmError(
    `${file}, a file of spikewasm, is missing or damaged (${why}); install spikewasm again`,
    { cause },
  )
}

/** An empty custom section named "wide". */
const MARK = [0, 5, 4, ...new TextEncoder().encode('wide')]

/** V8 shares optimised code between modules of the same bytes, so these must not be the same. */
async function compileApart(variant: EngineVariant): Promise<WebAssembly.Module> {
  const bytes = await engineBytes(variant)
  const marked = new Uint8Array(bytes.length + MARK.length)
  marked.set(bytes)
  marked.set(MARK, bytes.length)
  return WebAssembly.compile(marked)
}

async function read(url: URL): Promise<Uint8Array> {
  try {
    return await platform().readPackageFile(url)
  } catch (error) {
    throw broken(url, error)
  }
}
