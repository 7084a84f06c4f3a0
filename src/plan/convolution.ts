/**
 * Which dense kernels run a convolution and its gradients, and their records; spikes have
 * spike-convolution.ts. A linear layer is a convolution whose kernel covers its whole input.
 */

import { ConvWord, Op } from '../../assembly/opcodes.js'
import type { Conv2d, Linear, Pair } from '../nn/layers/index.js'
import { blockWidth, storedChannels, weightRows } from './layout.js'
import {
  type ListGradientShape,
  listGradientPays,
  listGradientPlan,
} from './list-gradient-geometry.js'
import { spikeSources } from './materialise.js'
import {
  type NarrowShape,
  narrowForwardPays,
  narrowGradientPays,
  narrowPlan,
} from './narrow-geometry.js'
import type { ProgramBuilder } from './program.js'
import { type Fields, wordsOf } from './records/schema.js'
import { convShape } from './records/spike-forward.js'
import {
  type DenseInput,
  type Expression,
  noPool,
  type Shape,
  type SpikeTensor,
  samePool,
} from './tensors.js'
import {
  type WinogradPlan,
  winogradApplies,
  winogradInputPlan,
  winogradPays,
  winogradWeightPlan,
} from './winograd-geometry.js'
import { type Buffer, f32, type Reference, ref, type Words } from './words.js'

/** Sizes of one convolution; channels as stored, except that the model's input keeps its own. */
export interface Geometry {
  readonly images: number
  readonly inShape: Shape
  readonly inC: number
  readonly outShape: Shape
  readonly outC: number
  readonly kernel: Pair
  readonly stride: Pair
  readonly padding: Pair
}

export function geometryOf(
  layer: Conv2d | Linear,
  input: Shape,
  inC: number,
  output: Shape,
  images: number,
): Geometry {
  const shared = { images, inShape: input, inC, outShape: output, outC: storedChannels(output[0]) }
  if (layer.kind === 'linear')
    return { ...shared, kernel: [input[1], input[2]], stride: [1, 1], padding: [0, 0] }
  return { ...shared, kernel: layer.kernelSize, stride: layer.stride, padding: layer.padding }
}

/**
 * A linear layer over an image as one over features, which is how it lies in memory when there is
 * one row per pixel: the kernels then see one tap instead of H·W. `pixelBytes`: bytes between the
 * input's pixels, whose channels must follow each other.
 */
function flat(g: Geometry, steps: number, pixelBytes = g.inC * 4): Geometry {
  const covers =
    g.outShape[1] === 1 &&
    g.outShape[2] === 1 &&
    g.kernel[0] === g.inShape[1] &&
    g.kernel[1] === g.inShape[2] &&
    g.padding[0] === 0 &&
    g.padding[1] === 0
  if (!covers || steps > 1 || pixelBytes !== g.inC * 4) return g
  return { ...g, inC: taps(g) * g.inC, inShape: [taps(g) * g.inC, 1, 1], kernel: [1, 1] }
}

export const taps = (g: Geometry): number => g.kernel[0] * g.kernel[1]
const pixelsOf = (g: Geometry): number => g.images * g.outShape[1] * g.outShape[2]
const kRowsOf = (g: Geometry): number => weightRows(taps(g), g.inC)
const up = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple

/** Sizes that every convolution record has. */
export const shapeFields = (g: Geometry, steps: number): Fields<typeof convShape> => ({
  images: g.images,
  steps,
  inH: g.inShape[1],
  inW: g.inShape[2],
  inC: g.inC,
  outH: g.outShape[1],
  outW: g.outShape[2],
  outC: g.outC,
  blockWidth: blockWidth(g.outShape[0]),
  kRows: kRowsOf(g),
  kernelH: g.kernel[0],
  kernelW: g.kernel[1],
  strideH: g.stride[0],
  strideW: g.stride[1],
  padH: g.padding[0],
  padW: g.padding[1],
})

const shapeWords = (g: Geometry, steps: number): Words => wordsOf(convShape, shapeFields(g, steps))

function inputWords(input: DenseInput): Words {
  return {
    [ConvWord.In]: input.address,
    [ConvWord.InIndirect]: input.indirect ? 1 : 0,
    [ConvWord.InPixelBytes]: input.pixelBytes,
    [ConvWord.InStepBytes]: input.stepBytes,
    [ConvWord.InLoopBytes]: input.loopBytes,
  }
}

/** The most rows of one unit of the dense kernels: enough to pay for reading the weight. */
const DENSE_ROWS = 60
/** Rows of one unit: equal units, as far as the five rows of a tile allow. */
const denseRows = (rows: number): number => up(Math.ceil(rows / Math.ceil(rows / DENSE_ROWS)), 5)
/** Scratch of one tile. */
const TILE_BYTES = 192

function narrowShape(g: Geometry): NarrowShape {
  return {
    images: g.images,
    inC: g.inC,
    outH: g.outShape[1],
    outW: g.outShape[2],
    outC: g.outC,
    kernelH: g.kernel[0],
    kernelW: g.kernel[1],
    strideH: g.stride[0],
    strideW: g.stride[1],
  }
}

export function emitDense(
  b: ProgramBuilder,
  g: Geometry,
  steps: number,
  input: DenseInput,
  out: Buffer,
  weight: Reference,
  bias: Reference | 0,
  zeros: Buffer,
): void {
  // The rows of a dense input lie one step behind the other in each pixel, unless there is one
  // step.
  const features = flat(g, steps, input.pixelBytes)
  input = { ...input, pixelBytes: input.pixelBytes * (taps(g) / taps(features)) }
  g = features
  const words: Words = {
    ...shapeWords(g, steps),
    ...inputWords(input),
    [ConvWord.Out]: ref(out),
    [ConvWord.Weight]: weight,
    [ConvWord.Bias]: bias,
    [ConvWord.Zeros]: ref(zeros),
  }
  if (narrowForwardPays(narrowShape(g))) {
    const { rows, blocks, forwardBytes } = narrowPlan(narrowShape(g), steps)
    b.emitWords(Op.ConvNarrow, blocks, { ...words, [ConvWord.RowsPerUnit]: rows }, forwardBytes)
    return
  }
  const rows = pixelsOf(g) * steps
  const perUnit = denseRows(rows)
  b.emitWords(
    Op.ConvDense,
    Math.ceil(rows / perUnit),
    { ...words, [ConvWord.RowsPerUnit]: perUnit },
    TILE_BYTES + DENSE_ROWS * (16 + 4 * 256),
  )
}

function winogradShape(g: Geometry) {
  return {
    images: g.images,
    height: g.inShape[1],
    width: g.inShape[2],
    inC: g.inC,
    outC: g.outC,
    blockWidth: blockWidth(g.outShape[0]),
  }
}

/**
 * Whether the backward pass of a convolution runs by Winograd: 3×3 of stride 1 and sizes for which
 * it pays; one row per pixel.
 */
export function usesWinograd(g: Geometry, steps: number): boolean {
  const kernel = {
    kernelH: g.kernel[0],
    kernelW: g.kernel[1],
    strideH: g.stride[0],
    strideW: g.stride[1],
    padH: g.padding[0],
    padW: g.padding[1],
  }
  return steps === 1 && g.inC % 4 === 0 && winogradApplies(kernel) && winogradPays(winogradShape(g))
}

/**
 * The two records of each pass; `addresses` gives the words that hold addresses for a pass that
 * starts at an image.
 */
function emitWinograd(
  b: ProgramBuilder,
  plan: WinogradPlan,
  name: string,
  addresses: (firstImage: number) => Words,
  accumulate = false,
): void {
  const scratch = b.buffer(`${name} winograd`, plan.sharedBytes)
  for (const { firstImage, records } of plan.passes) {
    const words = {
      ...addresses(firstImage),
      [ConvWord.Scratch]: ref(scratch),
      [ConvWord.Partial]: ref(scratch),
    }
    for (const [i, { op, units, groups, words: shape }] of records.entries())
      b.emitWords(
        op,
        units,
        { ...shape, ...words, ...(accumulate && i === 1 ? { [ConvWord.Accumulate]: 1 } : {}) },
        plan.workerBytes,
        groups,
      )
  }
}

/**
 * Gradient of the input, [B][InH][InW][steps][inC], from `delta` [B][OutH][OutW][steps][outC].
 * Writes.
 */
export function emitInputGradient(
  b: ProgramBuilder,
  g: Geometry,
  steps: number,
  delta: Buffer,
  weight: Reference,
  out: Buffer,
  zeros: Buffer,
  name: string,
): void {
  if (usesWinograd(g, steps)) {
    const inBytes = g.inShape[1] * g.inShape[2] * g.inC * 4
    const outBytes = g.outShape[1] * g.outShape[2] * g.outC * 4
    emitWinograd(b, winogradInputPlan(winogradShape(g)), name, (image) => ({
      [ConvWord.Out]: ref(out, image * inBytes),
      [ConvWord.Delta]: ref(delta, image * outBytes),
      [ConvWord.Weight]: weight,
    }))
    return
  }
  g = flat(g, steps)
  const transposed = b.buffer(`${name} transposed weight`, up(g.inC, 8) * taps(g) * g.outC * 4)
  const words = {
    ...shapeWords(g, steps),
    [ConvWord.Weight]: weight,
    [ConvWord.Transposed]: ref(transposed),
  }
  b.emitWords(Op.TransposeWeight, Math.ceil(g.inC / 8), words)
  const classRows: number[] = []
  for (let qy = 0; qy < g.stride[0]; qy++)
    for (let qx = 0; qx < g.stride[1]; qx++)
      classRows.push(
        g.images *
          steps *
          classSize(g.inShape[1], g.stride[0], qy) *
          classSize(g.inShape[2], g.stride[1], qx),
      )
  const perUnit = denseRows(Math.max(...classRows))
  b.emitWords(
    Op.ConvInputGradient,
    classRows.reduce((units, rows) => units + Math.ceil(rows / perUnit), 0),
    {
      ...words,
      [ConvWord.Out]: ref(out),
      [ConvWord.Delta]: ref(delta),
      [ConvWord.Zeros]: ref(zeros),
      [ConvWord.RowsPerUnit]: perUnit,
    },
    TILE_BYTES + DENSE_ROWS * (16 + 4 * g.outC),
  )
}

/** Pixels of one axis in a stride class. */
function classSize(size: number, stride: number, q: number): number {
  return size > q ? Math.ceil((size - q) / stride) : 0
}

/** Units that the weight gradient should have, so that several workers find work. */
const GRADIENT_UNITS = 32
/** k of one unit of the weight gradient. */
const GRADIENT_K = 64

/** At most `most` parts of so many blocks, all of which have some. */
const evenSplits = (blocks: number, most: number): number =>
  Math.ceil(blocks / Math.ceil(blocks / most))

function listShape(g: Geometry, maxCount: number): ListGradientShape {
  return {
    images: g.images,
    inH: g.inShape[1],
    inW: g.inShape[2],
    inC: g.inC,
    outH: g.outShape[1],
    outW: g.outShape[2],
    outC: g.outC,
    kernelH: g.kernel[0],
    kernelW: g.kernel[1],
    strideH: g.stride[0],
    strideW: g.stride[1],
    padH: g.padding[0],
    padW: g.padding[1],
    blockWidth: blockWidth(g.outShape[0]),
    maxCount,
  }
}

/**
 * The spikes whose counts the list kernel can read for the weight's gradient, and the fraction of
 * active neurons up to which it is the fastest: a sixth where Winograd's kernels are the
 * alternative, a half where it is direct products. Undefined where it never is, as with kernels of
 * few taps.
 */
export function listSource(
  g: Geometry,
  source: Expression,
  totalSteps: number,
): { tensor: SpikeTensor; scale: number; active: number } | undefined {
  const spikes = spikeSources(source)
  if (spikes?.sources.length !== 1 || !samePool(spikes.pool, noPool)) return undefined
  const winograd = usesWinograd(g, 1)
  if (!listGradientPays(listShape(g, totalSteps), 0, winograd)) return undefined
  return { tensor: spikes.sources[0], scale: spikes.scale, active: winograd ? 0.16 : 0.5 }
}

/** Gradient of the weight from lists of the neurons that fired. */
export function emitListGradient(
  b: ProgramBuilder,
  g: Geometry,
  totalSteps: number,
  { tensor, scale }: { tensor: SpikeTensor; scale: number },
  delta: Buffer,
  out: Reference,
  name: string,
): void {
  const plan = listGradientPlan(listShape(g, totalSteps))
  // Room for 16 counts, so that memory is the same for every T up to 16.
  const room = listGradientPlan(listShape(g, Math.max(16, totalSteps)))
  const words: Words = {
    [ConvWord.In]: ref(tensor.counts),
    [ConvWord.Delta]: ref(delta),
    [ConvWord.Out]: out,
    [ConvWord.Scale]: f32(scale / totalSteps),
    [ConvWord.Scratch]: ref(b.buffer(`${name} grids`, plan.gridBytes)),
    [ConvWord.Lists]: ref(b.buffer(`${name} rate lists`, plan.listBytes)),
    [ConvWord.ListPointers]: ref(b.buffer(`${name} rate list pointers`, room.pointerBytes)),
  }
  for (const { op, units, words: shape } of [plan.lists, plan.gradient])
    b.emitWords(op, units, { ...shape, ...words }, room.workerBytes)
}

/** Gradient of the weight in the weight's layout. `accumulate` adds to it (online methods). */
export function emitWeightGradient(
  b: ProgramBuilder,
  g: Geometry,
  steps: number,
  input: DenseInput,
  delta: Buffer,
  out: Reference,
  accumulate: boolean,
  name: string,
): void {
  const { scale = 1 } = input
  if (usesWinograd(g, steps) && !input.indirect && typeof input.address === 'object') {
    const { buffer } = input.address
    const inBytes = g.inShape[1] * g.inShape[2] * g.inC * 4
    const outBytes = g.outShape[1] * g.outShape[2] * g.outC * 4
    const words = (image: number): Words => ({
      [ConvWord.Out]: out,
      [ConvWord.In]: ref(buffer, image * inBytes),
      [ConvWord.Delta]: ref(delta, image * outBytes),
      [ConvWord.Scale]: f32(scale),
    })
    emitWinograd(b, winogradWeightPlan(winogradShape(g)), name, words, accumulate)
    return
  }
  const features = flat(g, steps, input.pixelBytes)
  input = { ...input, pixelBytes: input.pixelBytes * (taps(g) / taps(features)) }
  g = features
  const kRows = kRowsOf(g)
  const kPerUnit = Math.min(GRADIENT_K, kRows)
  const kBlocks = Math.ceil(kRows / kPerUnit)
  const narrow = narrowGradientPays(narrowShape(g)) ? narrowPlan(narrowShape(g), steps) : undefined
  const most = Math.floor((pixelsOf(g) * steps) / 512)
  const splits = narrow
    ? evenSplits(narrow.blocks, Math.max(1, Math.min(GRADIENT_UNITS, most)))
    : Math.max(1, Math.min(Math.ceil(GRADIENT_UNITS / kBlocks), most))
  const partial =
    splits > 1 ? b.buffer(`${name} partial sums`, splits * kRows * g.outC * 4) : undefined
  const words: Words = {
    ...shapeWords(g, steps),
    ...inputWords(input),
    [ConvWord.Out]: out,
    [ConvWord.Delta]: ref(delta),
    [ConvWord.Splits]: splits,
    [ConvWord.Partial]: partial ? ref(partial) : 0,
    [ConvWord.KPerUnit]: kPerUnit,
    [ConvWord.Scale]: f32(scale),
    [ConvWord.Accumulate]: accumulate ? 1 : 0,
  }
  const columns = up(g.outC, 8)
  if (narrow)
    b.emitWords(
      Op.NarrowWeightGradient,
      splits,
      { ...words, [ConvWord.RowsPerUnit]: narrow.rows },
      narrow.gradientBytes,
    )
  else
    b.emitWords(
      Op.ConvWeightGradient,
      splits * kBlocks,
      words,
      128 + 128 * (16 + 4 * kPerUnit + 4 * columns) + 4 * kPerUnit * columns,
    )
  if (splits > 1) b.emitWords(Op.ReduceSplits, kBlocks, words)
}

export function emitBiasGradient(
  b: ProgramBuilder,
  g: Geometry,
  steps: number,
  delta: Buffer,
  out: Reference,
  accumulate: boolean,
): void {
  b.emitWords(Op.BiasGradient, Math.ceil(g.outC / 16), {
    ...shapeWords(g, steps),
    [ConvWord.Delta]: ref(delta),
    [ConvWord.Out]: out,
    [ConvWord.Accumulate]: accumulate ? 1 : 0,
  })
}
