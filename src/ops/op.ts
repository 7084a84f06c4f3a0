/** An op is a row: its options, its tensors, the records that it emits. One planner makes all. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { inUnits } from '../compile/budgets.js'
import type { Fields, RecordKind, Schema } from '../kernels/records/schema.js'
import type { Buffer } from '../kernels/records/words.js'
import { type ControlBlock, OpBuilder, type Planned, type Settings } from './builder.js'
import * as is from './options.js'
import { commonOptions, OpPlan } from './plan.js'
import { type Extent, imagesOf } from './shapes.js'
import { floats, type Make, type OpTensor, type Values } from './tensor.js'
import type { All, Operation, Planning, Role } from './types.js'

export type { Planning } from './types.js'

type Tensors = Readonly<Record<string, Planning<Values> | false | undefined>>

const as =
  <R extends Role>(role: R) =>
  <A extends Values>(make?: Make<A>): Planning<A, R> => ({ role, make })
export const takes = as('takes')
export const updates = as('updates')
export const changes = as('changes')
export const gives = as('gives')
export const makes = as('makes')
export const shows = as('shows')
/** Given where `outputs` names it; else it is not made. */
export const asked: <A extends Values>(make: Make<A>) => Planning<A, 'asked'> | undefined =
  as('asked')

type Of<P, V> = P extends Planning<Values> ? V : undefined
type Made<T> = { readonly [K in keyof T]: Of<T[K], OpTensor> }
type Places<T> = { readonly [K in keyof T]: Of<T[K], Buffer> }

/** What a run may set, as a table of options says it, and how it is written for the engine. */
export interface Setting<S extends is.OptionTable> {
  readonly table: S
  write?(block: ControlBlock, of: is.Checked<S>): void
}
type SettingsOf<W> = { readonly [K in keyof W]?: is.GivenOf<W[K]> }
/** For a row. */
export const setting = <S extends is.OptionTable>(
  table: S,
  write?: Setting<S>['write'],
): Setting<S> => ({ table, write })

/** An op, as a table has it. */
export interface Row<S, D, T, W extends is.OptionTable, N, X> {
  /** A check of each option. One may be `outputs`. */
  readonly options: S
  /**
   * What a run returns, by default where there are `outputs`: a name, or several. Absent: what it
   * gives.
   */
  readonly returns?: N
  /** An option, a value of it, and what is returned then. */
  readonly when?: X
  /** What follows from options together; it is handed on with them. */
  derive?(of: is.Checked<S>, o: OpBuilder): D
  /** In the order of `run`'s arguments. */
  tensors(of: With<S, D>, o: OpBuilder): T
  /** What a run may set. */
  sets?(of: With<S, D>, o: OpBuilder): Setting<W> | false
  /** Emits the records. `at`: where tensors lie. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most have no more to say
  emit(o: OpBuilder, at: Places<T>, of: With<S, D>, tensors: Made<T>): Partial<Planned> | void
}
type With<S, D> = is.Checked<S> & D

/** For a row. */
export const all = <R>(): All<R> => undefined as unknown as All<R>

/** @__NO_SIDE_EFFECTS__ */
export function op<
  S extends is.OptionTable,
  T extends Tensors,
  D = unknown,
  W extends is.OptionTable = never,
  const N = unknown,
  const X = unknown,
>(opName: string, row: Row<S, D, T, W, N, X>): Operation<S, T, SettingsOf<W>, N, X> {
  const table = { ...row.options, ...commonOptions }
  const plan = (options: Anything): OpPlan =>
    planned(opName, row as unknown as AnyRow, table, options)
  const once = (options: Anything, ...args: unknown[]): unknown => {
    const made = plan(options)
    // A single call has no run before it whose arguments could stay.
    const required = OpPlan.required(made)
    const missing = required.find((_, i) => args[i] === undefined)
    if (missing !== undefined)
      fail(`ops.${opName}: ${missing} is missing; a single call needs ${required.join(', ')}`)
    const result = made.run(...args)
    return result instanceof Promise ? result.finally(() => made.dispose()) : result
  }
  return Object.assign(once, { opName, plan }) as never
}

type Anything = Readonly<Record<string, unknown>>
type AnyRow = Row<is.OptionTable, object, Tensors, is.OptionTable, unknown, readonly unknown[]>

// Loops: lists of pairs took a tenth of the time that a small op is planned in.
function planned(opName: string, row: AnyRow, table: is.OptionTable, options: Anything): OpPlan {
  const op = `ops.${opName}`
  const { threads, engine, ...checked } = is.checkAll(op, table, options) as Anything &
    is.Checked<typeof commonOptions>
  const { when: [key, value, then] = [], returns } = row
  const usual = key !== undefined && checked[key as string] === value ? then : returns
  const said = (checked.outputs ?? usual) as string | readonly string[] | undefined
  const named = said === undefined ? undefined : [said].flat()
  const o = new OpBuilder(op, new Set(named))
  const derived = row.derive?.(checked as never, o)
  const of = (derived ? { ...checked, ...derived } : checked) as never
  const { made } = o
  const tensors = row.tensors(of, o)
  const roles: [string, Role][] = []
  const at: Record<string, Buffer> = {}
  for (const name in tensors) {
    const { role, make } = tensors[name] || {}
    if (!role || (role === 'asked' && !o.asked.has(name))) continue
    roles.push([name, role])
    if (!make) continue
    made[name] = make(o, { name, updated: role === 'updates' || role === 'changes' })
    at[name] = made[name].buffer
  }
  const emitted = row.emit(o, at as never, of, made)
  const setting = row.sets?.(of, o)
  const having = (fits: (role: Role) => boolean): OpTensor[] =>
    roles.filter(([, role]) => fits(role)).map(([name]) => made[name])
  const inputs = having((role) => role === 'takes' || role === 'updates' || role === 'changes')
  const outputs = named?.map((name) => made[name]) ?? having((role) => role === 'gives')
  const shown = having((role) => role !== 'makes')
  const settings = setting && {
    // Those that are options as well hold until a run says otherwise.
    settings: Object.fromEntries(Object.keys(setting.table).map((name) => [name, checked[name]])),
    control(block: ControlBlock, given: Settings): Settings {
      const all = is.checkAll(`${op}.run`, setting.table, given, ': ')
      setting.write?.(block, all as never)
      return all
    },
  }
  const all = { inputs, outputs, shown, ...settings, ...emitted }
  return new OpPlan(o, all, { threads, engine })
}

// What ops share that pass over rows of pixels, and those that go on from run to run.

/** Traces and sums of gradients have no last step; the engine's numbers have 31 bits. */
export const LAST_STEP = 2 ** 31 - 1

/**
 * Emits a record that passes over all pixels; the other fields are those that all of them have.
 *
 * @param rows of a pixel that the kernel takes together
 */
export function pass<S extends Schema>(
  { b }: OpBuilder,
  kind: RecordKind<S>,
  extent: Extent,
  own: Omit<Fields<S>, 'pixels' | 'channels' | 'pixelsPerUnit' | 'steps'>,
  rows = extent.T,
): void {
  const pixels = extent.B * extent.H * extent.W
  const { stored: channels, steps } = imagesOf(extent)
  const { units, pixelsPerUnit } = inUnits(pixels, channels * rows)
  b.emit(kind, units, { pixels, channels, pixelsPerUnit, steps, ...own } as unknown as Fields<S>)
}

/** What an op reads, and what becomes of it. */
export const through = <A extends Values>(input: Make<A>, output = input) => ({
  /** Numbers of the shape `input`; with `spikes` bytes of 0 and 1. */
  input: takes(input),
  /** The result, of the input's type. */
  output: gives(output),
})

/** The gradient of the output, and what becomes of it. */
export const back = (from: Extent, to = from) => ({
  /** The gradient of the output. */
  delta: takes(floats(from)),
  /** The gradient of the input, in its shape. */
  inputGradient: gives(floats(to)),
})

const stepOf = (last: number) => ({
  /** Number of the run's first step. At 0, the default, a run begins anew. */
  step: is.integerIf(0, last, 0),
})
/**
 * Settings of ops that go on from run to run.
 * @interface
 */
export type StepSettings = is.OptionsIn<ReturnType<typeof stepOf>>

/** For runs up to a last step. */
export const stepSetting = (last: number) =>
  setting(stepOf(last), (block, { step }) => block.word(Control.FirstStep, step))
