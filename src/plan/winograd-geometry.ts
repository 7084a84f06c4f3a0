/** Sizes, units and record words of the Winograd kernels (assembly/winograd.ts), as functions of shapes alone. */
import { ConvWord, Op } from '../../assembly/opcodes.js'

/**
 * Shared scratch that one pass may use. Larger batches run in passes over groups of images, one after the other: that bounds memory, and
 * what the transforms write is still in the last cache when the products read it. One image is never divided, so a huge one may exceed it.
 */
export const WINOGRAD_BUDGET_BYTES = 12 * 2 ** 20

const PLANES = 36
/** Keeps planes apart in the cache: sizes that are powers of two would put all 36 on the same lines. */
const PLANE_PADDING = 192
/** One tile of 6×6 vectors of four floats. */
const TRANSFORM_BYTES = 576
/** Tiles of one unit of the input gradient, largest first: few tiles cost time, since each unit transforms its weights. */
const TILES_PER_UNIT = [64, 32] as const
/** Tiles of one unit of a transform: whole cache lines of the result, and many units on small layers. */
const TILES_PER_TRANSFORM = 4
/** Channels of In and of Delta of one unit of the weight gradient, largest first: small blocks read the transformed tiles more often. */
const CHANNELS_PER_UNIT = [
  [32, 32],
  [16, 32],
  [16, 16],
  [8, 16],
  [8, 8],
  [4, 8],
] as const
/** Units below which a smaller size is taken, so that 16 workers have something to do. */
const ENOUGH_UNITS = 32

/** A convolution 3×3, stride 1, padding 1; channels as stored (multiples of 4, outC a multiple of blockWidth). */
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
  words: { [word: number]: number }
}

/**
 * Two records, one behind the other, for the images firstImage … firstImage + images − 1: the planner adds `firstImage` images to the
 * addresses of In, Delta and (input gradient) Out.
 */
export interface WinogradPass {
  firstImage: number
  images: number
  transform: WinogradRecord
  gradient: WinogradRecord
}

export interface WinogradPlan {
  /** Bytes of shared scratch (`ConvWord.Scratch`); all passes use the same. */
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
const roundUp = (a: number, to: number): number => Math.ceil(a / to) * to
const tilesOfImage = (shape: WinogradShape): number => ceilDivide(shape.height, 4) * ceilDivide(shape.width, 4)

/** Whether the kernels can run the convolution at all. */
export function winogradApplies(kernel: KernelShape): boolean {
  return (
    kernel.kernelH === 3 && kernel.kernelW === 3 && kernel.strideH === 1 && kernel.strideW === 1 && kernel.padH === 1 && kernel.padW === 1
  )
}

/** Whether they beat the direct kernels: enough channels to pay for the transforms, and tiles that are mostly image. */
export function winogradPays(shape: WinogradShape): boolean {
  const used = (shape.height * shape.width) / (16 * tilesOfImage(shape))
  return Math.min(shape.inC, shape.outC) >= 8 && used >= 0.36
}

/** Input gradient: transform `Delta`, then products and inverse transform into `Out`. */
export function winogradInputPlan(shape: WinogradShape): WinogradPlan {
  const { inC, outC } = shape
  const tiles = tilesOfImage(shape)
  // The products run over rows in fours and fives, so up to 3 rows behind the last are read.
  const planeBytes = (images: number): number => (images * tiles + 3) * outC * 4 + PLANE_PADDING
  const groups = splitImages(shape.images, PLANES * tiles * outC * 4)
  const unitsOf = (total: number, perUnit: number): number => ceilDivide(total, perUnit) * ceilDivide(inC, 8)
  const most = groups[0]!.images * tiles
  const perUnit = TILES_PER_UNIT.find((size) => unitsOf(most, size) >= ENOUGH_UNITS) ?? TILES_PER_UNIT.at(-1)!
  const transformBytes = TRANSFORM_BYTES + 36 * 4 * outC
  const productBytes =
    PLANES * (32 * outC + PLANE_PADDING) + PLANES * (32 * (perUnit + 3) + PLANE_PADDING) + TRANSFORM_BYTES + 256 + 288 * shape.blockWidth
  return {
    sharedBytes: PLANES * planeBytes(groups[0]!.images),
    workerBytes: Math.max(transformBytes, productBytes),
    passes: groups.map(({ firstImage, images }) => {
      const words = { ...shapeWords(shape, images), [ConvWord.PlaneBytes]: planeBytes(images) }
      return {
        firstImage,
        images,
        transform: {
          op: Op.WinogradInputTransform,
          units: ceilDivide(images * tiles, TILES_PER_TRANSFORM),
          words: { ...words, [ConvWord.RowsPerUnit]: TILES_PER_TRANSFORM },
        },
        gradient: {
          op: Op.WinogradInputGradient,
          units: unitsOf(images * tiles, perUnit),
          words: { ...words, [ConvWord.RowsPerUnit]: perUnit },
        },
      }
    }),
  }
}

/**
 * Weight gradient: transform `In` and `Delta`, then products and inverse transform into `Out`. The first pass writes, the others
 * accumulate. `ConvWord.Scale` is the planner's to set.
 */
export function winogradWeightPlan(shape: WinogradShape): WinogradPlan {
  const { inC, outC } = shape
  const tiles = tilesOfImage(shape)
  const planeBytes = (images: number): number => (inC + outC) * roundUp(images * tiles, 4) * 4 + PLANE_PADDING
  const groups = splitImages(shape.images, PLANES * (inC + outC) * tiles * 4)
  const unitsOf = ([inBlock, outBlock]: readonly [number, number]): number => ceilDivide(inC, inBlock) * ceilDivide(outC, outBlock)
  const block = CHANNELS_PER_UNIT.find((size) => unitsOf(size) >= ENOUGH_UNITS) ?? CHANNELS_PER_UNIT.at(-1)!
  const [inBlock, outBlock] = block
  const transformBytes = TRANSFORM_BYTES + 4 * Math.max(36 * inC, 16 * outC)
  const productBytes = PLANES * (4 * inBlock * outBlock + PLANE_PADDING) + TRANSFORM_BYTES + 144
  return {
    sharedBytes: PLANES * planeBytes(groups[0]!.images),
    workerBytes: Math.max(transformBytes, productBytes),
    passes: groups.map(({ firstImage, images }) => {
      const words = { ...shapeWords(shape, images), [ConvWord.PlaneBytes]: planeBytes(images) }
      return {
        firstImage,
        images,
        transform: {
          op: Op.WinogradWeightTransform,
          units: 2 * ceilDivide(images * tiles, TILES_PER_TRANSFORM),
          words: { ...words, [ConvWord.RowsPerUnit]: TILES_PER_TRANSFORM },
        },
        gradient: {
          op: Op.WinogradWeightGradient,
          units: unitsOf(block),
          words: {
            ...words,
            [ConvWord.InCPerUnit]: inBlock,
            [ConvWord.OutCPerUnit]: outBlock,
            [ConvWord.Accumulate]: firstImage > 0 ? 1 : 0,
          },
        },
      }
    }),
  }
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

/** Groups of images of nearly equal size within the budget; the first is the largest. */
function splitImages(images: number, imageBytes: number): { firstImage: number; images: number }[] {
  const most = Math.max(1, Math.floor(WINOGRAD_BUDGET_BYTES / imageBytes))
  const size = ceilDivide(images, ceilDivide(images, most))
  const groups: { firstImage: number; images: number }[] = []
  for (let firstImage = 0; firstImage < images; firstImage += size) groups.push({ firstImage, images: Math.min(size, images - firstImage) })
  return groups
}
