/** Ops whose option `outputs` says what they return. */

import { describe, expect } from '../errors.js'
import type { OpBuilder, Planned } from './builder.js'
import { type MaybePromise, type OneThread, operation, type Plan } from './operation.js'
import type { CommonOptions } from './plan.js'
import type { Values } from './tensor.js'

/** Results of an op by name. */
export type NamedResults = Readonly<Record<string, Values>>

/** A list of names of results. */
export type ResultNames<Results> = readonly (keyof Results & string)[]

/** One result is returned as it is, several as an object. */
export type Selected<Results, O extends ResultNames<Results>> = O extends readonly [
  infer K extends keyof Results,
]
  ? Results[K]
  : { readonly [K in O[number]]: Results[K] }

/** The option of these ops. */
export interface OutputsOption<O> {
  /** Names of what to compute and return. */
  readonly outputs?: O
}

/** All options of such an op: its own, `outputs`, and those that every op has. */
export type SelectingOptions<Given, O> = Given & OutputsOption<O> & CommonOptions

/** An op as `Operation`, whose result follows from its option `outputs`. */
export interface SelectingOperation<
  Given extends object,
  Args extends readonly unknown[],
  Results extends NamedResults,
  Inputs extends Readonly<Record<string, Values | undefined>>,
  Standard extends ResultNames<Results>,
> {
  /** Plans the op for its shapes, runs it once on arrays and returns the result. */
  <const O extends ResultNames<Results> = Standard>(
    options: SelectingOptions<Given, O> & OneThread,
    ...args: Partial<Args>
  ): Selected<Results, O>
  <const O extends ResultNames<Results> = Standard>(
    options: SelectingOptions<Given, O>,
    ...args: Partial<Args>
  ): MaybePromise<Selected<Results, O>>
  /** As it is exported. */
  readonly opName: string
  /**
   * Plans the op for its shapes and reserves memory.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan<const O extends ResultNames<Results> = Standard>(
    options: SelectingOptions<Given, O> & OneThread,
  ): Plan<Args, Selected<Results, O>, Inputs & Pick<Results, O[number]>>
  /**
   * The same for any number of threads: with more than one `run` returns a promise.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan<const O extends ResultNames<Results> = Standard>(
    options: SelectingOptions<Given, O>,
  ): Plan<Args, MaybePromise<Selected<Results, O>>, Inputs & Pick<Results, O[number]>>
}

/**
 * @param known names of the options besides `outputs` and those that all ops have
 * @param all names of what it can return; `standard`: without the option
 */
export function selecting<
  Given extends object,
  Args extends readonly unknown[],
  Results extends NamedResults,
  Inputs extends Readonly<Record<string, Values | undefined>>,
  const Standard extends ResultNames<Results>,
>(
  opName: string,
  known: readonly (keyof Given & string)[],
  all: ResultNames<Results>,
  standard: Standard,
  build: (o: OpBuilder, options: Given, outputs: ReadonlySet<keyof Results & string>) => Planned,
): SelectingOperation<Given, Args, Results, Inputs, Standard> {
  type Any = Given & OutputsOption<ResultNames<Results>>
  const made = operation<Any, Args, unknown, Inputs>(
    opName,
    [...known, 'outputs'],
    (o, options) => {
      const { outputs = standard } = options
      return build(o, options, namesOf(o.op, outputs, all))
    },
  )
  return made as unknown as SelectingOperation<Given, Args, Results, Inputs, Standard>
}

function namesOf<K extends string>(op: string, given: unknown, all: readonly K[]): ReadonlySet<K> {
  const names: readonly unknown[] = Array.isArray(given) ? given : []
  expect(
    names.length > 0 &&
      new Set(names).size === names.length &&
      names.every((name) => all.includes(name as K)),
    () => `${op}.outputs must be a list of some of ${all.join(', ')}, got ${describe(given)}`,
  )
  return new Set(names as readonly K[])
}
