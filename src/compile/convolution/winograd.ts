/**
 * Gradients of 3×3 convolutions of stride 1 by Winograd, with one row per pixel or one a step.
 * Sizes and units (assembly/winograd/sizes.ts) follow from shapes alone. A step is one more image,
 * except that its rows lie beside those of the other steps: tile rows are (image, row, step).
 */

import { Winograd, WinogradStride } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import * as records from '../../kernels/records/winograd.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import { budgets, largestSize } from '../budgets.js'
import { emitPartialSum } from '../emit/sums.js'
import type { ProgramBuilder } from '../program.js'
import {
  emitSized,
  type Geometry,
  inputBytes,
  isDilated,
  kRowsOf,
  outputBytes,
  splitImages,
} from './geometry.js'
import {
  denseCycles,
  type InputGradient,
  type Strategy,
  type Task,
  type WeightGradient,
  withInput,
} from './strategy.js'

/**
 * Channels of In and of Delta of one unit of the weight gradient, largest first: small blocks read
 * the transformed tiles more often.
 */
const CHANNELS_PER_UNIT = [
  [32, 64],
  [32, 32],
  [16, 32],
  [16, 16],
  [8, 16],
  [8, 8],
  [4, 8],
] as const
/**
 * Sums and tiles of a unit of the weight gradient that transforms its own: they must stay in the
 * second cache.
 */
const OWN_BUDGET_BYTES = 768 * 2 ** 10

const tilesAcross = (g: Geometry): number => Math.ceil(g.inW / Winograd.Tile)
const tilesDown = (g: Geometry): number => Math.ceil(g.inH / Winograd.Tile)
const tilesOfImage = (g: Geometry): number => tilesDown(g) * tilesAcross(g)

/** Rows of a unit of so many tiles, or half as many if `most` rows leave too few units. */
export const tileRows = (tiles: number, across: number, most: number): number =>
  Math.max(Math.ceil(tiles / 2 / across), Math.min(Math.ceil(tiles / across), Math.floor(most)))

/** Input channels whose kernels are transformed at a time, forward. */
const FORWARD_CHANNELS = 4

/** Whether the kernels can run the convolution at all: 3×3, padding 1, of their stride. */
export const winogradApplies = (g: Geometry, by: number = Winograd.Stride): boolean =>
  !isDilated(g) &&
  g.inC % 4 === 0 &&
  [g.kernelH, g.kernelW].every((size) => size === Winograd.Kernel) &&
  [g.strideH, g.strideW].every((stride) => stride === by) &&
  [g.padH, g.padW].every((padding) => padding === Winograd.Padding)

/**
 * Whether they beat the direct kernels: enough channels to pay for the transforms, and tiles that
 * are mostly image.
 */
export function winogradPays(g: Geometry): boolean {
  const used = (g.inH * g.inW) / (Winograd.Tile ** 2 * tilesOfImage(g))
  return Math.min(g.inC, g.outC) >= 8 && used >= 0.36
}

/**
 * Input gradient: one record transforms one factor, the other transforms the other factor for each
 * unit, multiplies and transforms the products into `Out`. Kernels come first where each unit has
 * all of them and they are few; else tiles do.
 */
export function winogradInputPlan(g: Geometry, steps: number, kernelChannels = g.blockWidth) {
  const { images, inC, outC } = g
  const [across, down] = [tilesAcross(g), tilesDown(g) * steps]
  const blocks = Math.ceil(inC / Winograd.Block)
  const chunks = Math.ceil(outC / Winograd.Chunk)
  const tileBytes = Winograd.Planes * chunks * Winograd.ChunkBytes
  const kernelBytes = Winograd.Planes * (Winograd.BlockBytes * outC + Winograd.PlanePadding)
  const kernelFirst =
    blocks * kernelBytes <= budgets.kernelBytes && images * down * across >= 4 * budgets.ownTiles

  const rowsPerUnit = kernelFirst
    ? tileRows(budgets.ownTiles, across, (images * down) / budgets.enoughUnits)
    : Math.min(images * down, Math.ceil(budgets.tilesPerUnit / across))
  const groups = kernelFirst
    ? [{ firstImage: 0, images }]
    : splitImages(images, across * down * tileBytes, budgets.tileBytes)
  const planeBytes = (count: number): number =>
    chunks * (count * across * down + 3) * Winograd.ChunkBytes + Winograd.PlanePadding
  return {
    /** Kernels are transformed by a record of their own, tiles by each unit; else vice versa. */
    kernelFirst,
    /** Tile rows of a unit. */
    rowsPerUnit,
    /** Bytes of scratch that workers share, the same in all passes. */
    sharedBytes: kernelFirst
      ? blocks * kernelBytes
      : Winograd.Planes * planeBytes(groups[0]!.images),
    // One record transforms, the next multiplies and writes the result.
    passes: groups.map((group) => ({
      ...group,
      /** Bytes between planes of transformed tiles. */
      planeBytes: planeBytes(group.images),
      transformUnits: kernelFirst ? blocks * (outC / kernelChannels) : group.images * down,
      units: Math.ceil((group.images * down) / rowsPerUnit) * (kernelFirst ? 1 : blocks),
    })),
  }
}

/**
 * Few channels: each unit transforms its own tiles and sums over them. Undefined where there are
 * too many channels, or too few tiles for several workers.
 */
function ownTilesPlan(g: Geometry, steps: number) {
  const { images, inC, outC } = g
  const [across, down] = [tilesAcross(g), tilesDown(g) * steps]
  const [inCPerUnit, outCPerUnit] = [inC, roundUp(outC, Winograd.Block)]
  const rowsPerUnit = Math.ceil(budgets.splitTiles / across)
  const splits = Math.min(budgets.enoughUnits, Math.floor((images * down) / (2 * rowsPerUnit)))
  const ownBytes = records.ownTilesBytes({ ...g, rowsPerUnit, inCPerUnit, outCPerUnit })
  if (splits < budgets.leastSplits || ownBytes > OWN_BUDGET_BYTES) return undefined
  return {
    splits,
    /** Tile rows that a unit transforms at a time. */
    rowsPerUnit,
    inCPerUnit,
    outCPerUnit,
    sharedBytes: splits * kRowsOf(g) * outC * 4,
  }
}

/** Else tiles are transformed first; the first pass writes the gradient, the others add to it. */
export function sharedTilesPlan(g: Geometry, steps: number) {
  const { inC, outC } = g
  const tiles = tilesOfImage(g) * steps
  const channels = records.channelGroups(inC, outC)
  const imageBytes = Winograd.Planes * channels * tiles * Winograd.GroupBytes
  const planeBytes = (images: number): number =>
    channels * (images * tiles * Winograd.GroupBytes + Winograd.GroupPadding) +
    Winograd.PlanePadding
  const groups = splitImages(
    g.images,
    imageBytes,
    Math.max(budgets.weightTileBytes, imageBytes * Math.ceil(budgets.leastTiles / tiles)),
  )
  const unitsOf = ([inBlock, outBlock]: readonly [number, number]): number =>
    Math.ceil(inC / inBlock) * Math.ceil(outC / outBlock)
  const block = largestSize(CHANNELS_PER_UNIT, unitsOf)
  const [inCPerUnit, outCPerUnit] = block
  return {
    inCPerUnit,
    outCPerUnit,
    sharedBytes: Winograd.Planes * planeBytes(groups[0]!.images),
    passes: groups.map((group) => ({
      ...group,
      planeBytes: planeBytes(group.images),
      // Tile rows of the input, and as many of δ.
      transformUnits: 2 * group.images * tilesDown(g) * steps,
      units: unitsOf(block),
    })),
  }
}

const fits = ({ g }: Task): boolean => winogradApplies(g) && winogradPays(g)

/** A weight's gradient takes as long as lists of so many of the neurons. */
const COST = 0.16

type Products = Pick<InputGradient, 'name' | 'g' | 'steps' | 'delta' | 'bias' | 'out' | OfWeight>
type OfWeight = 'weight' | 'weightScale' | 'most'

/** @param kRows of the weight, where Out is what a convolution makes of Delta */
function emitProducts(b: ProgramBuilder, job: Products, kRows?: number): void {
  const { name, g, steps, delta, weight, weightScale, most, bias, out } = job
  const way = kRows === undefined ? {} : { kRows, forward: true }
  const plan = winogradInputPlan(g, steps, kRows === undefined ? g.blockWidth : FORWARD_CHANNELS)
  const { kernelFirst, rowsPerUnit } = plan
  const scratch = b.buffer(`${name} winograd`, plan.sharedBytes)
  for (const { firstImage, images, planeBytes, transformUnits, units } of plan.passes) {
    const part = {
      g: { ...g, images },
      steps,
      weight,
      weightScale,
      most,
      delta: ref(delta, firstImage * outputBytes(g) * steps),
      out: ref(out, firstImage * inputBytes(g) * steps),
    }
    if (kernelFirst)
      emitSized(b, part, records.winogradKernelTransform, transformUnits, { scratch, ...way })
    else emitSized(b, part, records.winogradInputTransform, transformUnits, { scratch, planeBytes })
    const factor = kernelFirst
      ? { delta: part.delta, weight: undefined, weightScale: undefined }
      : { weight, delta: undefined, planeBytes }
    const products = { ...factor, kernelFirst, scratch, rowsPerUnit, bias, ...way }
    emitSized(b, part, records.winogradInputGradient, units, products)
  }
}

export const winogradInput: Strategy<InputGradient> = {
  name: 'winograd',
  fits,
  // Beside the direct kernels' 1, in multiplications.
  cost: () => 0.25,
  emit: (b, job) => emitProducts(b, job),
}

/** Time of the forward pass beside that of dense products: 0.27 to 0.32 of it. */
const FORWARD_COST = 0.3

/**
 * Forward on floats that lie in memory as a tensor does: it is the gradient of the input with other
 * kernels.
 */
export const winogradForward: Strategy<Omit<Products, 'delta'> & { readonly input: Buffer }> = {
  name: 'winograd',
  fits,
  cost: ({ g, steps }) => FORWARD_COST * denseCycles(g, steps),
  emit(b, { input, ...job }) {
    const { g } = job
    const sizes = { ...g, inC: g.outC, outC: g.inC }
    emitProducts(b, { ...job, g: sizes, delta: input }, kRowsOf(g))
  },
}

/** `input.address` as a place. */
function placeOf({ name, input }: WeightGradient): Reference {
  if (typeof input.address === 'number') throw new Error(`${name}: the input has no address`)
  return input.address
}

/** By units that transform their own tiles; false where there are too few, or too many channels. */
function emitOwnTiles(b: ProgramBuilder, job: WeightGradient): boolean {
  const { name, g, out, accumulate } = job
  const plan = ownTilesPlan(g, job.steps)
  if (!plan) return false
  const { splits } = plan
  const whole = withInput(job)
  const partial = b.buffer(`${name} winograd`, plan.sharedBytes)
  const to = { partial, scale: job.input.scale ?? 1, out: undefined, accumulate: undefined }
  const fields = { ...plan, in: placeOf(whole), ...to }
  emitSized(b, whole, records.winogradWeightGradient, splits, fields)
  const sum = { outC: g.outC, partial, splits, out, accumulate }
  emitPartialSum(b, kRowsOf(g), sum, budgets.reduceRows)
  return true
}

function emitSharedTiles(b: ProgramBuilder, job: WeightGradient): void {
  const { name, g, steps, delta, accumulate } = job
  const plan = sharedTilesPlan(g, steps)
  const { buffer, offset } = placeOf(job)
  const shared = { ...plan, scratch: b.buffer(`${name} winograd`, plan.sharedBytes) }
  for (const { firstImage, images, planeBytes, transformUnits, units } of plan.passes) {
    const part = { ...job, g: { ...g, images } }
    const at = offset + firstImage * inputBytes(g) * steps
    emitSized(b, part, records.winogradWeightTransform, transformUnits, {
      ...shared,
      in: job.writeInput?.(firstImage, images) ?? ref(buffer, at),
      delta: ref(delta, firstImage * outputBytes(g) * steps),
      planeBytes,
      unitGroups: 2,
    })
    const adds = { delta: undefined, accumulate: accumulate || firstImage > 0 }
    const products = { ...shared, planeBytes, scale: job.input.scale ?? 1, ...adds }
    emitSized(b, part, records.winogradWeightGradient, units, products)
  }
}

export const winogradWeight: Strategy<WeightGradient> = {
  name: 'winograd',
  fits: (task) => fits(task) && !task.indirect && !task.still,
  cost: () => COST,
  emit(b, job) {
    if (!emitOwnTiles(b, job)) emitSharedTiles(b, job)
  },
}

// Input gradient of 3×3 convolutions of stride 2 by Winograd's kernels.

const tiles = (size: number): number => Math.ceil(size / WinogradStride.Tile)

/** Whether the kernels can run the convolution at all: 3×3, stride 2, padding 1. */
export const strideApplies = (g: Geometry): boolean => winogradApplies(g, WinogradStride.Stride)

/** Whether they beat the direct kernel: enough channels, and tiles that are mostly image. */
export function stridePays(g: Geometry): boolean {
  const used = (g.outH * g.outW) / (WinogradStride.Tile ** 2 * tiles(g.outH) * tiles(g.outW))
  return Math.min(g.inC, g.outC) >= 8 && used >= 0.7
}

/** With one row per pixel the direct kernel is as fast, and keeps its bits. */
export const winogradStride: Strategy<InputGradient> = {
  name: 'winograd stride',
  fits: ({ g, steps }) => steps > 1 && strideApplies(g) && stridePays(g),
  // Beside the direct kernels' 1, in multiplications.
  cost: () => WinogradStride.Planes / 144,
  emit(b, job) {
    const { images, inC, outC, outH, outW, blockWidth } = job.g
    const rows = images * tiles(outH) * job.steps
    const rowsPerUnit = tileRows(budgets.strideTiles, tiles(outW), rows / budgets.strideUnits)
    const blocks = Math.ceil(inC / Winograd.Block)
    const kernelBytes = Winograd.BlockBytes * outC + Winograd.PlanePadding
    const bytes = blocks * WinogradStride.Kernels * kernelBytes
    const scratch = b.buffer(`${job.name} winograd`, bytes)
    emitSized(b, job, records.winogradStrideKernels, blocks * (outC / blockWidth), { scratch })
    const units = Math.ceil(rows / rowsPerUnit)
    emitSized(b, job, records.winogradStrideGradient, units, { scratch, rowsPerUnit })
  },
}
