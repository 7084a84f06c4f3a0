/** Ops whose option `outputs` says what they return. */

import { describe, expect } from '../errors.js'
import type { OpBuilder, Planned } from './builder.js'
import { type Operation, operation } from './operation.js'
import type { Asks, NotEmpty, OpTypes, Option, Ranked } from './types.js'

/** A list of names of results. */
export type ResultNames<Results> = readonly (keyof Results & string)[]

/** One result is returned as it is, several as an object. */
export type Selected<Results, Names> = Names extends readonly [infer K extends keyof Results]
  ? Results[K]
  : Chosen<Results, Names>

/** Results that a list names. */
export type Chosen<Results, Names> =
  Names extends ResultNames<Results> ? Pick<Results, Names[number]> : never

/** The option of these ops. */
export interface OutputsOption<Results> {
  /** Names of what to compute and return, at least one. */
  readonly outputs?: ResultNames<Results>
}

/** The names of the results with options `O`. */
export type OutputsOf<O, Standard> = Option<O, 'outputs', Standard>

/** Whether one of some results is asked for; boolean: only a run knows. */
export type Has<Name, Names> = Names extends readonly unknown[]
  ? number extends Names['length']
    ? boolean
    : [Extract<Names[number], Name>] extends [never]
      ? false
      : true
  : false

/** Types of an op with the results `Results`, and memory besides these. */
export interface Selecting<
  Ranks,
  Args extends readonly unknown[],
  Results,
  Memory,
  Standard,
  Settings = never,
> extends OpTypes {
  /** At least one result, and shapes of as many axes. */
  readonly rules: Ranked<this['options'], Ranks> & SomeOutputs<this['options']>
  /** Arrays that a single call needs. */
  readonly args: Args
  /** Arrays behind them that a single call may leave out. */
  readonly updated: []
  /** What runs take behind the arrays. */
  readonly settings: Settings
  /** What the option `outputs` names. */
  readonly result: Selected<Results, OutputsOf<this['options'], Standard>>
  /** The plan's own memory by name. */
  readonly memory: Memory & Chosen<Results, OutputsOf<this['options'], Standard>>
}

/** The rule that there is one output at least. */
export type SomeOutputs<O> = {
  readonly [K in 'outputs' & keyof O]?: NotEmpty<O[K]>
}

/** The rule that the output `counts` is of spikes. */
export type CountsOfSpikes<O> = [
  Has<'counts', Option<O, 'outputs', []>>,
  Asks<O, 'spikes'>,
] extends [true, false]
  ? {
      /** Counts are of spikes. */
      readonly spikes: true
    }
  : unknown

/**
 * @param known names of the options besides `outputs` and those that all ops have
 * @param all names of what it can return
 * @param standard those without the option
 */
export function selecting<Given extends object, Results, Types extends OpTypes>(
  opName: string,
  known: readonly (keyof Given & string)[],
  all: ResultNames<Results>,
  standard: ResultNames<Results>,
  build: (o: OpBuilder, options: Given, outputs: ReadonlySet<keyof Results & string>) => Planned,
): Operation<Given & OutputsOption<Results>, Types> {
  return operation<Given & OutputsOption<Results>, Types>(
    opName,
    [...known, 'outputs'],
    (o, options) => {
      const { outputs = standard } = options
      return build(o, options, namesOf(o.op, outputs, all))
    },
  )
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
