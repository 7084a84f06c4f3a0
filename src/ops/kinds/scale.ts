/** Multiplication by constants of channels or neurons. */

import { expect } from '../../errors.js'
import { scale as layer } from '../../layers/index.js'
import { emitScaled, factorsOf } from '../../plan/scaled.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { floatTensor } from '../tensor.js'
import type { ActivityInput, Fixed } from '../types.js'
import { imageOf } from '../windows.js'

/** Options of `ops.scale`. */
export interface ScaleOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** Finite numbers: one for each channel, or one for each neuron in the order [C][H][W]. */
  readonly factor: readonly number[]
}

/**
 * output = input · factor, by channel or by neuron; its own gradient, too.
 *
 * Argument of `run`: input. Result: of its shape.
 */
export const scale = operation<
  ScaleOptions,
  Fixed<
    ActivityInput,
    [input: Float32Array],
    Float32Array,
    {
      /** [B][H][W][T][C] */
      readonly input: Float32Array
      /** As `input`. */
      readonly output: Float32Array
    }
  >
>('scale', ['input', 'factor'], ({ b, op }, options) => {
  const extent = extentOf(`${op}.input`, options.input)
  const { factor } = layer(options.factor)
  const { B, C, H, W, T } = extent
  expect(
    Array.isArray(factor) && [C, C * H * W].includes(factor.length),
    () => `${op}.factor must be a list of ${C} numbers, or of ${C * H * W}`,
  )
  const x = floatTensor(b, { name: 'input' }, extent)
  const y = floatTensor(b, { name: 'output' }, extent)
  const shape = imageOf(extent)
  const factors = factorsOf(factor as readonly number[], shape, x.stored)
  const job = { images: B, shape, stored: x.stored, steps: T, ...factors }
  emitScaled(b, { ...job, in: x.buffer, out: y.buffer })
  return { inputs: [x], outputs: [y] }
})
