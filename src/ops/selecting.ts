/** Ops whose option `outputs` says what they return. */

import { describe, expect } from '../errors.js'
import type { OpBuilder, Planned } from './builder.js'
import { type MaybePromise, type OneThread, operation, type Plan } from './operation.js'
import type { CommonOptions } from './plan.js'
import type { Values } from './tensor.js'

type Named = Readonly<Record<string, Values>>
type Names<Results> = readonly (keyof Results & string)[]

/** One result is returned as it is, several as an object. */
export type Selected<Results, O extends Names<Results>> = O extends readonly [
  infer K extends keyof Results,
]
  ? Results[K]
  : { readonly [K in O[number]]: Results[K] }

/** The option of these ops. */
export interface OutputsOption<O> {
  /** Names of what to compute and return. */
  readonly outputs?: O
}

type Options<Given, O> = Given & OutputsOption<O> & CommonOptions

/** An op as `Operation`, whose result follows from its option `outputs`. */
export interface SelectingOperation<
  Given extends object,
  Args extends readonly unknown[],
  Results extends Named,
  Inputs extends Readonly<Record<string, Values | undefined>>,
  Standard extends Names<Results>,
> {
  /** Plans the op for its shapes, runs it once on arrays and returns the result. */
  <const O extends Names<Results> = Standard>(
    options: Options<Given, O> & OneThread,
    ...args: Partial<Args>
  ): Selected<Results, O>
  <const O extends Names<Results> = Standard>(
    options: Options<Given, O>,
    ...args: Partial<Args>
  ): MaybePromise<Selected<Results, O>>
  /** As it is exported. */
  readonly opName: string
  /**
   * Plans the op for its shapes and reserves memory.
   *
   * @throws SpikewasmError for an option or a shape that does not fit, naming it
   */
  plan<const O extends Names<Results> = Standard>(
    options: Options<Given, O> & OneThread,
  ): Plan<Args, Selected<Results, O>, Inputs & Pick<Results, O[number]>>
  plan<const O extends Names<Results> = Standard>(
    options: Options<Given, O>,
  ): Plan<Args, MaybePromise<Selected<Results, O>>, Inputs & Pick<Results, O[number]>>
}

/**
 * @param known names of the options besides `outputs` and those that all ops have
 * @param all names of what it can return; `standard`: without the option
 */
export function selecting<
  Given extends object,
  Args extends readonly unknown[],
  Results extends Named,
  Inputs extends Readonly<Record<string, Values | undefined>>,
  const Standard extends Names<Results>,
>(
  opName: string,
  known: readonly (keyof Given & string)[],
  all: Names<Results>,
  standard: Standard,
  build: (o: OpBuilder, options: Given, outputs: ReadonlySet<keyof Results & string>) => Planned,
): SelectingOperation<Given, Args, Results, Inputs, Standard> {
  type Any = Given & OutputsOption<Names<Results>>
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
