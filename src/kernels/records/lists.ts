/** The weight's gradient from lists of active neurons. */

import { RateList } from '../../../assembly/opcodes.js'
import { sizes, window } from './dense.js'
import * as word from './schema.js'
import { perByte, perProduct, record } from './schema.js'

/** Counts for which there is room, so that memory is the same for every T up to here. */
export const LEAST_COUNTS = 16

const shared = {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outH', 'outW', 'outC', ...window),
  /** Images whose pixels one list holds. */
  imagesPerGroup: word.number(26),
}

/**
 * Lists of active neurons and grids of δ for ListWeightGradient; units: see spikes/rate-lists.ts.
 */
export const rateLists = record(
  'RateLists',
  14,
  perByte(0.06),
  {
    ...shared,
    /** Spikes of each neuron over all steps, one byte [B][inH][inW][inC]. */
    counts: word.reads(21),
    /** Pixels that a byte counts before it is added to a total. */
    mostCounted: word.number(30),
    /** Gradient of the output, [B][outH][outW][N]. */
    delta: word.reads(22),
    /** δ of 16 channels with margins of zeros, lists and their pointers: see list-gradient.ts. */
    grids: word.writes(23),
    lists: word.writes(24),
    listPointers: word.writes(25),
  },
  ({ steps, strideH, strideW }) =>
    RateList.HeadBytes * RateList.Channels * Math.max(LEAST_COUNTS, steps) * strideH * strideW,
)

/**
 * Weight gradient from lists of active neurons; units: spikes/list-gradient.ts. Reads the lists
 * where their pointers lead: the word itself only keeps them alive.
 */
export const listWeightGradient = record(
  'ListWeightGradient',
  13,
  perProduct(0.006),
  {
    ...shared,
    ...sizes('blockWidth', 'kRows'),
    grids: word.reads(23),
    lists: word.reads(24),
    listPointers: word.reads(25),
    /** Input channels of one unit of sums. */
    inCPerUnit: word.number(27),
    /** Factor of the result. */
    scale: word.f32(28),
    out: word.writes(20),
  },
  ({ inCPerUnit, kernelH, kernelW }) =>
    RateList.GridBytes * (inCPerUnit * kernelH * kernelW + RateList.TapsAtOnce),
)
