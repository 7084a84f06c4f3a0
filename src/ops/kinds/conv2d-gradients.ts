/** Gradients of convolutions. */

import { type ConvShape, convShapeOptions, convSizes } from '../convolution.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import type { Fixed } from '../types.js'
import {
  type BiasGradientOptions,
  type InputGradientOptions,
  inputGradientOptions,
  planBiasGradient,
  planInputGradient,
} from '../weighted/gradients.js'
import type {
  BiasGradientTypes,
  ConvRanks,
  ImageDelta,
  InputGradientMemory,
  WeightGradientTypes,
} from '../weighted/types.js'
import {
  planWeightGradient,
  type WeightGradientOptions,
  weightGradientOptions,
} from '../weighted/weight-gradient.js'

/** Options of `ops.conv2dInputGradient`. `input`: the shape of the input. */
export interface Conv2dInputGradientOptions extends ConvShape, InputGradientOptions {}

/**
 * Gradient of a convolution's input from that of its output (`torch.nn.grad.conv2d_input`):
 *
 *     dx[b, t, c, i, j] = Σ over n, p, q of w[n, c, p, q] · delta[b, t, n, u, v],
 *                         where u · stride + p − padding = i and v · stride + q − padding = j
 *
 * Arguments of `run`: weight, delta [B, N, outH, outW], or that behind T. Result: of the shape
 * of the input. Through time each step is by itself; in rate-based backpropagation there is one row
 * for all steps. Winograd's kernels: Lavin and Gray, arXiv 1509.09308.
 */
export const conv2dInputGradient = operation<
  Conv2dInputGradientOptions,
  Fixed<ConvRanks, [weight: Float32Array, delta: Float32Array], Float32Array, InputGradientMemory>
>('conv2dInputGradient', [...convShapeOptions, ...inputGradientOptions], (o, options) =>
  planInputGradient(o, convSizes(o.op, options), options),
)

/** Options of `ops.conv2dWeightGradient`. */
export interface Conv2dWeightGradientOptions extends ConvShape, WeightGradientOptions {}

/**
 * Gradient of a convolution's weight (`torch.nn.grad.conv2d_weight`):
 *
 *     dw[n, c, p, q] = Σ over b, t, i, j of delta[b, t, n, i, j] ·
 *                      x[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * x are floats; with `spikes` spikes of each step; with `counts` rates, counts / timeSteps, and
 * delta has no T (rate-based backpropagation); with `mean` the mean over T of floats.
 *
 * Arguments of `run`: input, delta [B, N, outH, outW], or that behind T; with `accumulate` the
 * gradient so far, which is changed. Result: [N, C / groups, kernelH, kernelW].
 */
export const conv2dWeightGradient = operation<
  Conv2dWeightGradientOptions,
  WeightGradientTypes<ConvRanks>
>('conv2dWeightGradient', [...convShapeOptions, ...weightGradientOptions], (o, options) =>
  planWeightGradient(o, options, convSizes),
)

/** Options of `ops.conv2dBiasGradient`. */
export interface Conv2dBiasGradientOptions extends BiasGradientOptions {
  /** Of the output's gradient: [B, N, H, W], or that behind T. */
  readonly delta: readonly number[]
}

/**
 * Gradient of a convolution's bias: db[n] = Σ over b, t, i, j of delta[b, t, n, i, j].
 *
 * Arguments of `run`: delta; with `accumulate` the gradient so far, which is changed. Result:
 * [N].
 */
export const conv2dBiasGradient = operation<
  Conv2dBiasGradientOptions,
  BiasGradientTypes<ImageDelta>
>('conv2dBiasGradient', ['delta', 'accumulate'], (o, options) =>
  planBiasGradient(o, extentOf(`${o.op}.delta`, options.delta, 'maybe', 'always'), options),
)
