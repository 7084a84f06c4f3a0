/**
 * Sizes of the event-driven convolution (`spikeLists` and `spikeConv`, or `spikeForward`):
 * buffers, scratch and units, from shapes alone, so that the results are the same for any number of
 * workers. The layouts are drawn in assembly/spikes/lists.ts.
 */

import { Spike } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { budgets } from '../budgets.js'
import { type Geometry, inputsOf, isDilated, pixelsOf, splitImages } from './geometry.js'

/** A convolution on spikes: InH and InW are the size behind the pooling. */
export interface SpikeShape extends Geometry {
  /** Steps of one call, T. */
  readonly timeSteps: number
  /** Spike tensors that are added. */
  readonly sourceCount: number
  /** They are levels of a sum. */
  readonly sorted?: boolean
  /** Pooling window in front of the convolution; 1 × 1 for none. */
  readonly poolKernelH: number
  readonly poolKernelW: number
  /** Little memory matters more than many units. */
  readonly compact?: boolean
}

/**
 * Entries of a field up to which 7 lists are faster than 15, for blocks of 16 and 32 channels: at
 * 288 (3×3 kernel, 32 channels) by 0–25 %, at 576 no longer. Narrow blocks have less to add for
 * each entry and gain more from fewer lists: twice as many entries for blocks of 8, four times for
 * 4.
 */
const MAX_PAIR_ENTRIES = 320

/**
 * Rows of a block of the weight up to which two blocks are summed side by side: 1152 rows gain 4 %,
 * 2304 lose 8 %.
 */
const MAX_PAIRED_ROWS = 1600

/**
 * Bytes of a weight up to which units of rows, each of which reads all of it, are as fast as units
 * of blocks: with the lists of a unit, of which about a third is in use, it should fit the
 * second-level cache.
 */
const MAX_FORWARD_WEIGHT = 640 * 1024

/** Groups of steps. */
const groupsOf = (shape: SpikeShape): number => Math.ceil(shape.timeSteps / Spike.GroupSteps)

/** Neurons that one input sums: one for each source and position of the pooling window. */
export const neuronsPerInput = (shape: SpikeShape): number =>
  shape.sourceCount * shape.poolKernelH * shape.poolKernelW

/**
 * Whether an input that sums so many neurons is listed with a factor: where it is a sum, of no more
 * spikes than a byte can count.
 */
export const countsFitFactors = (neurons: number): boolean =>
  neurons > 1 && neurons <= budgets.byteCount

/** Whether an entry of the lists carries a factor. */
export const usesWeightedLists = (shape: SpikeShape): boolean =>
  !shape.sorted && countsFitFactors(neuronsPerInput(shape))

/**
 * Whether 16 bits can number the weight rows of a field and the zero row behind them, and taps are
 * neighbours, whose lists lie in a row. If not, the convolution has to run dense.
 */
export const spikeListsFit = (shape: Geometry): boolean =>
  inputsOf(shape) + 1 < budgets.listEntries && !isDilated(shape)

/** Whether a field of so many entries is faster with 7 lists than with 15. */
export const pairListsPay = (entries: number, blockWidth: number): boolean =>
  entries <= MAX_PAIR_ENTRIES * Math.max(1, 16 / blockWidth)

/**
 * Whether neurons are listed by pairs of steps (7 lists) rather than by the whole pattern (15).
 * With 2 steps both are the same 3 lists.
 */
export function usesPairLists(shape: SpikeShape): boolean {
  const perInput = usesWeightedLists(shape) ? 1 : neuronsPerInput(shape)
  return shape.timeSteps > 2 && pairListsPay(inputsOf(shape) * perInput, shape.blockWidth)
}

/**
 * The most entries that one input can have in the weighted lists of a group: each uses up the
 * spikes of at least one step; and the input sums so many neurons, to which 7 lists can add one
 * entry (2, 1, 1, 2 of two neurons is 1 at all steps, then one step of each pair).
 */
function weightedEntries(shape: SpikeShape): number {
  const neurons = neuronsPerInput(shape) + (usesPairLists(shape) ? 1 : 0)
  return Math.min(Spike.GroupSteps, shape.timeSteps, neurons)
}

/**
 * Bytes of the lists of one output pixel: room for every neuron, a padding entry a list and the 32
 * bytes that copies may overrun.
 *
 * @param pairLists whether there are 7 lists; what the float kernels have by default.
 */
export function spikeListBytes(shape: SpikeShape, pairLists = usesPairLists(shape)): number {
  const weighted = usesWeightedLists(shape)
  const perInput = weighted ? weightedEntries(shape) : neuronsPerInput(shape) * (pairLists ? 2 : 1)
  return roundUp((inputsOf(shape) * perInput + 15) * (weighted ? 4 : 2) + Spike.ListOverrun, 64)
}

/**
 * Blocks of output channels that SpikeConv sums side by side. Two where lists are short: the end of
 * each loop over a list is then foreseen for the second block (C = 64: 1.3 × as fast). Where two
 * blocks of the weight no longer fit the second-level cache beside each other, one.
 */
function spikeBlocksPerUnit(shape: SpikeShape): number {
  const rows = inputsOf(shape)
  return Math.min(shape.outC / shape.blockWidth, rows <= MAX_PAIRED_ROWS ? 2 : 1)
}

/**
 * Rows (image, y) of output pixels of one unit of SpikeLists: enough units, but not so short that
 * the rows of the input which neighbouring units both list outweigh their own.
 */
function spikeRowsPerUnit(shape: SpikeShape): number {
  const rows = shape.images * shape.outH
  return Math.min(rows, Math.max(worthwhileRows(shape), Math.ceil(rows / budgets.spikeUnits)))
}

/** Rows of a unit from which the rows of the input that two units list weigh little. */
export function worthwhileRows(shape: SpikeShape): number {
  const shared = Math.max(0, shape.kernelH - shape.strideH)
  return Math.max(1, Math.min(shape.outH, Math.ceil((2 * shared) / shape.strideH)))
}

/** Groups of blocks that units of SpikeConv share. */
const blockGroups = (shape: SpikeShape): number =>
  Math.ceil(shape.outC / shape.blockWidth / spikeBlocksPerUnit(shape))

/** Output pixels of one unit of SpikeConv; whole slots of moments. */
function spikePixelsPerUnit(shape: SpikeShape): number {
  const pixels = pixelsOf(shape)
  const chunks = Math.ceil(budgets.spikeUnits / blockGroups(shape))
  const perUnit = Math.max(budgets.spikePixels, Math.ceil(pixels / chunks))
  const whole = roundUp(perUnit, budgets.momentPixels)
  return Math.min(pixels, perUnit > budgets.momentPixels ? whole : perUnit)
}

/**
 * What the planner allocates and writes into the records of one group of steps. Words that both
 * ways to run a layer need do not depend on the images.
 */
export function spikeGeometry(shape: SpikeShape) {
  const pixels = pixelsOf(shape)
  const listBytes = spikeListBytes(shape)
  const rowsPerUnit = spikeRowsPerUnit(shape)
  const pixelsPerUnit = spikePixelsPerUnit(shape)
  const momentPixels = Math.min(budgets.momentPixels, pixelsPerUnit)
  return {
    /** Word PairLists. */
    pairLists: usesPairLists(shape),
    /** Word WeightedLists. */
    weightedLists: usesWeightedLists(shape),
    /** Word ListBytes: bytes of the lists of one output pixel, a multiple of 64. */
    listBytes,
    /**
     * Size of the buffer Lists. Groups may share it when each group's SpikeConv follows its
     * SpikeLists.
     */
    listsBytes: pixels * listBytes,
    /** Size of the buffer ListPointers. */
    listPointersBytes: pixels * Spike.PointerBytes,
    /** Word MomentPixels, and slots of the buffer Moments, each of 16·outC bytes. */
    momentPixels,
    momentSlots: groupsOf(shape) * Math.ceil(pixels / momentPixels),
    /** Word PixelsPerUnit, units of SpikeConv. */
    pixelsPerUnit,
    /** Word BlocksPerUnit. */
    blocksPerUnit: spikeBlocksPerUnit(shape),
    convUnits: Math.ceil(pixels / pixelsPerUnit) * blockGroups(shape),
    /** Groups of blocks, each with units for all pixels. */
    convGroups: blockGroups(shape),
    /** Word RowsPerUnit, units of SpikeLists. */
    rowsPerUnit,
    listUnits: Math.ceil((shape.images * shape.outH) / rowsPerUnit),
  }
}

/**
 * Passes of `spikeLists` and `spikeConv` over the images; the first is as large as any. The lists
 * of one are used before those of the next take their place.
 */
export function spikePasses(shape: SpikeShape) {
  const imageBytes = shape.outH * shape.outW * spikeListBytes(shape)
  return splitImages(shape.images, imageBytes, budgets.listBytes).map((group) => ({
    ...group,
    geometry: spikeGeometry({ ...shape, images: group.images }),
  }))
}

/** The largest divisor of `value` up to `most`. */
function divisorUpTo(most: number, value: number): number {
  let divisor = Math.min(most, value)
  while (value % divisor !== 0) divisor--
  return divisor
}

/**
 * Rows of a unit of SpikeForward: few enough that their lists stay in the cache, and those near
 * that number which have the largest slots of moments.
 */
function forwardRowsPerUnit(shape: SpikeShape): number {
  const least = shape.compact ? 1 : worthwhileRows(shape)
  const fitting = Math.floor(
    (shape.compact ? budgets.compactListBytes : budgets.forwardListBytes) /
      (shape.outW * (Spike.PointerBytes + spikeListBytes(shape))),
  )
  return rowsOfLargeSlots(shape, least, Math.max(least, Math.min(fitting, spikeRowsPerUnit(shape))))
}

/** The rows of a unit, near the most that it may have, which have the largest slots of moments. */
export function rowsOfLargeSlots(shape: SpikeShape, least: number, most: number): number {
  let best = most
  for (let rows = most - 1; rows >= Math.max(least, most / 2); rows--)
    if (slotPixels(shape, rows) > slotPixels(shape, best)) best = rows
  return best
}

/** Pixels of a slot of moments: units of so many rows have whole slots. */
const slotPixels = ({ outW }: SpikeShape, rows: number): number =>
  divisorUpTo(budgets.momentPixels, rows * outW)

/** Word MomentPixels, and slots of the buffer Moments, for units of so many rows. */
export function momentsOfRows(shape: SpikeShape, rowsPerUnit: number) {
  const momentPixels = slotPixels(shape, rowsPerUnit)
  return { momentPixels, momentSlots: groupsOf(shape) * Math.ceil(pixelsOf(shape) / momentPixels) }
}

/** What SpikeForward needs; undefined where the two operations are better. */
export function spikeForwardGeometry(shape: SpikeShape) {
  const rows = shape.images * shape.outH
  const rowsPerUnit = forwardRowsPerUnit(shape)
  const units = Math.ceil(rows / rowsPerUnit)
  const moments = momentsOfRows(shape, rowsPerUnit)
  const weightBytes = inputsOf(shape) * shape.outC * 4
  const isSmall =
    units < budgets.leastForwardUnits || moments.momentPixels < budgets.leastMomentPixels
  if (weightBytes > MAX_FORWARD_WEIGHT || (!shape.compact && isSmall)) return undefined
  return {
    units,
    ...moments,
    listBytes: spikeListBytes(shape),
    pairLists: usesPairLists(shape),
    weightedLists: usesWeightedLists(shape),
    blocksPerUnit: spikeBlocksPerUnit(shape),
    rowsPerUnit,
  }
}
