/** The weight's gradient through time from lists of spike patterns. */

import { Pattern, Spike } from '../../../assembly/opcodes.js'
import { sizes, weightSize, window } from './dense.js'
import {
  entries,
  f32,
  flagIf,
  number,
  perByte,
  perProduct,
  reads,
  record,
  size,
  writes,
  writesIf,
  writesOrAddsIf,
} from './schema.js'
import { source } from './spikes.js'

const shared = {
  ...sizes('images', 'steps', 'inH', 'inC', ...window),
  listBytes: size(34),
  /** Images of a group of lists; with one of them rowsPerGroup rows of a phase. */
  imagesPerGroup: number(36),
  rowsPerGroup: number(37),
  /** The grid: zeros above and on the left of an image, and the cells from one to the next. */
  gridTop: number(38),
  gridLeft: number(39),
  gridH: number(40),
  gridW: number(41),
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
    sourceCount: number(23),
    sourceH: number(25),
    sourceW: number(26),
    planeBytes: size(24),
    poolKernelH: number(27),
    poolKernelW: number(28),
    poolStrideH: number(29),
    poolStrideW: number(30),
    poolPadH: number(31),
    poolPadW: number(32),
    /** Lists, the bytes that each may have, and their ends: see spikes/pattern-lists.ts. */
    lists: writes(33),
    listPointers: writes(35),
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
    lists: reads(33),
    listPointers: reads(35),
    /** Gradient of the output, [B][outH][outW][T][N]. */
    delta: reads(21),
    /** Output rows and columns that have cells. */
    gridOutH: number(42),
    gridOutW: number(43),
    /** Input channels of one unit of sums. */
    inCPerUnit: number(44),
    /** As in dense.ts. */
    splits: number(45),
    partial: writesIf(46),
    /** Factor of the result. */
    scale: f32(47),
    out: writesOrAddsIf(20, 'accumulate'),
    /** Non-zero: add to Out instead of writing it. */
    accumulate: flagIf(48),
  },
  (of) => {
    const cells = (of.gridTop + of.imagesPerGroup * of.gridH) * of.gridW + of.gridLeft
    const rows = cells * (2 ** Math.min(Spike.GroupSteps, of.steps) - 1)
    return (of.kernelH * of.kernelW * of.inCPerUnit + rows) * Pattern.RowBytes
  },
)
