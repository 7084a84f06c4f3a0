/** An op that is planned: its memory, and who runs it. */

import { Control } from '../../assembly/opcodes.js'
import { checkInteger, describe, expect, SpikewasmError } from '../errors.js'
import type * as host from '../host.js'
import { layOut } from '../plan/encode.js'
import { assignAddresses } from '../plan/memory.js'
import type { PlannedRecord } from '../plan/program.js'
import { roundUp } from '../round-up.js'
import { letGo } from '../runtime/collect.js'
import { isNode } from '../runtime/processors.js'
import type { OpBuilder, Planned, Settings } from './builder.js'
import { isOwnMemory, PlanMemory } from './memory.js'
import { Runner } from './runner.js'
import { showShape, sizeOf } from './shapes.js'
import { type OpTensor, ownCount, type TensorInfo, type Values, type ValueType } from './tensor.js'

/** What every op's options may say. */
export interface CommonOptions {
  /**
   * Worker threads, 1 by default: the calling thread. With more, `run` returns a promise. The
   * results have the same bits.
   */
  readonly threads?: number
  /** 'debug' checks addresses and is slow; default 'release'. On one thread. */
  readonly engine?: 'release' | 'debug'
}

export const commonOptions = ['threads', 'engine'] as const

const MOST_THREADS = 256

/** Names of arrays, as they say themselves: those of another page or context too. */
const arrays: Readonly<Record<ValueType, string>> = {
  float32: 'Float32Array',
  uint8: 'Uint8Array',
  int8: 'Int8Array',
  int32: 'Int32Array',
}

/** Settings are a plain object; anything else is meant as an array. */
function isSettings(value: unknown): value is Settings {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isDefined = ([, value]: readonly [string, unknown]): boolean => value !== undefined

function checkCommon(op: string, { calls }: Planned, { threads = 1, engine }: CommonOptions): void {
  checkInteger(`${op}.threads`, threads, 1, MOST_THREADS)
  expect(
    engine === undefined || engine === 'release' || engine === 'debug',
    () => `${op}.engine must be 'release' or 'debug', got ${describe(engine)}`,
  )
  expect(
    engine !== 'debug' || isNode(),
    () => `${op}.engine must be 'release' in a page, got "debug"; check the op in Node`,
  )
  if (threads === 1) return
  expect(isNode(), () => `${op}.threads must be 1 in a page, got ${threads}; leave it out`)
  expect(!calls, () => `${op} runs on one thread; leave threads out, got ${threads}`)
  expect(
    engine !== 'debug',
    () => `${op}.engine 'debug' runs on one thread; leave threads out, got ${threads}`,
  )
}

/** What a plan of any op has. */
export interface PlanInfo {
  /** The op's name, such as `conv2d`. */
  readonly opName: string
  /** What is known of each tensor, by name. */
  readonly tensors: Readonly<Record<string, TensorInfo>>
  /** The algorithm that was taken, where the op has a choice. */
  readonly algorithm: string | undefined
  /** The kernels that a run may call, in order. Where a run chooses, both are there. */
  readonly kernels: readonly string[]
  /** Worker threads; 1: the calling thread. */
  readonly threads: number
  /** Bytes of the plan's memory. */
  readonly bytes: number
  /** The engine's call alone, on one thread: what the rest of `run` is measured against. */
  bare(): void
  /**
   * A tensor of the plan's own memory in PyTorch's order, as a new array.
   *
   * @throws SpikewasmError for a name that the plan does not have
   */
  read(name: string): Values
  /**
   * Writes an array in PyTorch's order into the plan's own memory.
   *
   * @throws SpikewasmError for a name that the plan does not have, or an array that does not fit
   */
  write(name: string, values: Values): void
  /** Ends the plan's threads and lets go of its memory. Arrays that somebody holds stay. */
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
  readonly #op: string
  readonly #records: readonly PlannedRecord[]
  readonly #memory: PlanMemory
  readonly #runner: Runner
  readonly #all: readonly OpTensor[]
  readonly #inputs: readonly OpTensor[]
  readonly #outputs: readonly OpTensor[]
  readonly #views: ReadonlyMap<OpTensor, Values>
  readonly #inputViews: readonly Values[]
  #own: unknown
  readonly #control: Planned['control']
  #before: (() => void) | undefined
  #settings: Settings = {}
  #running: Promise<unknown> | undefined
  #disposed = false

  constructor({ op, b }: OpBuilder, planned: Planned, options: CommonOptions) {
    checkCommon(op, planned, options)
    const { inputs, outputs, others = [], calls, before, control, start } = planned
    const { threads = 1, engine = 'release' } = options
    const records = b.programs[0].sections.flatMap((section) => section.records)
    const least = Math.max(64, calls?.scratch ?? 64)
    const scratch = records.reduce((most, record) => Math.max(most, record.scratch), least)
    const scratchBytes = roundUp(scratch, 64)
    const programAt = roundUp(assignAddresses(b.buffers, Control.Bytes + 64), 64)
    const laid = layOut(b.programs, threads, programAt)
    const scratchAt = programAt + laid.size + 64
    this.#op = op
    this.#records = records
    this.opName = op.replace(/^ops\./, '')
    this.threads = threads
    this.algorithm = planned.algorithm
    this.kernels = calls ? [calls.name] : records.map(({ name }) => name)
    this.bytes = scratchAt + threads * scratchBytes + 64
    this.#memory = new PlanMemory(op, this.bytes, threads > 1 || engine === 'debug')
    const { bytes, programs } = laid.encode()
    this.#memory.put(programAt, bytes)
    this.#runner = new Runner(op, this.#memory, {
      program: programs[0],
      scratch: scratchAt,
      scratchBytes,
      threads,
      isDebug: engine === 'debug',
      kernels: b.kernels,
      ...(calls && { calls }),
    })
    this.#inputs = inputs
    this.#outputs = outputs
    this.#all = [...inputs, ...outputs, ...others]
    const { views } = this.#memory
    this.#views = new Map(this.#all.map((t) => [t, views(t.buffer, t.type, ownCount(t))] as const))
    const viewOf = (tensor: OpTensor): Values => this.#views.get(tensor) as Values
    this.#inputViews = inputs.map(viewOf)
    this.#own = this.#results(viewOf)
    const totals = before && this.#runner.totals()
    this.#before = before && totals && (() => before(views, totals, this.#settings))
    this.#control = control
    const block = this.#memory.control
    block.word(Control.StepMask, 0xffffffff)
    start?.(block)
    control?.(block, this.#settings)
    this.tensors = Object.fromEntries(
      this.#all.map(({ name, type, shape, order, sizes }) => [
        name,
        { name, type, shape, order, sizes },
      ]),
    )
    for (const tensor of this.#all) {
      if (tensor.name in this && this[tensor.name as keyof this] !== viewOf(tensor))
        throw new Error(`${op}: a plan has something else of the name ${tensor.name}`)
      const value = viewOf(tensor)
      Object.defineProperty(this, tensor.name, { value, enumerable: true, configurable: true })
    }
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
    if (this.threads > 1) return this.#runOnThreads(given)
    const isOwn = this.#take(given)
    this.#before?.()
    this.#runner.run()
    return isOwn ? this.#own : this.#copies(given)
  }

  bare(): void {
    this.#checkAlive()
    this.#runner.run()
  }

  read(name: string): Values {
    this.#checkAlive()
    return this.#named('read', name).unpack(this.#memory.views)
  }

  write(name: string, values: Values): void {
    this.#checkAlive()
    const tensor = this.#named('write', name)
    this.#check(tensor, values)
    tensor.pack(values, this.#memory.views)
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await this.#running?.catch(() => undefined)
    await this.#runner.dispose()
    for (const { name } of this.#all) Reflect.deleteProperty(this, name)
    ;(this.#views as Map<OpTensor, Values>).clear()
    ;(this.#inputViews as Values[]).length = 0
    this.#own = undefined
    this.#before = undefined
    this.#memory.forget()
    if (this.threads > 1) await letGo(this.bytes)
  }

  /**
   * For tests: the memory, the address of the program, and its records.
   *
   * @internal
   */
  static insides(plan: OpPlan) {
    const { program } = plan.#runner.at
    return { memory: plan.#memory.memory as host.WasmMemory, program, records: plan.#records }
  }

  /**
   * Names of the arrays that a run cannot do without; those that it goes on from may be left out.
   *
   * @internal
   */
  static required(plan: OpPlan): readonly string[] {
    const last = plan.#inputs.findLastIndex(({ updated }) => !updated)
    return plan.#inputs.slice(0, last + 1).map(({ name }) => name)
  }

  #named(what: string, name: string): OpTensor {
    const found = this.#all.find((tensor) => tensor.name === name)
    expect(
      found !== undefined,
      () =>
        `${this.#op}.${what}: the name must be one of ${Object.keys(this.tensors).join(', ')}, ` +
        `got ${describe(name)}`,
    )
    return found
  }

  #checkAlive(): void {
    if (this.#disposed)
      throw new SpikewasmError(`${this.#op}.run: the plan was disposed; plan the op again`)
    if (this.#running)
      throw new SpikewasmError(
        `${this.#op}.run: the plan is still running; wait for its promise first`,
      )
  }

  /** Checks all that was given, then copies what is not the plan's own. Returns whether all is. */
  #take(given: readonly unknown[]): boolean {
    this.#checkAlive()
    if (given.length === 0) return true
    let count = given.length
    while (count > 0 && given[count - 1] === undefined) count--
    const settings = isSettings(given[count - 1]) ? (given[--count] as Settings) : undefined
    const inputs = this.#inputs
    expect(
      count <= inputs.length,
      () =>
        `${this.#op}.run takes ${inputs.length} arrays ` +
        `(${inputs.map(({ name }) => name).join(', ')}), got ${count}`,
    )
    const isGiven = (i: number): boolean =>
      given[i] !== undefined && given[i] !== this.#inputViews[i]
    for (let i = 0; i < count; i++) if (isGiven(i)) this.#check(inputs[i], given[i])
    if (settings) this.#set(settings)
    let isOwn = true
    for (let i = 0; i < count; i++)
      if (isGiven(i)) {
        isOwn = false
        inputs[i].pack(given[i] as Values, this.#memory.views)
      }
    return isOwn
  }

  /** Settings hold until others are given; wrong ones change nothing. */
  #set(given: Settings): void {
    const control = this.#control
    expect(control !== undefined, () => `${this.#op}.run takes no settings, got ${describe(given)}`)
    const merged = {
      ...this.#settings,
      ...Object.fromEntries(Object.entries(given).filter(isDefined)),
    }
    try {
      control(this.#memory.control, merged)
    } catch (error) {
      control(this.#memory.control, this.#settings)
      throw error
    }
    this.#settings = merged
  }

  #check(tensor: OpTensor, values: unknown): void {
    const { name, type, shape, order } = tensor
    const count = sizeOf(shape)
    const isView = ArrayBuffer.isView(values)
    expect(
      isView &&
        (values as Values)[Symbol.toStringTag] === arrays[type] &&
        (values as Values).length === count,
      () =>
        `${this.#op}.run: ${name} must be a ${arrays[type]} of shape ${showShape(shape)}, ` +
        `which are ${count} numbers, got ${describe(values)}` +
        (isView ? ` of ${(values as Values).length}` : ''),
    )
    expect(
      !isOwnMemory((values as Values).buffer),
      () =>
        `${this.#op}.run: ${name} must be an array in PyTorch's order, got a plan's own memory, ` +
        `which has the order ${order}; take what run() returns for arrays of yours, or ` +
        `plan.read('${name}')`,
    )
    tensor.check?.(values as Values)
  }

  async #runOnThreads(given: readonly unknown[]): Promise<unknown> {
    const isOwn = this.#take(given)
    this.#before?.()
    this.#running = this.#runner.runOnThreads()
    try {
      await this.#running
    } finally {
      this.#running = undefined
    }
    return isOwn ? this.#own : this.#copies(given)
  }

  /** New arrays; and what the op has changed, in the arrays that the caller gave. */
  #copies(given: readonly unknown[]): unknown {
    const { views } = this.#memory
    const written = new Map<OpTensor, Values>()
    this.#inputs.forEach((tensor, i) => {
      const values = given[i]
      if (!tensor.updated || !ArrayBuffer.isView(values) || values === this.#inputViews[i]) return
      ;(values as Values).set(tensor.unpack(views))
      written.set(tensor, values as Values)
    })
    return this.#results((tensor) => written.get(tensor) ?? tensor.unpack(views))
  }

  #results(of: (tensor: OpTensor) => unknown): unknown {
    const outputs = this.#outputs
    if (outputs.length === 1) return of(outputs[0])
    return Object.fromEntries(outputs.map((tensor) => [tensor.name, of(tensor)]))
  }
}
