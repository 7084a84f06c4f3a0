/** Weights as whole numbers, and back. */

import { dequantised, emitQuantise } from '../../compile/emit/integer-weights.js'
import { storedChannels, weightLayout } from '../../compile/layout.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { largestOf } from '../../network/weights.js'
import { gives, op, takes } from '../op.js'
import * as is from '../options.js'
import { sizeOf } from '../shapes.js'
import { channels, integerWeights, weights } from '../tensor.js'

const options = {
  /** Shape: [N, C, kernelH, kernelW] for a convolution, [N, features] for a linear layer. */
  weight: is.shaped('N C kH kW', 'N features'),
  /** Whole numbers of −127 … 127 ('int8', the default) or −31 … 31 ('int6'). */
  weightType: is.oneOf(['int8', 'int6']),
}

function layoutOf({ weight: shape, weightType }: is.Checked<typeof options>) {
  const [N, C, ...kernel] = shape
  const layout = weightLayout(shape, N, C, sizeOf(kernel), storedChannels(C))
  return { layout, N, most: largestOf[weightType as 'int8'] }
}

type Derived = ReturnType<typeof layoutOf>

const wholeOf = ({ layout, most }: Derived, weight: Buffer, scale: Buffer) => ({
  name: 'weight',
  node: 0,
  layout,
  most,
  weight,
  scale,
})

/**
 * A weight as whole numbers times a scale for each output n:
 *
 *     scales[n] = max |w[n]| / most, rounded up to 17 significant bits
 *     values[n, k] = w[n, k] / scales[n], to the nearest integer, halves to even
 *
 * most is 127 or 31. The scale is rounded down where most · scale would not be finite in float32.
 * Products values · scales are exact in float32. Quantised again they are the same values and
 * scales, if these are at least 2⁻¹³³: smaller ones have fewer bits. An output of zeros has the
 * scale 0, one with a weight that is not finite a scale that is not.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const w = Float32Array.of(0.5, -0.25, 0.1, 0, 3, 1.2)
 * const { values, scales } = ops.quantiseWeight({ weight: [2, 3], weightType: 'int6' }, w)
 * console.log(...values) // 31 -15 6 0 31 12
 * const back = ops.dequantiseWeight({ weight: [2, 3], weightType: 'int6' }, values, scales)
 * console.log(back.every((b, i) => Math.abs(b - w[i]) <= scales[Math.floor(i / 3)] / 2)) // true
 * ```
 */
export const quantiseWeight = op('quantiseWeight', {
  options,
  derive: layoutOf,
  tensors: ({ layout, N, weightType }) => ({
    /** Floats. */
    weight: takes(weights(layout)),
    /** In the weight's shape. */
    values: gives(integerWeights(layout, weightType as 'int8')),
    /** [N] */
    scales: gives(channels(N)),
  }),
  emit: ({ b }, { weight, values, scales }, of) =>
    emitQuantise(b, wholeOf(of, values, scales), ref(weight)),
})

/** The floats that whole numbers stand for, values · scales, which are exact. */
export const dequantiseWeight = op('dequantiseWeight', {
  options,
  derive: layoutOf,
  tensors: ({ layout, N, weightType }) => ({
    /** In the weight's shape. */
    values: takes(integerWeights(layout, weightType as 'int8')),
    /** [N] */
    scales: takes(channels(N)),
    /** The floats. */
    output: gives(weights(layout)),
  }),
  emit: ({ b }, { values, scales, output }, of) =>
    void dequantised(b, wholeOf(of, values, scales), ref(output)),
})
