/** Convolutions forward. */

import { type ConvShape, convShapeOptions, convSizes } from '../convolution.js'
import { operation } from '../operation.js'
import type {} from '../types.js'
import { type ForwardOptions, forwardOptions, planForward } from '../weighted/forward.js'
import type { ConvRanks, ForwardTypes } from '../weighted/types.js'

/** Options of `ops.conv2d`. */
export interface Conv2dOptions extends ConvShape, ForwardOptions {}

/**
 * A convolution of floats, or of spikes, with the kernels of a network (`torch.nn.functional.
 * conv2d`):
 *
 *     y[b, t, n, i, j] = bias[n] + Σ over c, p, q of
 *                        w[n, c, p, q] · x[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * On spikes only the weights of active inputs are added. With `pool`, x is the mean over windows of
 * the spikes; with `sources`, the sum of several tensors. With `weightType: 'int8'` w is
 * scales[n] · weight.
 *
 * Arguments of `run`: input (Float32Array; with `spikes` a Uint8Array, and `sources` of them),
 * weight, with 'int8' scales, with `bias` bias. Result: [B, N, outH, outW], or that behind T; with
 * `moments` an object of `output` and `moments`.
 */
export const conv2d = operation<Conv2dOptions, ForwardTypes<ConvRanks>>(
  'conv2d',
  [...convShapeOptions, ...forwardOptions],
  (o, options) => planForward(o, options, convSizes),
)
