/**
 * Sizes, units and record words of the Winograd kernels (assembly/winograd.ts), as functions of
 * shapes alone.
 */

import { ConvWord, Op } from '../../assembly/opcodes.js'
import { roundUp } from '../round-up.js'
import { splitImages } from './passes.js'

/**
 * Shared scratch that one pass of the input gradient may use when its tiles are transformed first.
 * Larger batches run in passes over groups of images, one after the other: that bounds memory. One
 * image is never divided, so a huge one may exceed it.
 */
export const WINOGRAD_BUDGET_BYTES = 12 * 2 ** 20
/**
 * The same for the weight gradient, small enough for a near cache as far as that leaves LEAST_TILES
 * to a pass.
 */
const WEIGHT_BUDGET_BYTES = 4 * 2 ** 20
/**
 * Tiles of a pass of the weight gradient, at least, if there are as many: products over few tiles
 * cost more.
 */
const LEAST_TILES = 128
/**
 * Kernels that are transformed once for all units: what each unit reads of them for its tiles
 * should come from a near cache.
 */
const KERNEL_BUDGET_BYTES = 3 * 2 ** 20

const PLANES = 36
/**
 * Keeps planes apart in the cache: sizes that are powers of two would put all 36 on the same lines.
 */
const PLANE_PADDING = 192
/** Behind a group of channels of the weight gradient, for the same reason. */
const GROUP_PADDING = 64
/** One tile of 6×6 vectors of four floats. */
const TRANSFORM_BYTES = 576
/** Bytes of a chunk of up to 128 output channels in a transformed tile of the input gradient. */
const CHUNK_BYTES = 512
const CHUNK = 128
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
/** Tiles of a unit of the input gradient when it transforms its own kernels. */
const TILES_PER_UNIT = 64
/**
 * Tiles of a unit of the input gradient when it transforms its own tiles; half as many, if there
 * are too few units.
 */
const OWN_TILES = 16
/**
 * Tiles that a unit of the weight gradient transforms at a time, and half of those of a unit, when
 * it transforms its own tiles.
 */
const SPLIT_TILES = 32
/**
 * Sums and tiles of a unit of the weight gradient that transforms its own: they must stay in the
 * second cache.
 */
const OWN_BUDGET_BYTES = 768 * 2 ** 10
/** Units below which the weight gradient is divided by channels instead of by tiles. */
const LEAST_SPLITS = 8
/** Rows of k of a unit that adds partial sums up. */
const REDUCE_ROWS = 16
/** Units below which a smaller size is taken, so that 16 workers have something to do. */
const ENOUGH_UNITS = 32

/**
 * A convolution 3×3, stride 1, padding 1; channels as stored (multiples of 4, outC a multiple of
 * blockWidth).
 */
export interface WinogradShape {
  images: number
  height: number
  width: number
  inC: number
  outC: number
  /** Output channels of a block of the weight: 4, 8, 16 or 32. */
  blockWidth: number
}

/** A record without its addresses. */
export interface WinogradRecord {
  op: Op
  units: number
  /** Parts of the units, each of which runs through the images; 1 where it is not given. */
  groups?: number
  words: { [word: number]: number }
}

/**
 * Two records, one behind the other, for the images firstImage … firstImage + images − 1: the
 * planner adds `firstImage` images to the addresses of In, Delta and (input gradient) Out. The
 * first writes shared scratch, the second reads it and writes Out.
 */
export interface WinogradPass {
  firstImage: number
  images: number
  records: readonly [WinogradRecord, WinogradRecord]
}

export interface WinogradPlan {
  /**
   * Bytes of shared scratch (`ConvWord.Scratch` and `ConvWord.Partial`); all passes use the same.
   */
  sharedBytes: number
  /** Bytes of scratch that each worker needs. */
  workerBytes: number
  passes: WinogradPass[]
}

/** Size of a kernel as far as it decides whether Winograd applies. */
export interface KernelShape {
  kernelH: number
  kernelW: number
  strideH: number
  strideW: number
  padH: number
  padW: number
}

const ceilDivide = (a: number, b: number): number => Math.ceil(a / b)
const tilesOfImage = (shape: WinogradShape): number =>
  ceilDivide(shape.height, 4) * ceilDivide(shape.width, 4)

/** Whether the kernels can run the convolution at all. */
export function winogradApplies(kernel: KernelShape): boolean {
  return (
    kernel.kernelH === 3 &&
    kernel.kernelW === 3 &&
    kernel.strideH === 1 &&
    kernel.strideW === 1 &&
    kernel.padH === 1 &&
    kernel.padW === 1
  )
}

/**
 * Whether they beat the direct kernels: enough channels to pay for the transforms, and tiles that
 * are mostly image.
 */
export function winogradPays(shape: WinogradShape): boolean {
  const used = (shape.height * shape.width) / (16 * tilesOfImage(shape))
  return Math.min(shape.inC, shape.outC) >= 8 && used >= 0.36
}

/**
 * Input gradient: one record transforms one factor, the other transforms the other factor for each
 * unit, multiplies and transforms the products into `Out`. Kernels come first where each unit has
 * all of them and they are few; else tiles do.
 */
export function winogradInputPlan(shape: WinogradShape): WinogradPlan {
  const { images, inC, outC, blockWidth } = shape
  const [across, down] = [ceilDivide(shape.width, 4), ceilDivide(shape.height, 4)]
  const blocks = ceilDivide(inC, 8)
  const chunks = ceilDivide(outC, CHUNK)
  const tileBytes = PLANES * chunks * CHUNK_BYTES
  const kernelBytes = PLANES * (32 * outC + PLANE_PADDING)
  const kernelScratch = TRANSFORM_BYTES + 288 * blockWidth
  const kernelFirst =
    blocks * kernelBytes <= KERNEL_BUDGET_BYTES && images * down * across >= 4 * OWN_TILES

  const rowsPerUnit = kernelFirst
    ? Math.max(
        ceilDivide(OWN_TILES / 2, across),
        Math.min(ceilDivide(OWN_TILES, across), Math.floor((images * down) / ENOUGH_UNITS)),
      )
    : Math.min(images * down, ceilDivide(TILES_PER_UNIT, across))
  const room = roundUp(rowsPerUnit * across, 4)
  const productBytes = PLANES * (32 * room + PLANE_PADDING) + 16 * inC + 64 + TRANSFORM_BYTES
  const ownBytes = kernelFirst
    ? room * tileBytes + PLANES * PLANE_PADDING + rowScratch(outC)
    : kernelBytes + kernelScratch

  const groups = kernelFirst
    ? [{ firstImage: 0, images }]
    : splitImages(images, across * down * tileBytes, WINOGRAD_BUDGET_BYTES)
  const planeBytes = (count: number): number =>
    chunks * (count * across * down + 3) * CHUNK_BYTES + PLANE_PADDING
  return {
    sharedBytes: kernelFirst ? blocks * kernelBytes : PLANES * planeBytes(groups[0]!.images),
    workerBytes: Math.max(productBytes + ownBytes, kernelFirst ? kernelScratch : rowScratch(outC)),
    passes: groups.map(({ firstImage, images: count }) => {
      const words = {
        ...shapeWords(shape, count),
        [ConvWord.PlaneBytes]: planeBytes(count),
        [ConvWord.KernelFirst]: kernelFirst ? 1 : 0,
        [ConvWord.RowsPerUnit]: rowsPerUnit,
      }
      return {
        firstImage,
        images: count,
        records: [
          kernelFirst
            ? { op: Op.WinogradKernelTransform, units: blocks * (outC / blockWidth), words }
            : { op: Op.WinogradInputTransform, units: count * down, words },
          {
            op: Op.WinogradInputGradient,
            units: ceilDivide(count * down, rowsPerUnit) * (kernelFirst ? 1 : blocks),
            words,
          },
        ],
      }
    }),
  }
}

/**
 * Weight gradient. With few channels each unit transforms its own tiles of `In` and `Delta` and
 * sums over them, and the units' sums are added up. Else tiles are transformed first, then products
 * and inverse transform follow for blocks of channels; the first pass writes, the others
 * accumulate. `ConvWord.Scale` is the planner's to set.
 */
export function winogradWeightPlan(shape: WinogradShape): WinogradPlan {
  return ownTilesPlan(shape) ?? sharedTilesPlan(shape)
}

function ownTilesPlan(shape: WinogradShape): WinogradPlan | undefined {
  const { images, inC, outC } = shape
  const [across, down] = [ceilDivide(shape.width, 4), ceilDivide(shape.height, 4)]
  const [inBlock, outBlock] = [inC, roundUp(outC, 8)]
  const rowsPerUnit = ceilDivide(SPLIT_TILES, across)
  const splits = Math.min(ENOUGH_UNITS, Math.floor((images * down) / (2 * rowsPerUnit)))
  const channelGroups = ceilDivide(inC, 16) + ceilDivide(outC, 16)
  const sumBytes = PLANES * (4 * inBlock * outBlock + PLANE_PADDING)
  const tileBytes = PLANES * (channelGroups * 64 * (rowsPerUnit * across + 1) + PLANE_PADDING)
  if (splits < LEAST_SPLITS || sumBytes + tileBytes > OWN_BUDGET_BYTES) return undefined
  const words = shapeWords(shape, images)
  const kRows = words[ConvWord.KRows]!
  const splitWords = {
    ...words,
    [ConvWord.Splits]: splits,
    [ConvWord.RowsPerUnit]: rowsPerUnit,
    [ConvWord.InCPerUnit]: inBlock,
    [ConvWord.OutCPerUnit]: outBlock,
    [ConvWord.KPerUnit]: REDUCE_ROWS,
  }
  return {
    sharedBytes: splits * kRows * outC * 4,
    workerBytes: sumBytes + TRANSFORM_BYTES + tileBytes + rowScratch(Math.max(inC, outC)),
    passes: [
      {
        firstImage: 0,
        images,
        records: [
          { op: Op.WinogradWeightGradient, units: splits, words: splitWords },
          { op: Op.ReduceSplits, units: ceilDivide(kRows, REDUCE_ROWS), words: splitWords },
        ],
      },
    ],
  }
}

function sharedTilesPlan(shape: WinogradShape): WinogradPlan {
  const { inC, outC } = shape
  const tiles = tilesOfImage(shape)
  const channelGroups = ceilDivide(inC, 16) + ceilDivide(outC, 16)
  const imageBytes = PLANES * channelGroups * tiles * 64
  const planeBytes = (images: number): number =>
    channelGroups * (images * tiles * 64 + GROUP_PADDING) + PLANE_PADDING
  const groups = splitImages(
    shape.images,
    imageBytes,
    Math.max(WEIGHT_BUDGET_BYTES, imageBytes * ceilDivide(LEAST_TILES, tiles)),
  )
  const unitsOf = ([inBlock, outBlock]: readonly [number, number]): number =>
    ceilDivide(inC, inBlock) * ceilDivide(outC, outBlock)
  const block =
    CHANNELS_PER_UNIT.find((size) => unitsOf(size) >= ENOUGH_UNITS) ?? CHANNELS_PER_UNIT.at(-1)!
  const [inBlock, outBlock] = block
  const productBytes = PLANES * (4 * inBlock * outBlock + PLANE_PADDING) + TRANSFORM_BYTES
  return {
    sharedBytes: PLANES * planeBytes(groups[0]!.images),
    workerBytes: Math.max(rowScratch(Math.max(inC, outC)), productBytes),
    passes: groups.map(({ firstImage, images }) => {
      const words = { ...shapeWords(shape, images), [ConvWord.PlaneBytes]: planeBytes(images) }
      const gradientWords = {
        ...words,
        [ConvWord.InCPerUnit]: inBlock,
        [ConvWord.OutCPerUnit]: outBlock,
        [ConvWord.Accumulate]: firstImage > 0 ? 1 : 0,
      }
      return {
        firstImage,
        images,
        records: [
          {
            op: Op.WinogradWeightTransform,
            units: (2 * images * tiles) / ceilDivide(shape.width, 4),
            groups: 2,
            words,
          },
          { op: Op.WinogradWeightGradient, units: unitsOf(block), words: gradientWords },
        ],
      }
    }),
  }
}

/** Scratch of the transform of a tile row. */
function rowScratch(channels: number): number {
  return TRANSFORM_BYTES + 64 + 24 * channels
}

/** Words that both kernels read. */
function shapeWords(shape: WinogradShape, images: number): { [word: number]: number } {
  return {
    [ConvWord.Images]: images,
    [ConvWord.InH]: shape.height,
    [ConvWord.InW]: shape.width,
    [ConvWord.InC]: shape.inC,
    [ConvWord.OutC]: shape.outC,
    [ConvWord.BlockWidth]: shape.blockWidth,
    [ConvWord.KRows]: roundUp(9 * shape.inC + 1, 4),
  }
}
