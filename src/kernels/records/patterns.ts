/** The weight's gradient through time from lists of spike patterns. */

import { Pattern, Spike } from '../../../assembly/opcodes.js'
import { sizes, weightSize, window } from './dense.js'
import * as word from './schema.js'
import { entries, perByte, perProduct, record } from './schema.js'
import { source } from './spikes.js'

const shared = {
  ...sizes('images', 'steps', 'inH', 'inC', ...window),
  listBytes: word.size(34),
  /** Images of a group of lists; with one of them rowsPerGroup rows of a phase. */
  imagesPerGroup: word.number(36),
  rowsPerGroup: word.number(37),
  /** The grid: zeros above and on the left of an image, and the cells from one to the next. */
  gridTop: word.number(38),
  gridLeft: word.number(39),
  gridH: word.number(40),
  gridW: word.number(41),
}

/**
 * Lists of active neurons by spike pattern, for PatternWeightGradient; unit = (group, 16 input
 * channels).
 */
export const patternLists = record(
  'PatternLists',
  67,
  perByte(0.06),
  {
    ...shared,
    ...sizes('inW'),
    /** The sources and the window that they are pooled by, as in spikes.ts. */
    sources: entries(22, source),
    sourceCount: word.number(23),
    sourceH: word.number(25),
    sourceW: word.number(26),
    planeBytes: word.size(24),
    poolKernelH: word.number(27),
    poolKernelW: word.number(28),
    poolStrideH: word.number(29),
    poolStrideW: word.number(30),
    poolPadH: word.number(31),
    poolPadW: word.number(32),
    /** Lists, the bytes that each may have, and their ends: see spikes/pattern-lists.ts. */
    lists: word.writes(33),
    listPointers: word.writes(35),
  },
  ({ kernelH, kernelW, strideH, strideW }) =>
    Math.min(kernelH, strideH) * Math.min(kernelW, strideW) * Pattern.EndBytes,
)

/**
 * Weight gradient through time from those lists; unit = (split of the groups, 16 output channels,
 * inCPerUnit input channels). Reads the lists up to where their pointers lead. With one split it
 * writes `out` (or adds to it), with more `partial`, which is then summed.
 */
export const patternWeightGradient = record(
  'PatternWeightGradient',
  68,
  perProduct(0.006),
  {
    ...shared,
    ...sizes('outH', 'outW', 'outC', ...weightSize),
    lists: word.reads(33),
    listPointers: word.reads(35),
    /** Gradient of the output, [B][outH][outW][T][N]. */
    delta: word.reads(21),
    /** Output rows and columns that have cells. */
    gridOutH: word.number(42),
    gridOutW: word.number(43),
    /** Input channels of one unit of sums. */
    inCPerUnit: word.number(44),
    /** As in dense.ts. */
    splits: word.number(45),
    partial: word.writesIf(46),
    /** Factor of the result. */
    scale: word.f32(47),
    out: word.writesOrAddsIf(20, 'accumulate'),
    /** Non-zero: add to Out instead of writing it. */
    accumulate: word.flagIf(48),
  },
  (of) => {
    const cells = (of.gridTop + of.imagesPerGroup * of.gridH) * of.gridW + of.gridLeft
    const rows = cells * (2 ** Math.min(Spike.GroupSteps, of.steps) - 1)
    return (of.kernelH * of.kernelW * of.inCPerUnit + rows) * Pattern.RowBytes
  },
)
