/** What an optimizer is, and which there are. */

import { describe, fail } from '../base/errors.js'
import { type Made, maker } from '../base/rules.js'
import type { Place } from '../kernels/records/schema.js'
import type { Buffer, Reference } from '../kernels/records/words.js'
import type { ParameterGroup } from '../network/optimizer.js'
import type { ProgramBuilder } from './program.js'

/** Options that all optimizers have; each has a default. */
export interface OptimizerOptions {
  /**
   * Learning rate, ≥ 0; default 0.1 for `sgd`, 0.001 for `adam` and `adamW`, 0.01 for
   * `rmsprop` and `rule`.
   */
  lr?: number
  /** Weight decay, ≥ 0; default 0, but 0.01 for `adamW`. */
  weightDecay?: number
  /**
   * What decays: 'weights' of convolutions and linear layers alone (the paper's recipe), or 'all'
   * parameters, as PyTorch does. Default 'weights'.
   */
  decay?: 'all' | 'weights'
  /** Parameters with numbers of their own; default none. */
  groups?: readonly ParameterGroup[]
}

/** What the functions that make optimizers give, by their kinds. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by kinds.ts
export interface Optimizers {}

/** What an optimizer's maker gives. */
export type Optimizer = Optimizers[keyof Optimizers]

/** What planner, session, checkpoints and the command line ask of an optimizer. */
interface OptimizerKind<O extends object> extends Made<O> {
  /** By which rule it steps; its own where this is absent. */
  readonly rule?: string
  /**
   * What it keeps for each parameter from step to step, under PyTorch's names; one array of floats
   * each, zero at first.
   */
  readonly states: readonly string[]
  /** Whether weight decay is no part of the gradient. */
  readonly decoupled?: boolean
  readonly emit: EmitStep
  /** Where users write its rules. */
  readonly own?: OwnRules<never>
}

/** Rules that are texts of users. */
interface OwnRules<M> {
  /** All that its plan follows from. */
  ruleOf(optimizer: M): string
  numbersOf(optimizer: M): Readonly<Record<string, number>>
  /** @throws SpikewasmError for what is no rule */
  read(rule: string): Pick<Known, 'states' | 'emit'>
}

/** What a step reads and changes, beside what its rule keeps. */
interface StepFields {
  readonly parameters: Place
  readonly gradients: Place
  /** Floats, a multiple of 16. */
  readonly count: number
  /** Whether they are no weights of convolutions or linear layers. */
  readonly otherDecay: boolean
  /** SGD alone may have none: the control block has its numbers. */
  readonly numbers: Buffer
  readonly group: Reference
}

/** Emits a step. @param states what the rule keeps, in its order */
export type EmitStep = (
  b: ProgramBuilder,
  fields: StepFields,
  states: readonly Place[],
  kind: Known,
) => void

type Known = Omit<OptimizerKind<OptimizerOptions>, 'check' | 'own'> & {
  readonly rule: string
  readonly own?: OwnRules<Optimizer>
  make(options: object): Optimizer
}

const kinds = new Map<string, Known>()
/** An optimizer whose rule is no text of the user's. */
export type BuiltIn = Exclude<Optimizer, { readonly text: string }>['kind']
const names: BuiltIn[] = []

/** Names of all optimizers that are known, and need no text of the user's. */
export const optimizerNames: readonly BuiltIn[] = names

export const optimizerKind = (kind: Optimizer['kind']): Known => kinds.get(kind) as Known

/** The rule by which an optimizer steps. */
export function ruleOf(optimizer: Optimizer): string {
  const { own, rule } = optimizerKind(optimizer.kind)
  return own?.ruleOf(optimizer) ?? rule
}

/** An optimizer of this rule: all of them keep the same. */
export function kindOfRule(rule: string): Known {
  const found = [...kinds.values()].find((kind) => kind.rule === rule)
  const own = ownKind() as Known
  return found ?? { ...own, rule, ...own.own?.read(rule) }
}

/** The optimizer whose rules users write, where it is loaded. */
const ownKind = (): Known | undefined => [...kinds.values()].find((kind) => kind.own)

/** Whether there is such a rule. */
export function isRule(rule: string): boolean {
  try {
    return kindOfRule(rule).rule === rule
  } catch {
    return false
  }
}

/** Makes an optimizer known. @returns the function that makes it */
export function defineOptimizer<M extends Optimizer, O extends OptimizerOptions>(
  kind: M['kind'],
  of: OptimizerKind<O>,
): (options?: O, ...more: []) => M {
  const make = maker<M, O>(kind, of, {})
  kinds.set(kind, { rule: kind, ...of, make } as unknown as Known)
  if (!of.own) names.push(kind as BuiltIn)
  return make
}

/** Numbers of a step beside rate and decay, by the names that texts have for them, in order. */
export function numbersOf(optimizer: Optimizer): Readonly<Record<string, number>> {
  const { own: texts, options } = optimizerKind(optimizer.kind)
  if (texts) return texts.numbersOf(optimizer)
  const own = Object.keys(options).flatMap((key) =>
    ['lr', 'weightDecay', 'decay', 'groups'].includes(key)
      ? []
      : [Reflect.get(optimizer, key) as unknown]
          .flat()
          .map((value, i, { length }) => [
            length > 1 ? `${key.slice(0, -1)}${i + 1}` : key,
            Number(value),
          ]),
  )
  return Object.fromEntries(own)
}

/**
 * @throws SpikewasmError unless `optimizer` is complete. A missing momentum, for example, would
 *   reach the kernels as NaN.
 */
export function checkOptimizer(name: string, optimizer: Optimizer): void {
  const { kind, ...options } = Object(optimizer) as Optimizer
  const known = kinds.get(kind)
  if (
    known === undefined ||
    !Object.keys(known.options).every((field) => Reflect.get(options, field) !== undefined)
  )
    fail(
      `${name} must be made by ${names.join(', ')}, as in sgd({ lr: 0.1 }), got ` +
        describe(optimizer),
    )
  known.make(options)
}

/**
 * An optimizer that options give: itself, its name, or the text of its rule.
 *
 * @throws SpikewasmError for what is none
 */
export function optimizerOf(name: string, given: Optimizer | string): Optimizer {
  const known = names.find((kind) => kind === given)
  const own = typeof given === 'string' && given.includes('=') && ownKind()
  const made = known ? optimizerKind(known).make({}) : own ? own.make({ text: given }) : given
  checkOptimizer(name, made as Optimizer)
  return made as Optimizer
}

export const checkOption = (name: string, given: Optimizer | string): void =>
  void optimizerOf(name, given)
