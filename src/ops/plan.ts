/** An op that is planned: its memory, and who runs it. */

import { Control, Op } from '../../assembly/opcodes.js'
import { checkInteger, describe, expect, SpikewasmError } from '../errors.js'
import { encode, encodedSize } from '../plan/encode.js'
import { assignAddresses } from '../plan/memory.js'
import type { Buffer } from '../plan/words.js'
import { roundUp } from '../round-up.js'
import type { Executor } from '../runtime/executor.js'
import { type EngineExports, type EngineVariant, instantiateEngine } from '../runtime/load.js'
import { isNode } from '../runtime/processors.js'
import type { ControlBlock, EngineFunction, OpBuilder, Planned, Settings } from './builder.js'
import { engineModule } from './engine.js'
import { showShape, sizeOf } from './shapes.js'
import { type OpTensor, ownCount, type TensorInfo, type Values, type ValueType } from './tensor.js'

/** What every op's options may say. */
export interface CommonOptions {
  /**
   * Worker threads, 1 by default: the calling thread. With more, `run` returns a promise. The
   * results have the same bits.
   */
  readonly threads?: number
  /** 'debug' checks addresses and is slow; default 'release'. */
  readonly engine?: 'release' | 'debug'
}

export const commonOptions = ['threads', 'engine'] as const

const PAGE = 65536
const MAX_BYTES = 2 ** 32
const MOST_THREADS = 256
/** The barrier of several workers: turns that one waits before it sleeps, and milliseconds. */
const SPINS = 20_000
const TIMEOUT_MS = 60_000

const arrays = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
} as const

/** The fixed names of a plan; an op's tensors have others. */
const isSettings = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

/** What a plan of any op has. */
export interface PlanInfo {
  /** The op's name, such as `ops.conv2d`. */
  readonly opName: string
  /** What is known of each tensor, by name. */
  readonly tensors: Readonly<Record<string, TensorInfo>>
  /** The algorithm that was taken, where the op has a choice. */
  readonly algorithm: string | undefined
  /** The kernels that a run calls, in order. */
  readonly kernels: readonly string[]
  /** Threads of a run; with 1 it is the calling thread. */
  readonly threads: number
  /** Bytes of the plan's memory. */
  readonly bytes: number
  /** The engine's call alone: what the rest of `run` is measured against. One thread. */
  bare(): void
  /** Ends the plan's threads and lets its memory go. Arrays that somebody holds stay. */
  dispose(): Promise<void>
}

/** A planned op. Its tensors' own memory is there under their names. */
export class OpPlan implements PlanInfo {
  readonly opName: string
  readonly tensors: Readonly<Record<string, TensorInfo>>
  readonly algorithm: string | undefined
  readonly kernels: readonly string[]
  readonly threads: number
  readonly bytes: number
  private readonly memory: WebAssembly.Memory
  private readonly inputs: readonly OpTensor[]
  private readonly outputs: readonly OpTensor[]
  private readonly inputViews: readonly Values[]
  private readonly own: unknown
  private readonly program: number
  private readonly scratch: number
  private readonly scratchBytes: number
  private readonly engine: EngineExports['run'] | undefined
  private readonly setControl: (settings: Settings) => void
  private readonly takesSettings: boolean
  private readonly before: (() => void) | undefined
  private executor: Promise<Executor> | undefined
  private running: Promise<unknown> | undefined
  private disposed = false

  constructor({ op, b }: OpBuilder, planned: Planned, options: CommonOptions) {
    const { threads = 1, engine = 'release' } = options
    checkInteger(`${op}.threads`, threads, 1, MOST_THREADS)
    expect(
      engine === 'release' || engine === 'debug',
      () => `${op}.engine must be 'release' or 'debug', got ${describe(engine)}`,
    )
    expect(
      threads === 1 || isNode,
      () => `${op}.threads must be 1 in a page, got ${threads}; leave it out`,
    )
    const { calls } = planned
    expect(
      threads === 1 || !calls,
      () => `${op} runs on one thread; leave threads out, got ${threads}`,
    )
    this.opName = op
    this.threads = threads
    this.inputs = planned.inputs
    this.outputs = planned.outputs
    this.algorithm = planned.algorithm
    const records = b.programs[0].sections.flatMap((section) => section.records)
    this.kernels = calls ? [calls.name] : records.map((record) => Op[record.op])
    const scratch = [calls?.scratch ?? 64, ...records.map(({ scratch }) => scratch)]
    this.scratchBytes = roundUp(Math.max(64, ...scratch), 64)
    const programAt = roundUp(assignAddresses(b.buffers, Control.Bytes + 64), 64)
    this.scratch = programAt + encodedSize(b.programs, threads) + 64
    this.bytes = this.scratch + threads * this.scratchBytes + 64
    const shared = threads > 1 || engine === 'debug'
    this.memory = allocate(op, this.bytes, shared)
    const { bytes, programs } = encode(b.programs, threads, programAt)
    new Uint8Array(this.memory.buffer).set(bytes, programAt)
    this.program = programs[0]
    const variant = threads > 1 ? 'engine-threads' : engine === 'debug' ? 'engine-debug' : 'engine'
    if (threads > 1) {
      this.executor = this.startThreads()
      // A run tells of a failure; until then nobody waits for it.
      this.executor.catch(() => undefined)
    }
    if (threads === 1) {
      const engine = instantiateEngine(engineModule(variant), this.memory)
      this.engine = calls ? callOf(engine, calls, this.scratch) : engine.run
    }
    const all = [...planned.inputs, ...planned.outputs, ...(planned.others ?? [])]
    const views = new Map(all.map((tensor) => [tensor, this.viewOf(tensor)]))
    const viewOf = (tensor: OpTensor): Values => views.get(tensor) as Values
    this.tensors = Object.fromEntries(
      all.map(({ name, type, shape, order, sizes }) => [name, { name, type, shape, order, sizes }]),
    )
    for (const tensor of all)
      Object.defineProperty(this, tensor.name, { value: viewOf(tensor), enumerable: true })
    this.inputViews = planned.inputs.map(viewOf)
    this.own = this.results(viewOf)
    const block = controlBlock(this.memory)
    this.before = this.beforeRun(planned, variant)
    this.takesSettings = planned.control !== undefined
    this.setControl = (settings) => planned.control?.(block, settings)
    block.word(Control.StepMask, 0xffffffff)
    planned.start?.(block)
    this.setControl({})
  }

  /**
   * Runs the op.
   *
   * @param given arrays in PyTorch's shapes, in the order that the op documents. One that is left
   *   out (`undefined`) stays what the plan's memory holds. Behind them the settings of this run,
   *   where the op has any.
   * @returns the result in new arrays, in PyTorch's shapes; the plan's own memory if no other array
   *   was given. A promise of it with `threads`.
   */
  run(...given: unknown[]): unknown {
    const isOwn = this.take(given)
    this.before?.()
    if (this.engine) {
      this.engine(this.program, 0, 1, this.scratch, 0, 0)
      return isOwn ? this.own : this.copies(given)
    }
    return this.runOnThreads(given, isOwn)
  }

  bare(): void {
    this.engine?.(this.program, 0, 1, this.scratch, 0, 0)
  }

  async dispose(): Promise<void> {
    this.disposed = true
    const { executor } = this
    this.executor = undefined
    await this.running?.catch(() => undefined)
    await (await executor)?.dispose()
  }

  /** Copies what is not the plan's own. Returns whether all of it was. */
  private take(given: readonly unknown[]): boolean {
    if (this.disposed)
      throw new SpikewasmError(`${this.opName}.run: the plan was disposed; plan the op again`)
    if (this.running)
      throw new SpikewasmError(
        `${this.opName}.run: the plan is still running; wait for its promise first`,
      )
    let count = given.length
    if (count === 0) return true
    if (isSettings(given[count - 1])) {
      count--
      expect(
        this.takesSettings,
        () => `${this.opName}.run takes no settings, got ${describe(given[count])}`,
      )
      this.setControl(given[count] as Settings)
    }
    const { inputs, inputViews } = this
    expect(
      count <= inputs.length,
      () =>
        `${this.opName}.run takes ${inputs.length} arrays ` +
        `(${inputs.map(({ name }) => name).join(', ')}), got ${count}`,
    )
    let isOwn = true
    for (let i = 0; i < count; i++) {
      const values = given[i]
      if (values === undefined || values === inputViews[i]) continue
      isOwn = false
      inputs[i].pack(this.checked(inputs[i], values), this.views)
    }
    return isOwn
  }

  private checked({ name, type, shape }: OpTensor, values: unknown): Values {
    const Wanted = arrays[type]
    const count = sizeOf(shape)
    expect(
      values instanceof Wanted && values.length === count,
      () =>
        `${this.opName}.run: ${name} must be a ${Wanted.name} of shape ${showShape(shape)}, ` +
        `which are ${count} numbers, got ${describe(values)}` +
        (ArrayBuffer.isView(values) ? ` of ${(values as Values).length}` : ''),
    )
    return values as Values
  }

  private async runOnThreads(given: readonly unknown[], isOwn: boolean): Promise<unknown> {
    const { program, threads, scratch, scratchBytes } = this
    const run = async (): Promise<void> => {
      const executor = (await this.executor) as Executor
      const limits = { spins: SPINS, timeoutMs: TIMEOUT_MS }
      await executor.run({ program, workers: threads, scratch, scratchBytes, ...limits })
    }
    this.running = run()
    try {
      await this.running
    } finally {
      this.running = undefined
    }
    return isOwn ? this.own : this.copies(given)
  }

  private async startThreads(): Promise<Executor> {
    const module = engineModule('engine-threads')
    const { poolExecutor } = await import('../runtime/pool.js')
    return poolExecutor(module, this.memory, this.threads)
  }

  /** New arrays; and what the op has changed, in the arrays that the caller gave. */
  private copies(given: readonly unknown[]): unknown {
    this.inputs.forEach((tensor, i) => {
      const values = given[i]
      if (tensor.updated && ArrayBuffer.isView(values) && values !== this.inputViews[i])
        (values as Values).set(tensor.unpack(this.views))
    })
    return this.results((tensor) => {
      const at = tensor.updated ? this.inputs.indexOf(tensor) : -1
      return at >= 0 && ArrayBuffer.isView(given[at]) ? given[at] : tensor.unpack(this.views)
    })
  }

  private results(of: (tensor: OpTensor) => unknown): unknown {
    const { outputs } = this
    if (outputs.length === 1) return of(outputs[0])
    return Object.fromEntries(outputs.map((tensor) => [tensor.name, of(tensor)]))
  }

  /** What is worked out from the arguments, by functions of the engine on this thread. */
  private beforeRun({ before }: Planned, variant: EngineVariant): (() => void) | undefined {
    if (!before) return undefined
    const engine = instantiateEngine(engineModule(variant), this.memory)
    const of =
      (total: 'byteSum' | 'bitSum' | 'byteMax') =>
      ({ address }: Buffer, bytes: number): number =>
        engine[total](address, roundUp(bytes, 16)) >>> 0
    const totals = { byteSum: of('byteSum'), bitSum: of('bitSum'), byteMax: of('byteMax') }
    return () => before(this.views, totals)
  }

  private viewOf(tensor: OpTensor): Values {
    return this.views(tensor.buffer, tensor.type, ownCount(tensor))
  }

  private readonly views = (buffer: Buffer, type: ValueType, count: number): Values =>
    new arrays[type](this.memory.buffer as ArrayBuffer, buffer.address, count)
}

/** A function of the engine with its arguments, in the place of `run`. */
function callOf(engine: EngineExports, of: EngineFunction, scratch: number): EngineExports['run'] {
  const call = engine[of.name as keyof EngineExports] as (...args: readonly number[]) => void
  const args = [...of.arguments(), scratch]
  return () => {
    call(...args)
    return 0
  }
}

function allocate(op: string, bytes: number, shared: boolean): WebAssembly.Memory {
  const gib = `${(bytes / 2 ** 30).toFixed(2)} GiB`
  expect(
    bytes <= MAX_BYTES,
    () => `${op} needs ${gib} of memory, WebAssembly addresses at most 4 GiB; make shapes smaller`,
  )
  const pages = Math.ceil(bytes / PAGE)
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch {
    throw new SpikewasmError(
      `${op} needs ${gib} of memory, more than this machine gives; make shapes smaller, or ` +
        'dispose of plans that are not used any more',
    )
  }
}

function controlBlock({ buffer }: WebAssembly.Memory): ControlBlock {
  const view = new DataView(buffer)
  return {
    word: (offset, value) => view.setUint32(offset, value >>> 0, true),
    float: (offset, value) => view.setFloat32(offset, value, true),
    address: (offset, tensor) => view.setUint32(offset, tensor.buffer.address, true),
  }
}
