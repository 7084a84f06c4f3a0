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
  readonly input: Float32Array | Uint8Array
  readonly weight: Float32Array | Int8Array
  /** With `weightType: 'int8'`. */
  readonly scales?: Float32Array
  readonly bias?: Float32Array
  readonly output: Float32Array
  readonly moments?: Float32Array
}

/** With `moments` there are two results, else one. */
export type ForwardOperation<Options> = Operation<
  Options & { readonly moments?: false },
  ForwardArguments,
  Float32Array,
  ForwardMemory
> &
  Operation<
    Options & { readonly moments: true },
    ForwardArguments,
    { readonly output: Float32Array; readonly moments: Float32Array },
    ForwardMemory
  >

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
