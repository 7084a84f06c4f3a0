/**
 * Convolutions by groups of channels. Costs are in cycles for one output pixel, measured on x86-64
 * with 128-bit vectors.
 */

import { budgets } from '../budgets.js'
import { type Grouping, groupColumns, groupFloats } from '../layout.js'
import { emitFloatSum } from '../partial-sum.js'
import {
  groupedForward,
  groupedInputGradient,
  groupedSpikes,
  groupedTranspose,
  groupedWeightGradient,
} from '../records/grouped.js'
import { isIdentity, type UnitSums } from '../tensors.js'
import { activeAt } from './cycles.js'
import { inputFields } from './dense.js'
import { emitSized, type Geometry, pixelsOf, tapsOf } from './geometry.js'
import type {
  DenseForward,
  InputGradient,
  SpikeForward,
  SpikeTask,
  Strategy,
  Task,
  WeightGradient,
} from './strategy.js'
import { inSplits, type Parts } from './weight-gradient.js'

/** Firing rate for which kernels are chosen. */
export const RATE = 0.15
/** Cycles for one input of a group at four steps (or pixels) and 8 output channels, or 4. */
const FLOAT_CYCLES = 4.4
const NARROW_CYCLES = 2.9
/** The same for an input that fires and 8 channels, and for listing one input. */
const SPIKE_CYCLES = 3.5
const LIST_CYCLES = 3.5
/** Depthwise: one tap of 8 channels at four steps, on floats and on masks. */
const DEPTH_FLOAT_CYCLES = 7.5
const DEPTH_MASK_CYCLES = 11.5
/** Writing out 8 channels of spikes at four steps. */
const WRITE_CYCLES = 45

/** The groups of a convolution that has some. */
export const partsOf = ({ grouping }: Geometry): Grouping => {
  if (!grouping) throw new Error('a convolution without groups')
  return grouping
}

const tileCycles = (columns: number): number =>
  FLOAT_CYCLES * Math.floor(columns / 8) + NARROW_CYCLES * ((columns / 4) % 2)

/** One output pixel on floats, or its gradients. */
function floatCycles({ g, steps }: Task): number {
  const { groups, groupIn, groupOut, depthwise } = partsOf(g)
  const products = depthwise
    ? (DEPTH_FLOAT_CYCLES * g.outC) / 8
    : groups * groupIn * tileCycles(groupColumns(groupOut))
  return (steps / 4) * tapsOf(g) * products
}

/** On spikes that are written out as floats first. */
export function writtenGroupCycles(task: Task): number {
  const { g, steps } = task
  const pixels = (g.inH * g.inW) / (g.outH * g.outW)
  return floatCycles(task) + (((WRITE_CYCLES * g.inC) / 8) * pixels * steps) / 4
}

/** On masks, four steps at a time. */
function maskCycles({ g, steps }: Task): number {
  const { groups, groupIn, groupOut, depthwise } = partsOf(g)
  const active = activeAt(RATE, Math.min(4, steps))
  const products = depthwise
    ? (DEPTH_MASK_CYCLES * g.outC) / 8
    : groups * groupIn * (LIST_CYCLES + (active * SPIKE_CYCLES * groupColumns(groupOut)) / 8)
  return Math.ceil(steps / 4) * tapsOf(g) * products
}

const rowsPerUnitOf = (height: number, width: number, steps: number): number =>
  Math.max(1, Math.min(height, Math.round(budgets.groupedRows / (width * steps))))

export const groupedOnFloats: Strategy<DenseForward> = {
  name: 'grouped',
  fits: ({ g }) => g.grouping !== undefined,
  cost: () => 1,
  emit(b, job) {
    const { g } = job
    const rowsPerUnit = rowsPerUnitOf(g.outH, g.outW, job.steps)
    emitSized(b, job, groupedForward, g.images * Math.ceil(g.outH / rowsPerUnit), {
      ...partsOf(g),
      ...inputFields(job.input),
      rowsPerUnit,
    })
  },
}

/** Reads the masks of one tensor of spikes, where that is faster than writing them out. */
export const groupedOnSpikes: Strategy<SpikeForward, SpikeTask, UnitSums | undefined> = {
  name: 'grouped',
  fits: (task) => {
    const { g, spikes } = task
    if (!g.grouping) return false
    const asTheyAre = spikes.sources.length === 1 && spikes.scale === 1 && isIdentity(spikes.pool)
    return asTheyAre && maskCycles(task) < writtenGroupCycles(task)
  },
  cost: maskCycles,
  emit(b, job) {
    const { g } = job
    const [{ masks }] = job.spikes.sources
    const rowsPerUnit = rowsPerUnitOf(g.outH, g.outW, job.steps)
    emitSized(b, job, groupedSpikes, g.images * Math.ceil(g.outH / rowsPerUnit), {
      ...partsOf(g),
      masks,
      planeBytes: (g.allImages ?? g.images) * g.inH * g.inW * g.inC,
      rowsPerUnit,
    })
    return undefined
  },
}

export const groupedInput: Strategy<InputGradient> = {
  name: 'grouped',
  fits: ({ g }) => g.grouping !== undefined,
  cost: floatCycles,
  emit(b, job) {
    const { name, g, steps, weight } = job
    const grouping = partsOf(g)
    const { groups, groupIn, groupOut, depthwise } = grouping
    const floats = groups * tapsOf(g) * groupOut * groupColumns(groupIn)
    const transposed = depthwise ? undefined : b.buffer(`${name} transposed weight`, floats * 4)
    if (transposed) emitSized(b, job, groupedTranspose, groups, { ...grouping, transposed })
    const rowsPerUnit = rowsPerUnitOf(g.inH, g.inW, steps)
    emitSized(b, job, groupedInputGradient, g.images * Math.ceil(g.inH / rowsPerUnit), {
      ...grouping,
      transposed,
      weight: transposed ? undefined : weight,
      rowsPerUnit,
    })
  },
}

export const groupedWeight: Strategy<WeightGradient> = {
  name: 'grouped',
  fits: ({ g }) => g.grouping !== undefined,
  cost: floatCycles,
  emit(b, job) {
    const { g, steps } = job
    const grouping = partsOf(g)
    // Depthwise all channels are one part, else each group is.
    const parts = grouping.depthwise ? 1 : grouping.groups
    const floats = groupFloats(tapsOf(g), grouping)
    const lines = g.images * g.outH
    const most = Math.min(
      Math.ceil(budgets.enoughUnits / parts),
      Math.floor((pixelsOf(g) * steps) / budgets.rowsPerSplit),
    )
    // Every split has lines.
    const splits = Math.ceil(lines / Math.ceil(lines / Math.max(1, most)))
    const all = parts * floats
    const products = (to: Parts): void =>
      emitSized(b, job, groupedWeightGradient, splits * parts, {
        ...grouping,
        ...to,
      })
    inSplits(b, job, splits, all, products, (sum) => emitFloatSum(b, all, sum))
  },
}
