/** An op is a row: its options, its tensors, the records that it emits. One planner makes all. */

import { fail } from '../errors.js'
import type { Buffer } from '../plan/words.js'
import { type ControlBlock, OpBuilder, type Planned, type Settings } from './builder.js'
import * as is from './options.js'
import { type CommonOptions, commonOptions, OpPlan, type PlanInfo } from './plan.js'
import type { Make, OpTensor, Values } from './tensor.js'

/** Options of an op: those without a default must be there. */
export type Options<S> = CommonOptions & is.OptionsIn<S>

/**
 * What an op does with a tensor. Runs take it, perhaps write it back to the caller's array
 * (`updates`), and return that (`changes`); or give it; or make it, which is seen only where
 * `outputs` asks; or make it only then (`asked`); or the plan shows it.
 */
export type Role = 'takes' | 'updates' | 'changes' | 'gives' | 'makes' | 'asked' | 'shows'

/** A tensor of an op, before it is made. */
export interface Planning<A extends Values, R extends Role = Role> {
  /** What the op does with it. */
  readonly role: R
  /** @internal absent: it is made while records are emitted */
  readonly make?: Make<A>
}
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
/** Arrays of a tensor; undefined where options may not ask for it. */
export type ArrayOf<P> = P extends Planning<infer A> ? A : undefined

/** The plan's own memory by name; what options do not ask for is undefined. */
export type Memory<T> = { readonly [K in keyof T]: ArrayOf<T[K]> }

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

/** All that an op gives, where options say what that is; `R`: what runs then return. */
export interface All<R> {
  /** Its type. */
  readonly result?: R
}
export const all = <R>(): All<R> => undefined as unknown as All<R>

/** An array of a plan. */
export type ArrayAt<T, K> = K extends keyof T ? NonNullable<ArrayOf<T[K]>> : never
/** The name of what is given, or a list of names. */
export type GivenNames<
  T,
  K = {
    [K in keyof T]: Extract<T[K], Planning<Values, 'gives'>> extends never ? never : K
  }[keyof T],
  All = K,
> = K extends unknown ? ([All] extends [K] ? K : readonly All[]) : never
/** One result as it is, several as an object. */
export type Result<T, N> = unknown extends N
  ? Result<T, GivenNames<T>>
  : N extends All<infer R>
    ? R
    : N extends readonly [infer K]
      ? ArrayAt<T, K>
      : N extends readonly (infer Names)[]
        ? { readonly [K in keyof T as K extends Names ? K : never]: ArrayAt<T, K> }
        : ArrayAt<T, N>

/** What runs return with options `O`: by `outputs`, by another option, with threads a promise. */
export type Returned<T, N, X, O> = Awaitable<
  O extends Readonly<Record<'outputs', infer Names extends readonly unknown[]>>
    ? Result<T, Names>
    : X extends readonly [infer K extends string, infer V, infer Names]
      ? O extends { readonly [name in K]: V }
        ? Result<T, Names>
        : Result<T, N>
      : Result<T, N>,
  O extends Readonly<Record<'threads', infer Threads>> ? Threads : 1
>
/** A result, or with several threads a promise of it. */
export type Awaitable<V, Threads> = number extends Threads
  ? V | Promise<V>
  : Threads extends 1 | undefined
    ? V
    : Promise<V>

/** Arrays in PyTorch's order, and behind them what a run sets. */
export type Given<T, W> = readonly (ArrayOf<T[keyof T]> | W | undefined)[]

/**
 * A planned op. Its own memory is there by name: writing there and running without arguments copies
 * nothing.
 */
export type Plan<T, W, R> = PlanInfo &
  Memory<T> & {
    /**
     * Runs the op. Arguments are in PyTorch's order; one that is left out stays what it was.
     *
     * @throws SpikewasmError for an array of another type or length, naming it
     */
    run(...given: Given<T, W>): R
  }

/** Options as given: no others than those that the op knows. */
export type Exact<O, S> = O & { readonly [K in Exclude<keyof O, keyof Options<S>>]: never }

/**
 * A kernel as a function. `ops.relu({ input: [2, 3] }, x)` plans and runs it once; `plan` is for
 * more runs of one shape. With several threads results are promises.
 */
export interface Operation<S, T, W, N, X> {
  /** Plans the op for its shapes, runs it once on arrays and returns the result. */
  <const O extends Options<S>>(options: Exact<O, S>, ...given: Given<T, W>): Returned<T, N, X, O>
  /** As it is exported. */
  readonly opName: string
  /**
   * Plans the op for its shapes and reserves memory.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan<const O extends Options<S>>(options: Exact<O, S>): Plan<T, W, Returned<T, N, X, O>>
}

/** What an op takes: `OptionsOf<typeof ops.conv2d>`. */
export type OptionsOf<F> =
  F extends Operation<infer S, infer _T, infer _W, infer _N, infer _X> ? Options<S> : never

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
    const result = runOnce(made, args)
    if (!(result instanceof Promise)) return result
    return result.finally(() => made.dispose())
  }
  return Object.assign(once, { opName, plan }) as never
}

type Anything = Readonly<Record<string, unknown>>
type AnyRow = Row<is.OptionTable, object, Tensors, is.OptionTable, unknown, readonly unknown[]>

// Loops: lists of pairs took a tenth of the time that a small op is planned in.
function planned(opName: string, row: AnyRow, table: is.OptionTable, options: Anything): OpPlan {
  const op = `ops.${opName}`
  const all = is.checkAll(op, table, options)
  const { threads, engine, ...checked } = all as Anything & is.Checked<typeof commonOptions>
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
  const others = having((role) => role !== 'makes').filter(
    (one) => !inputs.includes(one) && !outputs.includes(one),
  )
  const settings = setting && {
    // Those that are options as well hold until a run says otherwise.
    settings: Object.fromEntries(Object.keys(setting.table).map((name) => [name, checked[name]])),
    control(block: ControlBlock, given: Settings): Settings {
      const all = is.checkAll(`${op}.run`, setting.table, given, ': ')
      setting.write?.(block, all as never)
      return all
    },
  }
  const tensorsOf = { inputs, outputs, others }
  return new OpPlan(o, { ...tensorsOf, ...settings, ...emitted }, { threads, engine })
}

/** A single call has no run before it whose arguments could stay. */
function runOnce(plan: OpPlan, args: readonly unknown[]): unknown {
  const required = OpPlan.required(plan)
  const missing = required.find((_, i) => args[i] === undefined)
  if (missing !== undefined)
    fail(`ops.${plan.opName}: ${missing} is missing; a single call needs ${required.join(', ')}`)
  return plan.run(...args)
}
