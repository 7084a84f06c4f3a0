/** Sizes of one convolution: what every strategy is chosen by and made from. */

import { Dense } from '../../../assembly/opcodes.js'
import { convShape, type SizeName } from '../../kernels/records/dense.js'
import type { AnyFields, Fields, RecordKind, Schema } from '../../kernels/records/schema.js'
import type { OfKind, Pair } from '../../network/kind.js'
import type { Convolution } from '../../network/weights.js'
import { budgets } from '../budgets.js'
import { blockWidth, type Grouping, storedChannels, weightRows } from '../layout.js'
import type { ProgramBuilder } from '../program.js'
import { type Shape, usedStrides } from '../tensors.js'

type Sizes = Fields<typeof convShape>

/**
 * A convolution, or a linear layer: one whose kernel covers its whole input. Channels are as
 * stored, except that the model's input keeps its own. `blockWidth`: output channels of a block of
 * the weight, 4, 8, 16 or 32.
 */
export interface Geometry extends Omit<Sizes, 'steps' | 'kRows'> {
  /** Images that masks hold, where it is more. */
  readonly allImages?: number
  /** Where channels are convolved by groups. */
  readonly grouping?: Grouping
}

/** What a weight belongs to; convolutions of series are given as those of images. */
export type WeightedLayer =
  | (OfKind<'conv2d'> & Convolved)
  | (OfKind<'linear'> & { readonly inFeatures: number; readonly standardise: boolean })
type Convolved = Omit<Convolution<Pair>, 'standardise'> & { readonly standardise?: boolean }

/** What sizes follow from. */
type Sized =
  | ({ readonly kind: 'conv2d' } & Omit<Convolution<Pair>, 'bias' | 'standardise' | 'init'>)
  | { readonly kind: 'linear' }

/**
 * The parts of a layer's channels; undefined where there is one.
 *
 * @param inC channels of the input as stored.
 */
export function groupingOf(layer: Sized, inC: number): Grouping | undefined {
  if (layer.kind === 'linear' || layer.groups === 1) return undefined
  const { groups, inChannels, outChannels } = layer
  const groupIn = inChannels / groups
  const groupOut = outChannels / groups
  const single = groupIn === 1 && groupOut === 1
  return { groups, groupIn, groupOut, depthwise: single && inC === storedChannels(outChannels) }
}

/** @param inC channels of the input as stored. */
export function geometryOf(
  layer: Sized,
  input: Shape,
  inC: number,
  [outC, outH, outW]: Shape,
  images: number,
): Geometry {
  const [, inH, inW] = input
  const isConv = layer.kind === 'conv2d'
  const [kernelH, kernelW] = isConv ? layer.kernelSize : [inH, inW]
  const [padH, padW] = isConv ? layer.padding : [0, 0]
  const [dilationH, dilationW] = (isConv && layer.dilation) || [1, 1]
  const [strideH, strideW] = isConv ? usedStrides(input, [padH, padW], layer.stride) : [1, 1]
  const grouping = groupingOf(layer, inC)
  const sizes = { images, inH, inW, inC, outH, outW, outC: storedChannels(outC) }
  const window = { kernelH, kernelW, strideH, strideW, padH, padW }
  const g = { ...sizes, blockWidth: blockWidth(outC), ...window, ...(grouping && { grouping }) }
  // An axis of one tap has nothing to put apart.
  return {
    ...g,
    ...(dilationH > 1 && kernelH > 1 && { dilationH }),
    ...(dilationW > 1 && kernelW > 1 && { dilationW }),
  }
}

/** Whether taps are apart: then only kernels that look at each tap by itself can run it. */
export const isDilated = (g: Geometry): boolean =>
  g.dilationH !== undefined || g.dilationW !== undefined

export const tapsOf = (g: Geometry): number => g.kernelH * g.kernelW
/** Inputs of one output pixel. */
export const inputsOf = (g: Geometry): number => tapsOf(g) * g.inC
/** Output pixels of all images. */
export const pixelsOf = (g: Geometry): number => g.images * g.outH * g.outW
export const kRowsOf = (g: Geometry): number => weightRows(tapsOf(g), g.inC)
/** Bytes of one image with one row per pixel. */
export const inputBytes = (g: Geometry): number => g.inH * g.inW * g.inC * 4
export const outputBytes = (g: Geometry): number => g.outH * g.outW * g.outC * 4

/**
 * A linear layer over an image as one over features, which is how it lies in memory when there is
 * one row per pixel: the kernels then see one tap instead of H·W.
 *
 * @param pixelBytes bytes between the input's pixels, whose channels must follow each other.
 */
export function flat(g: Geometry, steps: number, pixelBytes = g.inC * 4): Geometry {
  const isWhole = g.kernelH === g.inH && g.kernelW === g.inW && g.padH === 0 && g.padW === 0
  if (!(isWhole && g.outH * g.outW === 1) || steps > 1 || pixelBytes !== g.inC * 4) return g
  return { ...g, inC: inputsOf(g), inH: 1, inW: 1, kernelH: 1, kernelW: 1 }
}

/**
 * As few groups as the budget allows, with sizes that differ by one image at most; groups of one
 * image may exceed it. The first is as large as any. A group is a pass: it bounds the memory of
 * what only lives within a pass.
 */
export function splitImages(images: number, imageBytes: number, budgetBytes: number) {
  const most = Math.max(1, Math.floor(budgetBytes / imageBytes))
  const count = Math.ceil(images / most)
  const start = (group: number): number => Math.ceil((images * group) / count)
  return Array.from({ length: count }, (_, group) => ({
    firstImage: start(group),
    images: start(group + 1) - start(group),
  }))
}

/** The sizes that a kind of record names. */
export function sizesOf<S extends Schema>(
  { schema }: RecordKind<S>,
  g: Geometry,
  steps = 1,
): Pick<Sizes, Extract<keyof S, SizeName>> {
  const named: Record<string, number> = {}
  const sizeOf = (name: SizeName): number | undefined =>
    name === 'kRows' ? kRowsOf(g) : name === 'steps' ? steps : g[name]
  for (const name in convShape) {
    const size = name in schema ? sizeOf(name as SizeName) : undefined
    if (size !== undefined) named[name] = size
  }
  return named as Sizes
}

type Job = { readonly g: Geometry; readonly steps: number }

/**
 * Adds a record of a job: sizes of its convolution, and what of the job and of `more` has the name
 * of a field. What `more` says comes first.
 */
export function emitSized<S extends Schema, J extends Job>(
  b: ProgramBuilder,
  job: J & Partial<Fields<S>>,
  kind: RecordKind<S>,
  units: number,
  more: Omit<Fields<S>, SizeName | keyof J> & Partial<Fields<S>> & { unitGroups?: number },
): void {
  const fields: Record<string, unknown> = sizesOf(kind, job.g, job.steps)
  const [own, shared] = [more, job] as unknown as [AnyFields, AnyFields]
  for (const name in own) if (name in kind.schema) fields[name] = own[name]
  for (const name in kind.schema) if (!(name in fields)) fields[name] = shared[name]
  b.emit(kind, units, fields as Fields<S>, { groups: more.unitGroups })
}

// When the kernels for few input channels (assembly/conv/narrow.ts) run a convolution, and their
// sizes and units, from shapes alone.

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
    !isDilated(g) &&
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
export const narrowForwardPays = (g: Geometry): boolean =>
  copyPays(g) && g.inC <= 4 && g.inC * g.outC * Math.max(g.strideH, g.strideW) <= 192

/** Whether the weight gradient beats `convWeightGradient`. Winograd's is faster still. */
export const narrowGradientPays = (g: Geometry): boolean =>
  copyPays(g) && g.kernelH * g.kernelW * g.inC * g.outC <= SUM_FLOATS

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
