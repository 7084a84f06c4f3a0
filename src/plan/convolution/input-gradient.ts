/** Gradient of the input by dense products with the transposed weight. */

import { Dense } from '../../../assembly/opcodes.js'
import { roundUp } from '../../round-up.js'
import { convInputGradient, transposeWeight } from '../records/dense.js'
import { denseRows } from './dense.js'
import { emitSized, flat, type Geometry, tapsOf } from './geometry.js'
import type { InputGradient, Strategy } from './strategy.js'

/**
 * Sizes of the stride classes of one axis, and how many there are of each: the first size % stride
 * classes have one pixel more.
 */
function classSizes(size: number, stride: number): readonly (readonly [number, number])[] {
  const pixels = Math.floor(size / stride)
  const longer = size % stride
  return [
    [pixels + 1, longer],
    [pixels, stride - longer],
  ]
}

/** Units of all stride classes, each of which has its own. */
function unitsOf(g: Geometry, steps: number, rowsPerUnit: number): number {
  let units = 0
  for (const [height, down] of classSizes(g.inH, g.strideH))
    for (const [width, across] of classSizes(g.inW, g.strideW))
      units += down * across * Math.ceil((g.images * steps * height * width) / rowsPerUnit)
  return units
}

/** Rows (pixel, step) of the input in the first class, the largest. */
const mostRows = (g: Geometry, steps: number): number =>
  g.images * steps * Math.ceil(g.inH / g.strideH) * Math.ceil(g.inW / g.strideW)

export const directInputGradient: Strategy<InputGradient> = {
  name: 'direct',
  fits: () => true,
  cost: () => 1,
  emit(b, given) {
    const { name, steps } = given
    const g = flat(given.g, steps)
    const job = { ...given, g }
    const channels = roundUp(g.inC, Dense.TransposedChannels)
    const transposed = b.buffer(`${name} transposed weight`, channels * tapsOf(g) * g.outC * 4)
    const blocks = channels / Dense.TransposedChannels
    emitSized(b, job, transposeWeight, blocks, { transposed })
    const rowsPerUnit = denseRows(mostRows(g, steps))
    emitSized(b, job, convInputGradient, unitsOf(g, steps, rowsPerUnit), {
      delta: job.delta,
      transposed,
      rowsPerUnit,
    })
  },
}
