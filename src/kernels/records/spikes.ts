/** Convolutions of spikes: lists of active neurons, sums over them, and both in one. */

import { Spike } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { inputSize, outputSize, sizes, weightSize, window } from './dense.js'
import * as word from './schema.js'
import { copies, entries, entry, type Fields, perByte, perProduct, record } from './schema.js'

/** A tensor of spikes that a convolution reads. */
export const source = entry(8, {
  /** Masks u8 [plane][B][sourceH][sourceW][inC]. */
  masks: word.reads(0),
})

/** A source of a sum, and the level of the sum that is written in its place. */
export const sortedSource = entry(8, { masks: word.reads(0), level: word.writes(1) })

/** Levels of a sum of spikes; unit = bytesPerUnit bytes of each. */
export const sortSpikes = record(
  'SortSpikes',
  156,
  perByte(0.1),
  {
    /** Table of sourceCount entries: see `sortedSource`. */
    sources: entries(4, sortedSource),
    sourceCount: word.number(5),
    /** Bytes of a level. */
    bytes: word.size(6),
    bytesPerUnit: word.number(7),
    /** u32 [units]: bytes of the levels that are not 0, in each group of four steps. */
    entries: word.writes(8),
    /** For windows: channels, sizes of masks and levels, and from one window to the next. */
    channels: word.numberIf(9),
    inH: word.numberIf(10),
    inW: word.numberIf(11),
    outH: word.numberIf(12),
    outW: word.numberIf(13),
    strideH: word.numberIf(14),
    strideW: word.numberIf(15),
  },
  () => 16 * Spike.MostSorted,
)

/** What lists are made of. */
const listing = {
  ...sizes('images', 'steps', ...inputSize, 'outH', 'outW', ...window),
  /** Group of 4 steps: 4·Group … of the T. */
  group: word.number(35),
  /** Table of sourceCount entries: see `source`. */
  sources: entries(24, source),
  sourceCount: word.number(25),
  /** Size of the sources before pooling; inH and inW are the size after it. */
  sourceH: word.number(27),
  sourceW: word.number(28),
  /** Bytes from one plane of masks to the next (B·sourceH·sourceW·inC). */
  planeBytes: word.size(26),
  poolKernelH: word.number(29),
  poolKernelW: word.number(30),
  poolStrideH: word.number(31),
  poolStrideW: word.number(32),
  poolPadH: word.number(33),
  poolPadW: word.number(34),
  listBytes: word.size(37),
  /** Non-zero: 7 lists of neurons by pairs of steps instead of 15 by the whole pattern. */
  pairLists: word.flag(39),
  /** Non-zero: entries are u16 k, u16 factor instead of u16 k. */
  weightedLists: word.flag(40),
  /** Rows of output pixels of one unit of lists. */
  rowsPerUnit: word.number(41),
}

/** What is summed over them. */
const summing = {
  ...sizes('steps', ...outputSize, ...weightSize),
  group: word.number(35),
  /** As `weight` and `Bias`; in SpikeForwardBytes Weight is whole numbers. */
  weight: word.reads(21),
  bias: word.readsIf(22),
  scale: word.f32(23),
  out: word.writes(20),
  pairLists: word.flag(39),
  weightedLists: word.flag(40),
  /** Blocks of output channels that one unit sums side by side. */
  blocksPerUnit: word.number(43),
  /**
   * Moments of Out for a BatchNorm, float32 [slots][`Moments.Rows`][outC], or 0. A slot is
   * momentPixels pixels and a group of steps: slot = Group·⌈pixels / momentPixels⌉ + pixel /
   * MomentPixels. pixelsPerUnit is a multiple of MomentPixels.
   */
  moments: word.writesIf(44),
  momentPixels: word.numberIf(45),
}

/** Pointers, and the lists of kernelH rows of the virtual input. */
function listsBytes(of: Omit<Fields<typeof listing>, 'sources'>): number {
  const { inW, inC, kernelH, sourceCount, poolKernelH, poolKernelW, weightedLists } = of
  const perInput = weightedLists ? 4 : sourceCount * poolKernelH * poolKernelW * 2
  const list = roundUp(inW * inC * perInput + Spike.ListOverrun, 64)
  const row = (inW + 1) * Spike.PointerBytes + (Spike.Patterns - 1) * list
  return 3 * Spike.PointerBytes + roundUp(kernelH * 4, 64) + kernelH * row
}

/** So many rows of sums of the blocks of a unit. */
const sumBytes = (
  rows: number,
  { blockWidth, blocksPerUnit }: { readonly blockWidth: number; readonly blocksPerUnit: number },
): number => rows * 4 * blockWidth * blocksPerUnit

/** Both, and the lists of a unit's own rows. */
const ownListsBytes = (rows: number, of: Fields<typeof listing> & Fields<typeof summing>): number =>
  listsBytes(of) +
  roundUp(sumBytes(rows, of), 64) +
  of.rowsPerUnit * of.outW * (Spike.PointerBytes + of.listBytes)

/**
 * Lists of active neurons by spike pattern, for one group of 4 steps; unit = rowsPerUnit rows of
 * output pixels.
 */
export const spikeLists = record(
  'SpikeLists',
  2,
  perByte(0.05),
  {
    ...listing,
    /** Lists of entries; listBytes: the most that one output pixel can have. */
    lists: word.writes(36),
    /**
     * u32 [output pixel][16]: address where the list of pattern p = 1…15 starts at index p − 1; its
     * end is the next index.
     */
    listPointers: word.writes(38),
  },
  listsBytes,
)

/**
 * Forward on those lists; unit = (blocksPerUnit blocks of output channels, chunk of pixels). Reads
 * the lists where their pointers lead: the word itself only keeps them alive.
 */
export const spikeConv = record(
  'SpikeConv',
  3,
  perProduct(0.006),
  {
    ...summing,
    lists: word.reads(36),
    listPointers: word.reads(38),
    /** Output pixels of one unit of sums. */
    pixelsPerUnit: word.number(42),
  },
  (of) => sumBytes(Spike.SumRows, of),
)

/** Both for a few rows of output pixels, without lists in memory; unit = rowsPerUnit rows. */
export const spikeForward = record(
  'SpikeForward',
  18,
  perProduct(0.006),
  { ...listing, ...summing },
  (of) => ownListsBytes(Spike.SumRows, of),
)

/** The same with weights of one byte. */
export const spikeForwardBytes = record(
  'SpikeForwardBytes',
  66,
  perProduct(0.006),
  {
    ...listing,
    ...summing,
    /** SpikeForwardBytes: float32 [outC], what a weight of 1 stands for in each output channel. */
    weightScale: word.reads(46),
    /** The largest whole number, 127 or 31, and so many of them whose sum 16 bits hold, even. */
    most: word.number(47),
    mostCounted: word.number(48),
  },
  (of) => ownListsBytes(Spike.ByteSumRows, of),
)

// Weights as whole numbers.

const quantised = {
  ...sizes(...weightSize),
  /** The largest whole number. */
  most: word.number(47),
  /** Words of two whole numbers, rows in the order of a float weight's: see spikes/byte-sums.ts. */
  bytes: word.writes(36),
  /** float32 [outC]: what 1 stands for in each output channel. */
  weightScale: word.writes(46),
}

/** Whole numbers and scales of a weight; unit = block of output channels. */
export const quantise = record('Quantise', 160, copies, { ...quantised, weight: word.reads(21) })

/** Products of whole numbers and scales; unit = block of output channels. */
export const dequantise = record('Dequantise', 161, copies, {
  ...quantised,
  bytes: word.reads(36),
  weightScale: word.reads(46),
  out: word.writes(20),
})
