/**
 * When the kernels for few input channels (assembly/conv/narrow.ts) run a convolution, and their
 * sizes and units, from shapes alone.
 */

import { Dense } from '../../../assembly/opcodes.js'
import { budgets } from '../budgets.js'
import type { Geometry } from './geometry.js'

/** Tiles of a chunk: fewer do not pay, and more gain nothing. */
const LEAST_TILES = 8
const MOST_TILES = 48

/** The sums of a weight gradient stay in the second-level cache. */
const SUM_FLOATS = 32 * 1024

/**
 * Rows of the input beyond one for each row of Out and phase: neighbouring blocks both copy them.
 */
const haloOf = (g: Geometry): number => Math.floor((g.kernelH - 1) / g.strideH)
const planesOf = (g: Geometry): number => Math.min(g.strideH, g.kernelH) * g.kernelW * g.inC
/** Rows whose copies fit. */
const mostRows = (g: Geometry): number =>
  Math.floor(budgets.copyBytes / (4 * planesOf(g) * g.outW)) - haloOf(g)

/**
 * Whether copying pays at all: each row copied serves several taps (a kernel larger than its
 * stride), blocks of some rows fit, and images are large enough for what each block costs. A stride
 * skips what was copied, so that more output pixels must pay for it.
 */
function copyPays(g: Geometry): boolean {
  const [high, wide] = [g.kernelH > g.strideH, g.kernelW > g.strideW]
  const leastPixels = g.strideH * g.strideW === 1 ? 49 : 144
  return (
    g.inC <= 8 &&
    g.outC >= 8 &&
    high &&
    wide &&
    g.outH * g.outW >= leastPixels &&
    mostRows(g) >= Math.max(1, haloOf(g))
  )
}

/**
 * Whether the forward kernel beats `convDense`, whose inner loop is better and whose gathering
 * counts the less the more channels it serves.
 */
export function narrowForwardPays(g: Geometry): boolean {
  return copyPays(g) && g.inC <= 4 && g.inC * g.outC * Math.max(g.strideH, g.strideW) <= 192
}

/** Whether the weight gradient beats `convWeightGradient`. Winograd's is faster still. */
export function narrowGradientPays(g: Geometry): boolean {
  return copyPays(g) && g.kernelH * g.kernelW * g.inC * g.outC <= SUM_FLOATS
}

/** Pixels that take their share of the cache, of so many bytes each. */
function chunkPixels(pixelBytes: number): number {
  const tiles = Math.floor(budgets.chunkBytes / Dense.TileRows / pixelBytes)
  return Math.min(MOST_TILES, Math.max(LEAST_TILES, tiles)) * Dense.TileRows
}

/** @param steps rows per pixel of Delta. */
export function narrowPlan(g: Geometry, steps: number) {
  const halo = haloOf(g)
  const forWorkers = Math.ceil(g.outH / Math.ceil(budgets.enoughUnits / g.images))
  const limit = Math.min(Math.max(1, mostRows(g)), Math.max(1, forWorkers, 4 * halo))
  const rowsPerUnit = Math.ceil(g.outH / Math.ceil(g.outH / limit))
  const rowBytes = 4 * g.outC
  const packed = steps * rowBytes > budgets.packBytes
  const pixelsPerChunk = chunkPixels(packed ? rowBytes : steps * rowBytes)
  return {
    /**
     * Words of both kernels: rows of one image of Out, or of Delta, whose input is copied at a time
     * (a block), and pixels of a chunk, of whole tiles of rows. The gradient may pack δ.
     */
    forward: { rowsPerUnit, pixelsPerChunk: chunkPixels(steps * rowBytes) },
    gradient: { rowsPerUnit, pixelsPerChunk, packed },
    /** Blocks of all images. */
    blocks: g.images * Math.ceil(g.outH / rowsPerUnit),
  }
}
