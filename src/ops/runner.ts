/** The memory of a planned op, and who runs it: an engine on this thread, or worker threads. */

import { fail, SpikewasmError } from '../base/errors.js'
import type * as host from '../base/host.js'
import { roundUp } from '../base/numbers.js'
import * as engines from '../engine/load.js'
import { platform } from '../engine/platform.js'
import type { Executor } from '../engine/threads/executor.js'
import { isNode } from '../engine/threads/processors.js'
import type { KernelSet } from '../kernels/equations/kernel-set.js'
import type { Buffer } from '../kernels/records/words.js'
import type { ControlBlock } from './builder.js'
import { arrays, type Totals, type Views } from './tensor.js'

const loaded = new Map<engines.EngineVariant, host.WasmModule>()

/**
 * Loads the engine. A page has to wait for it before it plans its first op; in Node nobody has to
 * call it.
 */
export async function load(): Promise<void> {
  const variants = ['engine', ...(isNode() ? (['engine-threads'] as const) : [])] as const
  for (const variant of variants) loaded.set(variant, await engines.loadEngine(variant))
}

/** @throws SpikewasmError in a page that has not waited for `load` */
function engineModule(variant: engines.EngineVariant): host.WasmModule {
  const module = loaded.get(variant) ?? engines.loadEngineSync(variant)
  if (!module)
    fail('the engine is not loaded yet; call `await ops.load()` once before the first plan')
  loaded.set(variant, module)
  return module
}

/** Memory of all plans: its arrays have the engine's order. */
const owned = new WeakSet<ArrayBufferLike>()

/** Whether an array's memory is that of a plan. */
export const isOwnMemory = (buffer: ArrayBufferLike): boolean => owned.has(buffer)

const PAGE = 65536
const MAX_BYTES = 2 ** 32

/** @throws SpikewasmError that names the op when there is not as much memory */
function allocate(op: string, bytes: number, shared: boolean): WebAssembly.Memory {
  const mib = `${(bytes / 2 ** 20).toFixed(1)} MiB`
  if (!(bytes <= MAX_BYTES))
    fail(
      `${op} needs ${mib} of memory, more than the 4096 MiB that WebAssembly addresses; make ` +
        'shapes smaller',
    )
  const pages = Math.ceil(bytes / PAGE)
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch {
    fail(
      `${op} needs ${mib} of memory, more than this machine gives now; make shapes smaller. If ` +
        'there are thousands of plans (each reserves addresses), dispose of those that are done',
    )
  }
}

/** What is where in the plan's memory, and how it runs. */
interface Place {
  readonly program: number
  readonly scratch: number
  readonly scratchBytes: number
  readonly threads: number
  readonly isDebug: boolean
  readonly kernels?: KernelSet
}

/** The barrier of several workers: turns that one waits before it sleeps. */
const WAITING = { spins: 20_000, timeoutMs: 60_000 }
/** Bytes that totals are taken of at once. */
const LINE = 64

export class Runner {
  readonly memory: host.WasmMemory
  readonly views: Views
  readonly block: ControlBlock
  /** The engine of this thread; with threads it is made only where something needs it. */
  #engine: engines.EngineExports | undefined
  #threads: Promise<Executor> | undefined
  #failure: string | undefined

  constructor(
    private readonly op: string,
    bytes: number,
    readonly at: Place,
  ) {
    const { threads, isDebug } = at
    const memory = allocate(op, bytes, threads > 1 || isDebug)
    const view = new DataView(memory.buffer)
    owned.add(memory.buffer)
    this.memory = memory
    this.views = ({ address }, type, count) =>
      new arrays[type](memory.buffer as ArrayBuffer, address, count)
    this.block = {
      word: (offset, value) => view.setUint32(offset, value >>> 0, true),
      float: (offset, value) => view.setFloat32(offset, value, true),
      address: (offset, tensor) => view.setUint32(offset, tensor.buffer.address, true),
    }
    if (threads === 1) this.engine()
  }

  /** Runs it once on this thread. */
  run(): void {
    const { program, scratch, threads } = this.at
    if (threads > 1) fail(`${this.op}.bare: the plan runs on ${threads} threads`)
    try {
      this.engine().run(program, 0, 1, scratch, 0, 0)
    } catch (error) {
      throw this.failed(error)
    }
  }

  async runOnThreads(): Promise<void> {
    if (this.#failure !== undefined)
      fail(
        `${this.op}.run: a worker failed in an earlier run (${this.#failure}); plan the op again`,
      )
    const { kernels: set, threads: workers, program, scratch, scratchBytes } = this.at
    this.#threads ??= this.startThreads()
    try {
      const executor = await this.#threads
      const kernels = set?.module(this.memory)
      await executor.run({ program, workers, scratch, scratchBytes, kernels, ...WAITING })
    } catch (error) {
      const failure = this.failed(error)
      this.#failure = failure.message
      throw failure
    }
  }

  /** Totals of bytes in the plan's memory. */
  totals(): Totals {
    const { byteTotals, byteMax, bitSum, maskCounts } = this.engine()
    const { scratch } = this.at
    const out = this.views({ address: scratch } as Buffer, 'int32', 2)
    return {
      bytes({ address }, count) {
        byteTotals(address, roundUp(count, LINE), scratch)
        return { sum: out[0] >>> 0, most: out[1] }
      },
      most: ({ address }, count) => byteMax(address, roundUp(count, LINE)),
      bits: ({ address }, count) => bitSum(address, roundUp(count, LINE)) >>> 0,
      counts: (masks, neurons, planes, counts) =>
        maskCounts(masks.address, neurons, planes, counts.address),
    }
  }

  async dispose(): Promise<void> {
    await (await this.#threads?.catch(() => undefined))?.dispose()
  }

  private engine(): engines.EngineExports {
    if (this.#engine) return this.#engine
    const { threads, isDebug, kernels } = this.at
    const variant = threads > 1 ? 'engine-threads' : isDebug ? 'engine-debug' : 'engine'
    const engine = engines.instantiateEngine(engineModule(variant), this.memory)
    engine.take(kernels?.module(this.memory))
    this.#engine = engine
    return engine
  }

  private async startThreads(): Promise<Executor> {
    const module = engineModule('engine-threads')
    const { threads } = this.at
    const make = await platform().executors(threads)
    return make(module, this.memory, threads)
  }

  /** A trap of a kernel: something in the plan's own memory is not what it should be. */
  private failed(error: unknown): Error {
    const { message } = error as Error
    return new SpikewasmError(
      `${this.op}.run: a kernel failed (${message}); check what was written to the plan's memory`,
    )
  }
}
