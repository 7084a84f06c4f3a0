/** An op that is planned: its memory, and who runs it. */

import { Control } from '../../assembly/opcodes.js'
import { describe, fail } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'
import { isPlain } from '../base/objects.js'
import { layOut } from '../compile/emit/encode.js'
import { assignAddresses } from '../compile/memory.js'
import type { PlannedRecord } from '../compile/program.js'
import { letGo } from '../engine/memory/collect.js'
import { isNode } from '../engine/threads/processors.js'
import type { ControlBlock, OpBuilder, Planned, Settings } from './builder.js'
import { type Checked, integerIf, type OptionsIn, oneOf } from './options.js'
import { isOwnMemory, Runner } from './runner.js'
import { showShape, sizeOf } from './shapes.js'
import { type OpTensor, ownCount, type TensorInfo, tags, type Values } from './tensor.js'

const MOST_THREADS = 256

export const commonOptions = {
  /**
   * Worker threads, 1 by default: the calling thread. With more, `run` returns a promise. The
   * results have the same bits.
   */
  threads: integerIf(1, MOST_THREADS, 1),
  /** 'debug' checks addresses and is slow; default 'release'. On one thread. */
  engine: oneOf(['release', 'debug']),
}
/**
 * What every op's options may say.
 * @interface
 */
export type CommonOptions = OptionsIn<typeof commonOptions>
type Common = Checked<typeof commonOptions>

function checkCommon(op: string, { threads, engine }: Common): void {
  if (engine !== 'release' && !isNode())
    fail(`${op}.engine must be 'release' in a page, got "debug"; check the op in Node`)
  if (threads === 1) return
  if (!isNode()) fail(`${op}.threads must be 1 in a page, got ${threads}; leave it out`)
  if (engine === 'debug')
    fail(`${op}.engine 'debug' runs on one thread; leave threads out, got ${threads}`)
}

/** What a plan has until it is disposed. */
interface Live {
  readonly runner: Runner
  /** The plan's own arrays: of its inputs first. */
  readonly own: readonly Values[]
  /** What `run` gives that is not asked for new arrays. */
  readonly result: unknown
  readonly before: (settings: Settings) => void
}

/** A planned op. Its tensors' own memory is there under their names. */
export class OpPlan {
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
  readonly #op: string
  readonly #planned: Planned
  readonly #records: readonly PlannedRecord[]
  readonly #all: readonly OpTensor[]
  #live: Live | undefined
  #settings: Settings
  /** The same, checked and complete. */
  #checked: Settings
  #running: Promise<unknown> | undefined

  constructor({ op, b }: OpBuilder, planned: Planned, common: Common) {
    checkCommon(op, common)
    const { inputs, outputs, shown, before, start } = planned
    const { threads, engine } = common
    const records = b.programs[0].sections.flatMap((section) => section.records)
    const scratch = records.reduce((most, record) => Math.max(most, record.scratch), 64)
    const scratchBytes = roundUp(scratch, 64)
    const programAt = roundUp(assignAddresses(b.buffers, Control.Bytes + 64), 64)
    const laid = layOut(b.programs, threads, programAt)
    const scratchAt = programAt + laid.size + 64
    this.#op = op
    this.#planned = planned
    this.#records = records
    this.#all = [...new Set([...inputs, ...outputs, ...shown])]
    this.opName = op.replace(/^ops\./, '')
    this.threads = threads
    this.algorithm = planned.algorithm
    this.kernels = records.map(({ name }) => name)
    this.bytes = scratchAt + threads * scratchBytes + 64
    const { bytes, programs } = laid.encode()
    const runner = new Runner(op, this.bytes, {
      program: programs[0],
      scratch: scratchAt,
      scratchBytes,
      threads,
      isDebug: engine === 'debug',
      kernels: b.kernels,
    })
    const { views, block } = runner
    new Uint8Array(runner.memory.buffer).set(bytes, programAt)
    const own = this.#all.map((tensor) => views(tensor.buffer, tensor.type, ownCount(tensor)))
    const totals = before && runner.totals()
    this.#live = {
      runner,
      own,
      result: this.#results((tensor) => own[this.#all.indexOf(tensor)]),
      before: (settings) => totals && before(views, totals, settings),
    }
    block.word(Control.StepMask, 0xffffffff)
    start?.(block)
    this.#settings = planned.settings ?? {}
    this.#checked = planned.control?.(block, this.#settings) ?? {}
    this.tensors = Object.fromEntries(
      this.#all.map(({ name, type, shape, order, sizes }) => [
        name,
        { name, type, shape, order, sizes },
      ]),
    )
    for (const [i, { name }] of this.#all.entries()) {
      const value = own[i]
      if (name in this) throw new Error(`${op}: a plan has something else of the name ${name}`)
      Object.defineProperty(this, name, { value, enumerable: true, configurable: true })
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
    const live = this.#alive()
    const isOwn = this.#take(live, given)
    live.before(this.#checked)
    live.runner.run()
    return isOwn ? live.result : this.#copies(live, given)
  }

  /** The engine's call alone, on one thread: what the rest of `run` is measured against. */
  bare(): void {
    this.#alive().runner.run()
  }

  /**
   * A tensor of the plan's own memory in PyTorch's order, as a new array.
   *
   * @throws SpikewasmError for a name that the plan does not have
   */
  read(name: string): Values {
    const { views } = this.#alive().runner
    return this.#named('read', name).unpack(views)
  }

  /**
   * Writes an array in PyTorch's order into the plan's own memory.
   *
   * @throws SpikewasmError for a name that the plan does not have, or an array that does not fit
   */
  write(name: string, values: Values): void {
    const { views } = this.#alive().runner
    const tensor = this.#named('write', name)
    this.#check(tensor, values)
    tensor.pack(values, views)
  }

  /** Ends the plan's threads and lets go of its memory. Arrays that somebody holds stay. */
  async dispose(): Promise<void> {
    if (!this.#live) return
    await this.#end(this.#live)
    if (this.threads > 1) await letGo(this.bytes)
  }

  async #end({ runner }: Live): Promise<void> {
    this.#live = undefined
    await this.#running?.catch(() => undefined)
    await runner.dispose()
    for (const { name } of this.#all) Reflect.deleteProperty(this, name)
  }

  /**
   * For tests: the memory, the address of the program, and its records.
   *
   * @internal
   */
  static insides(
    plan: OpPlan,
  ): Pick<Runner, 'memory'> & { program: number; records: readonly PlannedRecord[] } {
    const { memory, at } = (plan.#live as Live).runner
    return { memory, program: at.program, records: plan.#records }
  }

  /**
   * Names of the arrays that a run cannot do without; those that it goes on from may be left out.
   *
   * @internal
   */
  static required(plan: OpPlan): readonly string[] {
    const { inputs } = plan.#planned
    const last = inputs.findLastIndex(({ updated }) => !updated)
    return inputs.slice(0, last + 1).map(({ name }) => name)
  }

  #named(what: string, name: string): OpTensor {
    const found = this.#all.find((tensor) => tensor.name === name)
    if (found === undefined)
      fail(
        `${this.#op}.${what}: the name must be one of ${Object.keys(this.tensors).join(', ')}, ` +
          `got ${describe(name)}`,
      )
    return found
  }

  #alive(): Live {
    if (!this.#live) fail(`${this.#op}.run: the plan was disposed; plan the op again`)
    if (this.#running)
      fail(`${this.#op}.run: the plan is still running; wait for its promise first`)
    return this.#live
  }

  /** Checks all that was given, then copies what is not the plan's own. Returns whether all is. */
  #take({ runner: { views, block }, own }: Live, given: readonly unknown[]): boolean {
    if (given.length === 0) return true
    let count = given.length
    while (count > 0 && given[count - 1] === undefined) count--
    // Settings are a plain object; anything else is meant as an array.
    const settings = isPlain(given[count - 1]) ? (given[--count] as Settings) : undefined
    const { inputs } = this.#planned
    if (!(count <= inputs.length))
      fail(
        `${this.#op}.run takes ${inputs.length} arrays ` +
          `(${inputs.map(({ name }) => name).join(', ')}), got ${count}`,
      )
    const isGiven = (i: number): boolean => given[i] !== undefined && given[i] !== own[i]
    for (let i = 0; i < count; i++) if (isGiven(i)) this.#check(inputs[i], given[i])
    if (settings) this.#set(block, settings)
    let isOwn = true
    for (let i = 0; i < count; i++)
      if (isGiven(i)) {
        isOwn = false
        inputs[i].pack(given[i] as Values, views)
      }
    return isOwn
  }

  /** Settings hold until others are given; wrong ones change nothing. */
  #set(block: ControlBlock, given: Settings): void {
    const { control } = this.#planned
    if (control === undefined) fail(`${this.#op}.run takes no settings, got ${describe(given)}`)
    const found = Object.entries(given).filter(([, value]) => value !== undefined)
    const merged = { ...this.#settings, ...Object.fromEntries(found) }
    this.#checked = control(block, merged)
    this.#settings = merged
  }

  #check(tensor: OpTensor, values: unknown): void {
    const { name, type, shape, order } = tensor
    const count = sizeOf(shape)
    const view = ArrayBuffer.isView(values) ? (values as Values) : undefined
    if (view?.[Symbol.toStringTag] !== tags[type] || view.length !== count)
      fail(
        `${this.#op}.run: ${name} must be a ${tags[type]} of shape ${showShape(shape)}, which ` +
          `are ${count} numbers, got ${describe(values)}${view ? ` of ${view.length}` : ''}`,
      )
    if (isOwnMemory(view.buffer))
      fail(
        `${this.#op}.run: ${name} must be an array in PyTorch's order, got a plan's own memory, ` +
          `which has the order ${order}; take what run() returns for arrays of yours, or ` +
          `plan.read('${name}')`,
      )
    tensor.check?.(view)
  }

  async #runOnThreads(given: readonly unknown[]): Promise<unknown> {
    const live = this.#alive()
    const isOwn = this.#take(live, given)
    live.before(this.#checked)
    this.#running = live.runner.runOnThreads()
    try {
      await this.#running
    } finally {
      this.#running = undefined
    }
    return isOwn ? live.result : this.#copies(live, given)
  }

  /** New arrays; and what the op has changed, in the arrays that the caller gave. */
  #copies({ runner: { views }, own }: Live, given: readonly unknown[]): unknown {
    const written = new Map<OpTensor, Values>()
    this.#planned.inputs.forEach((tensor, i) => {
      const values = given[i]
      if (!tensor.updated || !ArrayBuffer.isView(values) || values === own[i]) return
      ;(values as Values).set(tensor.unpack(views))
      written.set(tensor, values as Values)
    })
    return this.#results((tensor) => written.get(tensor) ?? tensor.unpack(views))
  }

  #results(of: (tensor: OpTensor) => Values): unknown {
    const { outputs } = this.#planned
    if (outputs.length === 1) return of(outputs[0])
    return Object.fromEntries(outputs.map((tensor) => [tensor.name, of(tensor)]))
  }
}

/** What a plan of any op has. */
export interface PlanInfo extends Omit<OpPlan, 'run'> {}
