/** Linear layers and their gradients: convolutions whose kernel covers their whole input. */

import { type LinearShape, linearShapeOptions, linearSizes } from '../convolution.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import type { Fixed } from '../types.js'
import { type ForwardOptions, forwardOptions, planForward } from '../weighted/forward.js'
import {
  type BiasGradientOptions,
  type InputGradientOptions,
  inputGradientOptions,
  planBiasGradient,
  planInputGradient,
} from '../weighted/gradients.js'
import type {
  BiasGradientTypes,
  ForwardTypes,
  InputGradientMemory,
  LinearRanks,
  RowsDelta,
  WeightGradientTypes,
} from '../weighted/types.js'
import {
  planWeightGradient,
  type WeightGradientOptions,
  weightGradientOptions,
} from '../weighted/weight-gradient.js'

/** Options of `ops.linear`. */
export interface LinearOptions extends LinearShape, ForwardOptions {}

/**
 * A linear layer on floats or spikes (`torch.nn.functional.linear`):
 *
 *     y[b, t, n] = bias[n] + Σ over c of w[n, c] · x[b, t, c]
 *
 * An input [B, C, H, W] stands for its C·H·W features, as behind `flatten`. Options and arguments
 * are those of `conv2d`. Result: [B, N], or [B, T, N].
 */
export const linear = operation<LinearOptions, ForwardTypes<LinearRanks>>(
  'linear',
  [...linearShapeOptions, ...forwardOptions],
  (o, options) => planForward(o, options, linearSizes),
)

/** Options of `ops.linearInputGradient`. `input`: the shape of the input. */
export interface LinearInputGradientOptions extends LinearShape, InputGradientOptions {}

/**
 * Gradient of a linear layer's input: dx[b, t, c] = Σ over n of w[n, c] · delta[b, t, n].
 *
 * Arguments of `run`: weight, delta [B, N] or [B, T, N]. Result: of the shape of the input.
 */
export const linearInputGradient = operation<
  LinearInputGradientOptions,
  Fixed<LinearRanks, [weight: Float32Array, delta: Float32Array], Float32Array, InputGradientMemory>
>('linearInputGradient', [...linearShapeOptions, ...inputGradientOptions], (o, options) =>
  planInputGradient(o, linearSizes(o.op, options), options),
)

/** Options of `ops.linearWeightGradient`. */
export interface LinearWeightGradientOptions extends LinearShape, WeightGradientOptions {}

/**
 * Gradient of a linear layer's weight: dw[n, c] = Σ over b, t of delta[b, t, n] · x[b, t, c].
 *
 * Options and arguments are those of `conv2dWeightGradient`, with a delta [B, N] or [B, T, N].
 * Result: [N, C].
 */
export const linearWeightGradient = operation<
  LinearWeightGradientOptions,
  WeightGradientTypes<LinearRanks>
>('linearWeightGradient', [...linearShapeOptions, ...weightGradientOptions], (o, options) =>
  planWeightGradient(o, options, linearSizes),
)

/** Options of `ops.linearBiasGradient`. */
export interface LinearBiasGradientOptions extends BiasGradientOptions {
  /** Shape of the output's gradient: [B, N], or [B, T, N]. */
  readonly delta: readonly number[]
}

/**
 * Gradient of a linear layer's bias: db[n] = Σ over b, t of delta[b, t, n].
 *
 * Arguments of `run`: delta; with `accumulate` the gradient so far, which is changed. Result:
 * [N].
 */
export const linearBiasGradient = operation<
  LinearBiasGradientOptions,
  BiasGradientTypes<RowsDelta>
>('linearBiasGradient', ['delta', 'accumulate'], (o, options) =>
  planBiasGradient(o, extentOf(`${o.op}.delta`, options.delta, 'maybe', 'never'), options),
)
