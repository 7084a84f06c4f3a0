/** Convolutions and linear layers, and their gradients. */

import { convShape, convSizes, linearShape, linearSizes } from '../convolution.js'
import { op } from '../op.js'
import { image, rows } from '../options.js'
import { emitForward, forwardOptions, forwardSizes, forwardTensors } from '../weighted/forward.js'
import {
  accumulating,
  biasGradientTensors,
  emitBias,
  emitInputGradient,
  emitWeightGradient,
  inputGradientOptions,
  inputGradientTensors,
  weightGradientOptions,
  weightGradientSizes,
  weightGradientTensors,
} from '../weighted/gradients.js'

/**
 * A convolution of floats, or of spikes, with the kernels of a network (`torch.nn.functional.
 * conv2d`):
 *
 *     y[b, t, n, i, j] = bias[n] + Σ over c, p, q of
 *                        w[n, c, p, q] · x[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * On spikes only the weights of active inputs are added. With `pool`, x is the mean over windows of
 * the spikes; with `sources`, the sum of several tensors. With `weightType: 'int8'` w is
 * scales[n] · weight. Result: [B, N, outH, outW], or that behind T.
 */
export const conv2d = op('conv2d', {
  options: { ...convShape, ...forwardOptions },
  returns: 'output',
  when: ['moments', true, ['output', 'moments']],
  derive: forwardSizes(convSizes),
  tensors: forwardTensors,
  emit: emitForward,
})

/**
 * A linear layer on floats or spikes (`torch.nn.functional.linear`):
 *
 *     y[b, t, n] = bias[n] + Σ over c of w[n, c] · x[b, t, c]
 *
 * An input [B, C, H, W] stands for its C·H·W features, as behind `flatten`. Result: [B, N], or
 * [B, T, N].
 */
export const linear = op('linear', {
  options: { ...linearShape, ...forwardOptions },
  returns: 'output',
  when: ['moments', true, ['output', 'moments']],
  derive: forwardSizes(linearSizes),
  tensors: forwardTensors,
  emit: emitForward,
})

/**
 * Gradient of a convolution's input from that of its output (`torch.nn.grad.conv2d_input`):
 *
 *     dx[b, t, c, i, j] = Σ over n, p, q of w[n, c, p, q] · delta[b, t, n, u, v],
 *                         where u · stride + p − padding = i and v · stride + q − padding = j
 *
 * Through time each step is by itself; in rate-based backpropagation there is one row for all
 * steps. Winograd's kernels: Lavin and Gray, arXiv 1509.09308.
 */
export const conv2dInputGradient = op('conv2dInputGradient', {
  options: { ...convShape, ...inputGradientOptions },
  returns: 'inputGradient',
  derive: (of, { op }) => convSizes(op, of),
  tensors: inputGradientTensors,
  emit: emitInputGradient,
})

/**
 * Gradient of a linear layer's input: dx[b, t, c] = Σ over n of w[n, c] · delta[b, t, n].
 */
export const linearInputGradient = op('linearInputGradient', {
  options: { ...linearShape, ...inputGradientOptions },
  returns: 'inputGradient',
  derive: (of, { op }) => linearSizes(op, of),
  tensors: inputGradientTensors,
  emit: emitInputGradient,
})

/**
 * Gradient of a convolution's weight (`torch.nn.grad.conv2d_weight`):
 *
 *     dw[n, c, p, q] = Σ over b, t, i, j of delta[b, t, n, i, j] ·
 *                      x[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * x are floats; with `spikes` spikes of each step; with `counts` rates, counts / timeSteps, and
 * delta has no T (rate-based backpropagation); with `mean` the mean over T of floats.
 */
export const conv2dWeightGradient = op('conv2dWeightGradient', {
  options: { ...convShape, ...weightGradientOptions },
  returns: 'weightGradient',
  derive: weightGradientSizes(convSizes),
  tensors: weightGradientTensors,
  emit: emitWeightGradient,
})

/**
 * Gradient of a linear layer's weight: dw[n, c] = Σ over b, t of delta[b, t, n] · x[b, t, c].
 */
export const linearWeightGradient = op('linearWeightGradient', {
  options: { ...linearShape, ...weightGradientOptions },
  returns: 'weightGradient',
  derive: weightGradientSizes(linearSizes),
  tensors: weightGradientTensors,
  emit: emitWeightGradient,
})

/**
 * Gradient of a convolution's bias: db[n] = Σ over b, t, i, j of delta[b, t, n, i, j].
 */
export const conv2dBiasGradient = op('conv2dBiasGradient', {
  options: {
    /** Shape of the output's gradient: [B, N, H, W], or that behind T. */
    delta: image,
    ...accumulating,
  },
  returns: 'biasGradient',
  tensors: ({ delta, accumulate }) => biasGradientTensors(delta, accumulate),
  emit: (o, _, { delta, accumulate }) => emitBias(o, delta, accumulate),
})

/**
 * Gradient of a linear layer's bias: db[n] = Σ over b, t of delta[b, t, n].
 */
export const linearBiasGradient = op('linearBiasGradient', {
  options: {
    /** Shape of the output's gradient: [B, N], or [B, T, N]. */
    delta: rows,
    ...accumulating,
  },
  returns: 'biasGradient',
  tensors: ({ delta, accumulate }) => biasGradientTensors(delta, accumulate),
  emit: (o, _, { delta, accumulate }) => emitBias(o, delta, accumulate),
})
