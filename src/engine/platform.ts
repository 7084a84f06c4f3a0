/**
 * What the engine asks of its surroundings. The package's entries register theirs: `index.ts` that
 * of Node (Bun and Deno too), `page.ts` that of a page. No other file asks where it runs.
 */

import { fail, printable } from '../base/errors.js'
import type { EngineKind } from '../compile/context.js'
import type { Plan } from '../compile/plan.js'
import type { Executor } from './threads/executor.js'

/** Tells what works, but hardly as it was meant. */
export const warn = (message: string, code: WarningCode): void =>
  platform().warn(printable(message), code)

/** Numbers of bytes as messages say them. */
export const size = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`

/** Under which codes warnings come; `process.on('warning', …)` can tell them apart (Node). */
export type WarningCode =
  | 'SPIKEWASM_THREADS'
  | 'SPIKEWASM_VERSION'
  | 'SPIKEWASM_SILENT'
  | 'SPIKEWASM_SPLIT'
  | 'SPIKEWASM_CACHE'
  | 'SPIKEWASM_PICTURES'
  | 'SPIKEWASM_REPORT'
  | 'SPIKEWASM_ROUNDS'

/** Files by their paths. A page has none. */
export interface Files {
  /**
   * @param what the file is to the user
   * @throws SpikewasmError for what is no readable file
   */
  read(path: string, what: string): Promise<Uint8Array>
  /** Those of a model's file, or of the last weights in the folder of a run. */
  readModel(path: string): Promise<Uint8Array>
  /** Writes all of the file, or nothing. */
  write(path: string, bytes: Uint8Array): Promise<void>
}

/** Who calls: told apart by what their asynchronous call came from. */
export interface Callers {
  /** Runs `body` as code of `of`, with all that it starts. */
  run<T>(of: object, body: () => T): T
  /** Whether the caller is such code. */
  isWithin(of: object): boolean
}

/** How many addresses a process may use, in bytes. */
export interface AddressLimit {
  readonly limit: number
  readonly used: number
  /**
   * What V8 reserves for any memory of WebAssembly, so that it need not check each access. From
   * Node 24 on it makes do with less where it must.
   */
  readonly reserved: number
}

/** Asks for garbage collections. */
export interface Collector {
  readonly run: (options?: { readonly type: 'minor' }) => void
  readonly heapBytes: () => number
}

/** At once, and none of its threads need have started when it returns. */
export type MakeExecutor = (
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  workers: number,
) => Executor

/**
 * Gets a memory of its own for a plan, and what runs programs there. The plan's own, that of the
 * host, holds only what the host reads and writes.
 *
 * @param before the executor of the plan before, whose place it takes
 * @throws RangeError when there is not as much memory; `before` is as it was then
 */
export type OpenMirror = (
  plan: Plan,
  of: {
    readonly module: WebAssembly.Module
    readonly shared: boolean
    readonly script?: string | URL
    readonly before?: Executor
  },
) => Promise<{ readonly memory: WebAssembly.Memory; readonly executor: Executor }>

/** The surroundings. All of it can be called at any time. */
export interface Platform {
  readonly kind: 'node' | 'page'
  /** How many threads can run at once. */
  processors(): number
  /**
   * Whether the memory of a model is shared: then its engine is `engine-threads`.
   *
   * @param threads that the model may have
   */
  sharesMemory(threads: number): boolean
  /**
   * Gets ready to make executors of so many workers.
   *
   * @param workers how many take part in a run at most; 1: as `localExecutor`, or one thread beside
   *   the calling one where that must stay free
   * @param script of a page's workers; default: part of the package's code
   * @throws SpikewasmError when a file that threads start from is missing
   */
  executors(workers: number, script?: string | URL): Promise<MakeExecutor>
  /** How many threads a model can have that asks for so many. Absent: as many. */
  threads?(asked: number): number
  /** Whether programs keep the calling thread free, even those on one thread. Absent: no. */
  readonly staysFree?: boolean
  /**
   * Where programs run in a memory of their own: a function that gets it. Undefined, or absent,
   * where they run in the host's.
   */
  apart?(): OpenMirror | undefined
  /** What an address means that a user gives: relative to the page, or a path in Node. */
  address(where: string | URL): URL
  /**
   * Where a file of the package lies, by its path in it. Undefined for what comes into no page by
   * itself: it must be given.
   */
  packageFile(path: string): URL | undefined
  /** The bytes of a file of the package, or of another address. */
  readPackageFile(url: URL): Promise<Uint8Array>
  /** The same at once; undefined where nothing can be read without waiting. */
  readPackageFileSync?(url: URL): Uint8Array | undefined
  /** Undefined where nothing is limited or known. */
  addressLimit?(): AddressLimit | undefined
  /**
   * Called before threads start.
   *
   * @param option that says how many there are
   * @throws SpikewasmError where the process has no addresses for them
   */
  expectThreads?(option: string, threads: number): void
  /** Undefined where nobody can ask for a collection. */
  collector?(): Promise<Collector | undefined>
  /** What wide vectors change of a model's settings, where they can be switched on. */
  readonly wideSettings?: (given: {
    readonly engine: EngineKind
    readonly wasm?: unknown
  }) => Promise<{ readonly engine: EngineKind; readonly revectorized: boolean }>
  warn(message: string, code: WarningCode): void
  /** Absent where callers cannot be told apart. */
  readonly callers?: Callers
  readonly files?: Files
}

let registered: Platform | undefined

/** The last one that is registered holds. */
export function registerPlatform(platform: Platform): void {
  registered = platform
}

export function platform(): Platform {
  if (registered) return registered
  fail(
    'spikewasm must be imported by its name, which says where it runs, got a file of it alone; ' +
      "write import … from 'spikewasm'",
  )
}

/**
 * Files, for what needs them.
 *
 * @param what asks for them, such as `model.save`
 * @param instead what to do in a page
 * @throws SpikewasmError in a page
 */
export function filesFor(what: string, instead: string): Files {
  const { files } = platform()
  if (files) return files
  fail(`${what} needs files, which a page has not; ${instead}`)
}
