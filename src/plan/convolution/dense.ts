/** Forward on floats: by gathered rows, or by copied planes where there are few input channels. */

import { Dense } from '../../../assembly/opcodes.js'
import { roundUp } from '../../round-up.js'
import { budgets } from '../budgets.js'
import { convDense, convInputGradient, convNarrow, transposeWeight } from '../records/dense.js'
import type { DenseInput } from '../tensors.js'
import { denseCycles } from './cycles.js'
import { emitSized, flat, type Geometry, pixelsOf, tapsOf } from './geometry.js'
import { narrowForwardPays, narrowPlan } from './narrow-geometry.js'
import type { DenseForward, InputGradient, Strategy } from './strategy.js'

/** Rows of one unit: equal units, as far as the five rows of a tile allow. */
export const denseRows = (rows: number): number =>
  roundUp(Math.ceil(rows / Math.ceil(rows / budgets.denseRows)), Dense.TileRows)

/** How a record says where its input is. */
export const inputFields = (input: DenseInput) => ({
  in: input.address,
  inIndirect: input.indirect,
  inPixelBytes: input.pixelBytes,
  inStepBytes: input.stepBytes,
  inLoopBytes: input.loopBytes,
})

/**
 * A job on an input as the kernels see it best: a linear layer as one over features. The rows of a
 * dense input lie one step behind the other in each pixel, unless there is one step.
 */
export function asFeatures<J extends { g: Geometry; steps: number; input: DenseInput }>(job: J): J {
  const { steps, input } = job
  const g = flat(job.g, steps, input.pixelBytes)
  const pixelBytes = input.pixelBytes * (tapsOf(job.g) / tapsOf(g))
  return { ...job, g, input: { ...input, pixelBytes } }
}

/** Where it fits it is faster than `direct`, whose time its cost says: it stands before it. */
const narrow: Strategy<DenseForward> = {
  name: 'narrow',
  fits: ({ g }) => narrowForwardPays(g),
  cost: ({ g, steps }) => denseCycles(g, steps),
  emit(b, job) {
    const { forward, blocks } = narrowPlan(job.g, job.steps)
    emitSized(b, job, convNarrow, blocks, { ...inputFields(job.input), ...forward })
  },
}

const direct: Strategy<DenseForward> = {
  name: 'direct',
  fits: () => true,
  cost: ({ g, steps }) => denseCycles(g, steps),
  emit(b, given) {
    const job = asFeatures(given)
    const { g, steps } = job
    const rows = pixelsOf(g) * steps
    const rowsPerUnit = denseRows(rows)
    const fields = { ...inputFields(job.input), rowsPerUnit }
    emitSized(b, job, convDense, Math.ceil(rows / rowsPerUnit), fields)
  },
}

export const denseForward = [narrow, direct] as const

/**
 * Sizes of the stride classes of one axis, and how many there are of each: the first size % stride
 * classes have one pixel more.
 */
function classSizes(size: number, stride: number) {
  const pixels = Math.floor(size / stride)
  const longer = { pixels: pixels + 1, count: size % stride }
  return [longer, { pixels, count: stride - longer.count }]
}

/** Units of all stride classes, each of which has its own. */
function unitsOf(g: Geometry, steps: number, rowsPerUnit: number): number {
  let units = 0
  for (const rows of classSizes(g.inH, g.strideH))
    for (const columns of classSizes(g.inW, g.strideW)) {
      const pixels = g.images * steps * rows.pixels * columns.pixels
      units += rows.count * columns.count * Math.ceil(pixels / rowsPerUnit)
    }
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
