/** Convolutions forward. */

import { type ConvShape, convShapeOptions, convSizes } from '../convolution.js'
import { type Operation, operation } from '../operation.js'
import type { Values } from '../tensor.js'
import { type ForwardOptions, forwardOptions, planForward } from '../weighted/forward.js'

/** Options of `ops.conv2d`. */
export interface Conv2dOptions extends ConvShape, ForwardOptions {}

/** Arguments of convolutions and linear layers: input, weight, and what the options ask for. */
export type ForwardArguments = [
  input: Float32Array | Uint8Array,
  weight: Float32Array | Int8Array | Uint8Array,
  ...more: Values[],
]

/** The plan's own memory. */
export type ForwardMemory = {
  /** Floats, or masks of spikes. */
  readonly input: Float32Array | Uint8Array
  /** In blocks of output channels. */
  readonly weight: Float32Array | Int8Array
  /** With `weightType: 'int8'`. */
  readonly scales?: Float32Array
  /** With `bias`. */
  readonly bias?: Float32Array
  /** The result. */
  readonly output: Float32Array
  /** With `moments`. */
  readonly moments?: Float32Array
}

/** Results with `moments`. */
export type ForwardResults = {
  /** Of the convolution. */
  readonly output: Float32Array
  /** Partial sums of its moments, [units, 4, channels as stored]. */
  readonly moments: Float32Array
}

/** With `moments` there are two results, else one. */
export type ForwardOperation<Options> = Operation<
  Options & {
    /** Left out. */
    readonly moments?: false
  },
  ForwardArguments,
  Float32Array,
  ForwardMemory
> &
  Operation<
    Options & {
      /** True. */
      readonly moments: true
    },
    ForwardArguments,
    ForwardResults,
    ForwardMemory
  > &
  Operation<Options, ForwardArguments, Float32Array | ForwardResults, ForwardMemory>

/**
 * A convolution of floats, or of spikes, with the kernels of a network (`torch.nn.functional.
 * conv2d`):
 *
 *     y[t, b, n, i, j] = bias[n] + Σ over c, p, q of
 *                        w[n, c, p, q] · x[t, b, c, i·stride + p − padding, j·stride + q − padding]
 *
 * On spikes only the weights of active inputs are added. With `pool`, x is the mean over windows of
 * the spikes; with `sources`, the sum of several tensors. With `weightType: 'int8'` w is
 * scales[n] · weight.
 *
 * Arguments of `run`: input (Float32Array; with `spikes` a Uint8Array, and `sources` of them),
 * weight, with 'int8' scales, with `bias` bias. Result: [B, N, outH, outW], or that behind T; with
 * `moments` an object of `output` and `moments`.
 */
export const conv2d = operation<Conv2dOptions, ForwardArguments, Float32Array, ForwardMemory>(
  'conv2d',
  [...convShapeOptions, ...forwardOptions],
  (o, options) => planForward(o, options, convSizes),
) as ForwardOperation<Conv2dOptions>
