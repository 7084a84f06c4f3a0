/**
 * Sizes, units and record words of the weight gradient from lists of active neurons
 * (assembly/list-gradient.ts), from shapes alone.
 */

import { ConvWord, Op } from '../../assembly/opcodes.js'
import { roundUp } from '../round-up.js'

/**
 * Bytes of δ of one group of images and 16 channels: it stays in the second-level cache while its
 * lists are summed.
 */
const GRID_BYTES = 96 * 1024
const GRID_CHANNELS = 16
const LIST_CHANNELS = 16
/**
 * Input channels of one unit, largest first; a smaller size is taken until there are units for 16
 * workers.
 */
const CHANNELS_PER_UNIT = [32, 16, 8, 4] as const
const ENOUGH_UNITS = 32

/**
 * A convolution over spike counts; channels as stored (multiples of 4, outC a multiple of
 * blockWidth).
 */
export interface ListGradientShape {
  images: number
  inH: number
  inW: number
  inC: number
  outH: number
  outW: number
  outC: number
  kernelH: number
  kernelW: number
  strideH: number
  strideW: number
  padH: number
  padW: number
  /** Output channels of a block of the weight: 4, 8, 16 or 32. */
  blockWidth: number
  /** The largest count, 1 … 255. */
  maxCount: number
}

export interface ListGradientRecord {
  op: Op
  units: number
  words: { [word: number]: number }
}

/**
 * Two records, one behind the other, without their addresses. `ConvWord.Scale` and `Accumulate` are
 * the planner's to set.
 */
export interface ListGradientPlan {
  /** Bytes of `ConvWord.Scratch`, `Lists` and `ListPointers`. */
  gridBytes: number
  listBytes: number
  pointerBytes: number
  /** Bytes of scratch that each worker needs. */
  workerBytes: number
  lists: ListGradientRecord
  gradient: ListGradientRecord
}

const gridSize = (
  input: number,
  output: number,
  kernel: number,
  stride: number,
  pad: number,
): number =>
  Math.floor(Math.max(0, kernel - 1 - pad) / stride) +
  Math.max(output, Math.ceil(input / stride) + Math.ceil(pad / stride))

const gridPixels = (shape: ListGradientShape): number =>
  gridSize(shape.inH, shape.outH, shape.kernelH, shape.strideH, shape.padH) *
  gridSize(shape.inW, shape.outW, shape.kernelW, shape.strideW, shape.padW)

/** Whether lists can hold an image (their entries have 16 bits) and counts fit a byte. */
export function listGradientApplies(shape: ListGradientShape): boolean {
  return gridPixels(shape) < 65536 && shape.maxCount >= 1 && shape.maxCount <= 255
}

/**
 * Whether lists beat the other kernels when the fraction `active` of the neurons fires at least
 * once: they cost as much as there are active neurons, Winograd's kernels (`winograd`: they are the
 * alternative) as much as a sixth of them, direct kernels as much as a half. A kernel of few taps
 * does not earn back what its lists cost.
 */
export function listGradientPays(
  shape: ListGradientShape,
  active: number,
  winograd: boolean,
): boolean {
  return (
    listGradientApplies(shape) &&
    shape.kernelH * shape.kernelW >= 4 &&
    active < (winograd ? 0.16 : 0.5)
  )
}

/** The plan for a shape to which lists apply. */
export function listGradientPlan(shape: ListGradientShape): ListGradientPlan {
  const { images, inC, outC, maxCount } = shape
  const imagePixels = gridPixels(shape)
  const most = Math.max(1, Math.floor(GRID_BYTES / (imagePixels * GRID_CHANNELS * 4)))
  const perGroup = Math.ceil(images / Math.ceil(images / most))
  const groups = Math.ceil(images / perGroup)
  const gridBlocks = Math.ceil(outC / GRID_CHANNELS)
  const phases = shape.strideH * shape.strideW
  const unitsOf = (size: number): number => gridBlocks * Math.ceil(inC / size)
  const perUnit =
    CHANNELS_PER_UNIT.find((size) => unitsOf(size) >= ENOUGH_UNITS) ?? CHANNELS_PER_UNIT.at(-1)!
  const words = {
    [ConvWord.Images]: images,
    [ConvWord.T]: maxCount,
    [ConvWord.InH]: shape.inH,
    [ConvWord.InW]: shape.inW,
    [ConvWord.InC]: inC,
    [ConvWord.OutH]: shape.outH,
    [ConvWord.OutW]: shape.outW,
    [ConvWord.OutC]: outC,
    [ConvWord.BlockWidth]: shape.blockWidth,
    [ConvWord.KRows]: roundUp(shape.kernelH * shape.kernelW * inC + 1, 4),
    [ConvWord.KernelH]: shape.kernelH,
    [ConvWord.KernelW]: shape.kernelW,
    [ConvWord.StrideH]: shape.strideH,
    [ConvWord.StrideW]: shape.strideW,
    [ConvWord.PadH]: shape.padH,
    [ConvWord.PadW]: shape.padW,
    [ConvWord.RowsPerUnit]: perGroup,
    [ConvWord.InCPerUnit]: perUnit,
  }
  return {
    gridBytes: groups * gridBlocks * perGroup * imagePixels * GRID_CHANNELS * 4,
    listBytes: groups * inC * perGroup * shape.inH * shape.inW * 2,
    pointerBytes: groups * phases * inC * (maxCount + 1) * 4,
    workerBytes: Math.max(
      6 * LIST_CHANNELS * maxCount * phases,
      64 * perUnit * shape.kernelH * shape.kernelW,
    ),
    lists: {
      op: Op.RateLists,
      units: groups * (Math.ceil(inC / LIST_CHANNELS) + gridBlocks),
      words,
    },
    gradient: { op: Op.ListWeightGradient, units: unitsOf(perUnit), words },
  }
}
