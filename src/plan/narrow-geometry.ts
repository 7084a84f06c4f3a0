/**
 * When the kernels for few input channels (assembly/narrow.ts) run a convolution, and their sizes
 * and units, from shapes alone.
 */

import { roundUp } from '../round-up.js'

/** A convolution; outC as stored. */
export interface NarrowShape {
  images: number
  inC: number
  outH: number
  outW: number
  outC: number
  kernelH: number
  kernelW: number
  strideH: number
  strideW: number
}

export interface NarrowPlan {
  /** Rows of one image of Out, or of Delta, whose input is copied at a time: a block. */
  rows: number
  /** Blocks of all images. */
  blocks: number
  /** Bytes of scratch that each worker needs. */
  forwardBytes: number
  gradientBytes: number
}

/**
 * A block's copied rows of the input, and the sums of a weight gradient, stay in the second-level
 * cache.
 */
const COPY_BYTES = 256 * 1024
const SUM_FLOATS = 32 * 1024
/** Blocks that there should be, so that several workers find work. */
const ENOUGH_BLOCKS = 32

/**
 * Rows of the input beyond one for each row of Out and phase: neighbouring blocks both copy them.
 */
const haloOf = (s: NarrowShape): number => Math.floor((s.kernelH - 1) / s.strideH)
const planesOf = (s: NarrowShape): number => Math.min(s.strideH, s.kernelH) * s.kernelW * s.inC
/** Rows whose copies fit. */
const mostRows = (s: NarrowShape): number =>
  Math.floor(COPY_BYTES / (4 * planesOf(s) * s.outW)) - haloOf(s)

/**
 * Whether copying pays at all: each row copied serves several taps (a kernel larger than its
 * stride), blocks of some rows fit, and images are large enough for what each block costs. A stride
 * skips what was copied, so that more output pixels must pay for it.
 */
function copyPays(s: NarrowShape): boolean {
  const [high, wide] = [s.kernelH > s.strideH, s.kernelW > s.strideW]
  const leastPixels = s.strideH * s.strideW === 1 ? 49 : 144
  return (
    s.inC <= 8 &&
    s.outC >= 8 &&
    high &&
    wide &&
    s.outH * s.outW >= leastPixels &&
    mostRows(s) >= Math.max(1, haloOf(s))
  )
}

/**
 * Whether the forward kernel beats `convDense`, whose inner loop is better and whose gathering
 * counts the less the more channels it serves.
 */
export function narrowForwardPays(s: NarrowShape): boolean {
  return copyPays(s) && s.inC <= 4 && s.inC * s.outC * Math.max(s.strideH, s.strideW) <= 192
}

/** Whether the weight gradient beats `convWeightGradient`. Winograd's is faster still. */
export function narrowGradientPays(s: NarrowShape): boolean {
  return copyPays(s) && s.kernelH * s.kernelW * s.inC * s.outC <= SUM_FLOATS
}

/** @param steps rows per pixel of Delta. */
export function narrowPlan(s: NarrowShape, steps: number): NarrowPlan {
  const halo = haloOf(s)
  const forWorkers = Math.ceil(s.outH / Math.ceil(ENOUGH_BLOCKS / s.images))
  const limit = Math.min(Math.max(1, mostRows(s)), Math.max(1, forWorkers, 4 * halo))
  const rows = Math.ceil(s.outH / Math.ceil(s.outH / limit))
  const k = s.kernelH * s.kernelW * s.inC
  const columns = s.outW + Math.floor((s.kernelW - 1) / s.strideW)
  const planeFloats = roundUp((rows + halo) * s.outW, 16)
  const planeBytes = 4 * (planeFloats % 32 === 0 ? planeFloats + 16 : planeFloats)
  const copyBytes =
    8 * Math.min(s.strideW, s.kernelW) * s.inC * columns + planesOf(s) * planeBytes + 16
  const tiled = roundUp(k, 5)
  const packedBytes = steps * s.outC > 256 ? Math.max(16384, 160 * s.outC) : 0
  return {
    rows,
    blocks: s.images * Math.ceil(s.outH / rows),
    forwardBytes: 192 + 4 * k + copyBytes,
    gradientBytes: 4 * (tiled + (tiled + roundUp(k + 1, 4)) * s.outC) + packedBytes + copyBytes,
  }
}
