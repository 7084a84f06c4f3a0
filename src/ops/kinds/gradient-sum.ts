/** Sums of gradients; that of average pooling is one of one gradient. */

import { describe, expect } from '../../errors.js'
import { emitGradientSum } from '../../plan/gradients.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  contribution,
  type GradientMemory,
  type GradientsOf,
  type GradientTerm,
} from '../contributions.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { floatTensor } from '../tensor.js'
import type {
  ActivityInput,
  Fixed,
  ImageInput,
  OpTypes,
  Option,
  Ranked,
  TermRules,
} from '../types.js'
import { imageOf, type WindowOptions, windowOptions } from '../windows.js'

/** Options of `ops.gradientSum`. */
export interface GradientSumOptions {
  /** Shape of the tensor: [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** At least one. A `kernelSize` means that the reader saw means over windows. */
  readonly terms: readonly GradientTerm[]
}

/** The plan's own memory besides delta0, delta1 … */
export type GradientSumMemory = {
  /** The sum, [B][H][W][T][C]. */
  readonly inputGradient: Float32Array
}

/** `ops.gradientSum`: an argument for each term. */
export interface GradientSumTypes extends OpTypes {
  /** At least one term; shapes have the right rank. */
  readonly rules: Ranked<this['options'], ActivityInput> &
    TermRules<this['options'], 'terms', GradientTerm>
  /** The terms' gradients. */
  readonly args: GradientsOf<Option<this['options'], 'terms', []>>
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** Their sum. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: GradientSumMemory & GradientMemory<Option<this['options'], 'terms', []>>
}

function planGradientSum(
  o: OpBuilder,
  shape: readonly number[],
  terms: readonly GradientTerm[],
  whereOf: (i: number) => string,
  nameOf: (i: number) => string,
  spatial: 'maybe' | 'always' = 'maybe',
): Planned {
  const { b, op } = o
  const input = extentOf(`${op}.input`, shape, 'maybe', spatial)
  const all = Array.from(terms, (term, i) => contribution(o, whereOf(i), nameOf(i), input, term))
  const out = floatTensor(b, { name: 'inputGradient' }, input)
  const gradient = all.map((of) => of.gradient)
  const to = { shape: imageOf(input), stored: out.stored, gradient }
  emitGradientSum({ b, images: input.B }, to, input.T, out.buffer)
  return { inputs: all.map(({ tensor }) => tensor), outputs: [out] }
}

/**
 * The gradient of a tensor that several layers read, from what each of them hands back:
 *
 *     inputGradient[b, t, c, y, x] = Σ over terms of scale/(kernelH·kernelW) ·
 *                                Σ of delta[b, t, c, i, j] over the windows that hold (y, x)
 *
 * A term that is `still` hands back one gradient for all steps.
 *
 * Arguments of `run`: the terms' gradients, [B, C, outH, outW] or [B, C], or that behind T. The
 * plan's own memory: delta0, delta1 …. Result: inputGradient.
 */
export const gradientSum = operation<GradientSumOptions, GradientSumTypes>(
  'gradientSum',
  ['input', 'terms'],
  (o, { input, terms }) => {
    const { op } = o
    expect(
      Array.isArray(terms) && terms.length > 0,
      () => `${op}.terms must be a list of at least one term, got ${describe(terms)}`,
    )
    const whereOf = (i: number): string => `${op}.terms[${i}]`
    return planGradientSum(o, input, terms, whereOf, (i) => `delta${i}`)
  },
)

/** Options of `ops.avgPool2dBackward`. */
export interface AvgPool2dBackwardOptions extends WindowOptions {
  /** Shape of the gradient of the input: [B, C, H, W], or that behind T. */
  readonly input: readonly number[]
}

/**
 * The gradient of average pooling:
 *
 *     inputGradient[b, t, c, y, x] = 1/(kernelH·kernelW) ·
 *                                Σ of delta[b, t, c, i, j] over the windows that hold (y, x)
 *
 * Argument of `run`: delta [B, C, outH, outW], or that behind T. Result: inputGradient.
 */
export const avgPool2dBackward = operation<
  AvgPool2dBackwardOptions,
  Fixed<
    ImageInput,
    [delta: Float32Array],
    Float32Array,
    {
      /** The gradient of the means, [B][outH][outW][T][C]. */
      readonly delta: Float32Array
      /** The result, [B][H][W][T][C]. */
      readonly inputGradient: Float32Array
    }
  >
>('avgPool2dBackward', ['input', ...windowOptions], (o, options) => {
  const { input, kernelSize, stride, padding } = options
  expect(kernelSize !== undefined, () => `${o.op}.kernelSize is missing`)
  const terms = [{ kernelSize, stride, padding }]
  return planGradientSum(
    o,
    input,
    terms,
    () => o.op,
    () => 'delta',
    'always',
  )
})
