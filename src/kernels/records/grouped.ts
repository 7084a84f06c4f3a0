/** Convolutions by groups of channels. */

import { Grouped } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { dilation, input, inputSize, outputSize, sizes, weightSize, window } from './dense.js'
import * as word from './schema.js'
import { copies, perProduct, record } from './schema.js'

const groups = {
  groups: word.number(30),
  /** Channels of one group. */
  groupIn: word.number(31),
  groupOut: word.number(32),
}

const rows = {
  ...sizes('steps', ...inputSize, ...outputSize, ...window, ...dilation),
  ...groups,
  /** Non-zero: each channel is a group of its own, and inC is OutC. */
  depthwise: word.flag(33),
}

const forward = {
  ...rows,
  /**
   * Float32. Depthwise [tap][C], tap = ky·kernelW + kx; otherwise [Groups][tap][groupIn][R] with R
   * = groupOut rounded up to a multiple of 4, and zeros behind GroupOut.
   */
  weight: word.reads(26),
  /** float32 [outC], or 0. */
  bias: word.readsIf(27),
  out: word.writes(20),
  /** Rows of pixels of one unit. */
  rowsPerUnit: word.number(34),
}

type Taps = { readonly kernelH: number; readonly kernelW: number }

/** A table of so many inputs at each tap. */
const tableBytes = ({ kernelH, kernelW }: Taps, depth: number): number =>
  Grouped.TapBytes * kernelH * kernelW * depth

/** Forward on floats; unit = rowsPerUnit rows of one image of Out. */
export const groupedForward = record(
  'GroupedForward',
  59,
  perProduct(0.03),
  { ...forward, ...input },
  (of) => Grouped.HeadBytes + tableBytes(of, of.groupIn),
)

/** Forward on spikes; unit = rowsPerUnit rows of one image of Out. */
export const groupedSpikes = record(
  'GroupedSpikes',
  60,
  perProduct(0.01),
  {
    ...forward,
    /** Spikes: masks [plane][B][inH][inW][inC], and bytes between planes. */
    masks: word.reads(39),
    planeBytes: word.size(40),
  },
  (of) => Grouped.PatternBytes + Grouped.HeadBytes + 2 * tableBytes(of, of.groupIn),
)

/** Weight transposed for the input gradient, in each group; unit = group. */
export const groupedTranspose = record('GroupedTranspose', 61, copies, {
  ...sizes('kernelH', 'kernelW'),
  ...groups,
  weight: word.reads(26),
  /** The weight as the input gradient reads it, [Groups][tap][groupOut][R'], R' from GroupIn. */
  transposed: word.writes(29),
})

/**
 * Out = gradient of the input; unit = rowsPerUnit rows of one image of Out. Depthwise it reads
 * `weight`, else `transposed`.
 */
export const groupedInputGradient = record(
  'GroupedInputGradient',
  62,
  perProduct(0.03),
  {
    ...rows,
    /** Gradient of the output, [B][outH][outW][T][outC]. */
    delta: word.reads(28),
    weight: word.readsIf(26),
    transposed: word.readsIf(29),
    /** float32 [inC], or 0: added to Out. */
    bias: word.readsIf(27),
    out: word.writes(20),
    rowsPerUnit: word.number(34),
  },
  (of) => Grouped.HeadBytes + tableBytes(of, of.groupOut),
)

/**
 * Out = gradient of the weight; unit = (split of the rows, group). With one split it writes `out`
 * (or adds to it), with more `partial`, which is then summed.
 */
export const groupedWeightGradient = record(
  'GroupedWeightGradient',
  63,
  perProduct(0.03),
  {
    ...rows,
    ...input,
    delta: word.reads(28),
    out: word.writesOrAddsIf(20, 'accumulate'),
    /** Non-zero: add to Out instead of writing it (online methods). */
    accumulate: word.flagIf(38),
    partial: word.writesIf(36),
    /** Weight gradient: parts of the rows, and their results [split][floats of the weight]. */
    splits: word.number(35),
    /** Factor of the weight's gradient. */
    scale: word.f32(37),
  },
  ({ kernelH, kernelW, depthwise, outC, groupIn, groupOut }) =>
    4 * kernelH * kernelW * (depthwise ? outC : groupIn * roundUp(groupOut, 4)),
)

const withoutGroups = { ...sizes('inC', ...weightSize, 'kernelH', 'kernelW'), ...groups }

/** The weight without groups; unit = block of output channels. */
export const groupedExpand = record('GroupedExpand', 64, copies, {
  ...withoutGroups,
  weight: word.reads(26),
  /** The weight, or its gradient, as of a convolution without groups. */
  dense: word.writes(41),
})

/** Out = the gradient of the weight from that without groups; unit = group. */
export const groupedExtract = record('GroupedExtract', 65, copies, {
  ...withoutGroups,
  dense: word.reads(41),
  out: word.writesOrAdds(20, 'accumulate'),
  accumulate: word.flagIf(38),
})
