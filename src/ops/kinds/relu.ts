/** Rectified linear units. */

import { reluForward as record } from '../../plan/layers/relu.js'
import { perUnit } from '../../plan/pass.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { floatTensor } from '../tensor.js'

/** Options of `ops.relu`. */
export interface ReluOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
}

/** y = max(0, x). Argument of `run`: input. Result: of the same shape. */
export const relu = operation<
  ReluOptions,
  [input: Float32Array],
  Float32Array,
  { readonly input: Float32Array; readonly output: Float32Array }
>('relu', ['input'], ({ b, op }, options) => {
  const extent = extentOf(`${op}.input`, options.input)
  const x = floatTensor(b, { name: 'input' }, extent)
  const y = floatTensor(b, { name: 'output' }, extent)
  const pixels = extent.B * extent.H * extent.W
  const pixelsPerUnit = perUnit(pixels, x.stored)
  b.emit(record, Math.ceil(pixels / pixelsPerUnit), {
    in: x.buffer,
    out: y.buffer,
    pixels,
    channels: x.stored,
    steps: extent.T,
    pixelsPerUnit,
  })
  return { inputs: [x], outputs: [y] }
})
