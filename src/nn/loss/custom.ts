/** A loss of the user's own: a function that gives the loss and its gradient by the outputs. */

import { describe, fail } from '../../base/errors.js'
import { roundUp } from '../../base/numbers.js'
import { complete, oneOf, type Rules, such } from '../../base/rules.js'
import { deltaRows, lowerOutputs } from '../../compile/emit/loss.js'
import { emitClear } from '../../compile/emit/update.js'
import { defineLoss } from '../../compile/loss-kind.js'
import { checkOwn } from './targets.js'
import { customText, type TextLoss, type TextLossOptions } from './text.js'

export type { TextLoss, TextLossOptions } from './text.js'

declare module '../../network/optimizer.js' {
  interface Losses {
    custom: CustomLoss
  }
}

/** What a loss is told of each sample: its label, or so many numbers. */
export type CustomTargets = 'labels' | number

/** Outputs, or a gradient, of a network: of one with several, by their names. */
export type OutputArrays<A> = A | Readonly<Record<string, A>>

/** Outputs of a network of any number of them. */
export type AnyOutputs = OutputArrays<Float32Array>

/**
 * What a loss function gets. All of it is a copy, which it may keep and change. `O` is the type of
 * the outputs: `Record<string, Float32Array>` where a network has several.
 */
export interface LossBatch<
  T extends CustomTargets = CustomTargets,
  O extends AnyOutputs = Float32Array,
> {
  /**
   * What the network gives, of all samples of the batch, float32: with `of: 'mean'` its mean over
   * time, [B][C], with `of: 'steps'` that of each step, [steps][B][C]. Of a network with several
   * outputs a record by their names.
   */
  readonly outputs: O
  /** [B] labels, or [B][n] numbers. */
  readonly targets: T extends number ? Float32Array : Int32Array
  /** Sizes of `outputs`, of the last one where there are several: [B, C], or [steps, B, C]. */
  readonly shape: readonly number[]
  /**
   * The first step of `outputs`. Online methods call the function for a few steps after others;
   * else it is 0.
   */
  readonly step: number
  /** Samples that count, from 1 to B: those behind them fill up a batch, and have no gradient. */
  readonly valid: number
  /** [B], where the data have weights. */
  readonly sampleWeights?: Float32Array
}

/** What a loss function gives. */
export interface LossAndGradient {
  /** The loss of the batch, a mean over its valid samples. */
  readonly loss: number
  /** ∂loss/∂outputs, of the same sizes. Numbers of float64 are rounded once. */
  readonly gradient: OutputArrays<Float32Array | Float64Array>
  /** Samples that are right; without it there is no accuracy. */
  readonly correct?: number
}

/** A loss as a function, which may wait for something. */
export type LossFunction<
  T extends CustomTargets = CustomTargets,
  O extends AnyOutputs = Float32Array,
> = (batch: LossBatch<T, O>) => LossAndGradient | PromiseLike<LossAndGradient>

/** Options of `custom`; each has a default. */
export interface CustomOptions<T extends CustomTargets = CustomTargets> {
  /** 'mean', the default: of the mean over time of the outputs. 'steps': of each step's. */
  of?: 'mean' | 'steps'
  /** 'labels', the default; or how many numbers each sample has, whatever they mean. */
  targets?: T
}

/** What `custom` makes. */
export interface CustomLoss<T extends CustomTargets = CustomTargets> {
  /** Which loss it is. */
  readonly kind: 'custom'
  /** What it is of: the mean over time of the outputs, or each step's. */
  readonly of: 'mean' | 'steps'
  /** What it is told of each sample. */
  readonly targets: T
  /** The function's name. */
  readonly name: string
  /** A hash of the function's text: checkpoints keep it, and cannot keep the function. */
  readonly hash: string
  /** The function. */
  readonly evaluate: LossFunction<T, AnyOutputs>
}

/** FNV-1a of a text, 32 bits as hexadecimal digits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

const rules: Rules<Required<CustomOptions>> = {
  of: oneOf<'mean' | 'steps'>(['mean', 'steps'], 'mean'),
  targets: such<CustomTargets>(
    "'labels' or how many numbers each sample has",
    (value) => value === 'labels' || (Number.isInteger(value) && (value as number) >= 1),
    'labels',
  ),
}

const isFunction = (value: unknown): boolean => typeof value === 'function'

const make = defineLoss<CustomLoss, Omit<CustomLoss, 'kind'>>('custom', {
  options: {
    ...rules,
    name: such('a text', (value) => typeof value === 'string'),
    hash: such('a text', (value) => typeof value === 'string'),
    evaluate: such<CustomLoss['evaluate']>('a function', isFunction),
  },
  isHost: true,
  ofExits: true,
  ofSteps: ({ of }) => of === 'steps',
  targetFloats: ({ targets }) => (targets === 'labels' ? 0 : targets),
  checkPlan: checkOwn,
  // The host has it: nothing is emitted.
  emit: () => undefined,
  lower(end) {
    const { b, images } = end.pass
    for (const probe of lowerOutputs(end))
      if (probe.delta)
        emitClear(b, probe.delta, roundUp(images * deltaRows(probe) * probe.stored, 16))
  },
})

/**
 * A loss of one's own: `evaluate` gets outputs and targets of a batch, and gives the loss and its
 * gradient by the outputs. It runs in each step between forward and backward pass, on the calling
 * thread. What it throws ends that call alone: the model is as it was before.
 *
 * A built-in loss that is written so, with a gradient in float64, has the bits of the built-in one.
 * As with that one, the gradient in method 'rate' is divided by T. Online methods call it for each
 * call of a few steps; it counts by their share of T. `checkGradient` compares the gradient with
 * finite differences. Files, commands, exports and rounds cannot carry a function, and say so.
 *
 * With several outputs it takes a `LossBatch<T, Record<string, Float32Array>>`.
 *
 * @throws SpikewasmError for what is no function, and for an option that is unknown or wrong
 */
export function custom<T extends CustomTargets = 'labels', O extends AnyOutputs = Float32Array>(
  evaluate: LossFunction<T, O>,
  options?: CustomOptions<T>,
  ...more: []
): CustomLoss<T>

/**
 * A loss that is a text, in the language of `neuron`: the loss of one output `y` by its `target`,
 * such as `'(y - target)^2'`. `T` is the number of steps, other names are `parameters`; lines
 * `name = …` before the last help. The loss is the mean over outputs and samples. Its derivative is
 * taken of the text, and both run in the engine in float32. It is data: files, exports, sweeps and
 * rounds carry it. `compile` and `fit` take a text alone as well.
 *
 * @throws EquationError with line, column and a caret for a mistake in the text
 * @example
 * ```ts
 * const huber = custom(
 *   `d = abs(y - target)
 *    where(d < delta, 0.5*d^2, delta*(d - 0.5*delta))`,
 *   { parameters: { delta: 0.2 } },
 * )
 * ```
 */
export function custom<T extends TextLoss['targets'] = 'labels'>(
  text: string,
  options?: TextLossOptions<T>,
  ...more: []
): TextLoss<T>

export function custom(
  evaluate: LossFunction | string,
  options: CustomOptions | TextLossOptions = {},
  ...more: []
): CustomLoss | TextLoss {
  if (typeof evaluate === 'string') return customText(evaluate, options as TextLossOptions, more)
  if (!isFunction(evaluate))
    fail(
      'custom must be given a function ({ outputs, targets, shape }) => ({ loss, gradient }), or ' +
        `a text, got ${describe(evaluate)}`,
    )
  const { of = 'mean', targets = 'labels' } = complete('custom', rules, options, more)
  const own = { name: evaluate.name, hash: hashOf(String(evaluate)), evaluate }
  return make({ of, targets, ...own } as CustomLoss)
}
