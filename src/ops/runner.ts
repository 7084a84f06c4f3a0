/** Who runs a planned op: an engine on this thread, or worker threads. */

import type { KernelSet } from '../equations/kernel-set.js'
import { fail, SpikewasmError } from '../errors.js'
import type { Buffer } from '../plan/words.js'
import { roundUp } from '../round-up.js'
import type { Executor } from '../runtime/executor.js'
import { type EngineExports, instantiateEngine } from '../runtime/load.js'
import { platform } from '../runtime/platform.js'
import type { EngineFunction } from './builder.js'
import { engineModule } from './engine.js'
import type { PlanMemory } from './memory.js'
import type { Totals } from './tensor.js'

/** What is where in the plan's memory, and how it runs. */
export interface RunnerPlan {
  readonly program: number
  readonly scratch: number
  readonly scratchBytes: number
  readonly threads: number
  readonly isDebug: boolean
  readonly calls?: EngineFunction
  readonly kernels?: KernelSet
}

/** The barrier of several workers: turns that one waits before it sleeps, and milliseconds. */
const SPINS = 20_000
const TIMEOUT_MS = 60_000
/** Bytes that totals are taken of at once. */
const LINE = 64

export class Runner {
  /** The engine of this thread; with threads it is made only where something needs it. */
  #engine: EngineExports | undefined
  #call: (() => void) | undefined
  #threads: Promise<Executor> | undefined
  #failure: string | undefined

  constructor(
    private readonly op: string,
    private readonly memory: PlanMemory,
    readonly at: RunnerPlan,
  ) {
    if (at.threads > 1) return
    const { program, scratch, calls } = at
    const engine = this.engine()
    this.#call = calls
      ? callOf(engine, calls, scratch)
      : () => void engine.run(program, 0, 1, scratch, 0, 0)
  }

  /** Runs it once on this thread. */
  run(): void {
    if (!this.#call) fail(`${this.op}.bare: the plan runs on ${this.at.threads} threads`)
    try {
      this.#call()
    } catch (error) {
      throw this.failed(error)
    }
  }

  async runOnThreads(): Promise<void> {
    if (this.#failure !== undefined)
      fail(
        `${this.op}.run: a worker failed in an earlier run (${this.#failure}); plan the op again`,
      )
    const { program, threads, scratch, scratchBytes } = this.at
    this.#threads ??= this.startThreads()
    try {
      const executor = await this.#threads
      const limits = { spins: SPINS, timeoutMs: TIMEOUT_MS }
      const kernels = this.at.kernels?.module(this.memory.memory)
      await executor.run({ program, workers: threads, scratch, scratchBytes, kernels, ...limits })
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
    const out = this.memory.views({ address: scratch } as Buffer, 'int32', 2)
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

  private engine(): EngineExports {
    if (this.#engine) return this.#engine
    const { threads, isDebug, kernels } = this.at
    const { memory } = this.memory
    const variant = threads > 1 ? 'engine-threads' : isDebug ? 'engine-debug' : 'engine'
    const engine = instantiateEngine(engineModule(variant), memory)
    engine.take(kernels?.module(memory))
    this.#engine = engine
    return engine
  }

  private async startThreads(): Promise<Executor> {
    const module = engineModule('engine-threads')
    const { threads } = this.at
    const make = await platform().executors(threads)
    return make(module, this.memory.memory, threads)
  }

  /** A trap of a kernel: something in the plan's own memory is not what it should be. */
  private failed(error: unknown): Error {
    const { message } = error as Error
    return new SpikewasmError(
      `${this.op}.run: a kernel failed (${message}); check what was written to the plan's memory`,
    )
  }
}

/** A function of the engine with its arguments. */
function callOf(engine: EngineExports, of: EngineFunction, scratch: number): () => void {
  const call = engine[of.name as keyof EngineExports] as (...args: readonly number[]) => void
  const args = [...of.arguments(), scratch]
  return () => call(...args)
}
