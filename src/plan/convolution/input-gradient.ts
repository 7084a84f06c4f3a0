/** Gradient of the input by dense products with the transposed weight. */

import { Dense } from '../../../assembly/opcodes.js'
import { roundUp } from '../../round-up.js'
import { convInputGradient, transposeWeight } from '../records/dense.js'
import { DENSE_ROWS, denseRows } from './dense.js'
import { flat, type Geometry, sizesOf, tapsOf } from './geometry.js'
import type { InputGradient, Strategy } from './strategy.js'

/** Pixels of one axis in a stride class. */
const classSize = (size: number, stride: number, q: number): number =>
  size > q ? Math.ceil((size - q) / stride) : 0

/** Rows (pixel, step) of the input in each stride class. */
function classRows(g: Geometry, steps: number): number[] {
  const rows: number[] = []
  for (let qy = 0; qy < g.strideH; qy++)
    for (let qx = 0; qx < g.strideW; qx++) {
      const pixels = classSize(g.inH, g.strideH, qy) * classSize(g.inW, g.strideW, qx)
      rows.push(g.images * steps * pixels)
    }
  return rows
}

export const directInputGradient: Strategy<InputGradient> = {
  name: 'direct',
  fits: () => true,
  cost: () => 1,
  emit(b, { name, g: given, steps, delta, weight, out, zeros }) {
    const g = flat(given, steps)
    const channels = roundUp(g.inC, Dense.TransposedChannels)
    const transposed = b.buffer(`${name} transposed weight`, channels * tapsOf(g) * g.outC * 4)
    b.emit(transposeWeight, channels / Dense.TransposedChannels, {
      ...sizesOf(transposeWeight, g),
      weight,
      transposed,
    })
    const rows = classRows(g, steps)
    const rowsPerUnit = denseRows(Math.max(...rows))
    b.emit(
      convInputGradient,
      rows.reduce((units, count) => units + Math.ceil(count / rowsPerUnit), 0),
      { ...sizesOf(convInputGradient, g, steps), delta, transposed, zeros, out, rowsPerUnit },
      { scratch: Dense.TileBytes + DENSE_ROWS * (Dense.OriginBytes + 4 * g.outC) },
    )
  },
}
