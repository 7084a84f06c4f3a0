/** Types of ops, as users see them. */

import type * as is from './options.js'
import type { CommonOptions, PlanInfo } from './plan.js'
import type { Make, Values } from './tensor.js'

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
/** Arrays of a tensor; undefined where options may not ask for it. */
export type ArrayOf<P> = P extends Planning<infer A> ? A : undefined

/** The plan's own memory by name; what options do not ask for is undefined. */
export type Memory<T> = { readonly [K in keyof T]: ArrayOf<T[K]> }

/** All that an op gives, where options say what that is; `R`: what runs then return. */
export interface All<R> {
  /** Never set: it carries the result's type. */
  readonly result?: R
}
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
