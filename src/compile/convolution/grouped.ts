/**
 * Convolutions by groups of channels. Costs are in cycles for one output pixel, measured on x86-64
 * with 128-bit vectors.
 */

import * as records from '../../kernels/records/grouped.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import { emitFloatSum } from '../emit/sums.js'
import { type Grouping, groupColumns, groupFloats } from '../layout.js'
import type { ProgramBuilder } from '../program.js'
import { isIdentity, type UnitSums } from '../tensors.js'
import { inputFields, inSplits, type Parts } from './dense.js'
import { emitSized, type Geometry, inputsOf, kRowsOf, pixelsOf, tapsOf } from './geometry.js'
import { spikeForwards } from './spikes.js'
import {
  activeAt,
  cheapest,
  type DenseForward,
  eventCycles,
  type InputGradient,
  type SpikeForward,
  type SpikeTask,
  type Strategy,
  type Task,
  type WeightGradient,
} from './strategy.js'
import { winogradInput, winogradWeight } from './winograd.js'

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

/** Units of a few rows of each image. */
function unitsOf({ images }: Geometry, height: number, width: number, steps: number) {
  const fitting = Math.round(budgets.groupedRows / (width * steps))
  const rowsPerUnit = Math.max(1, Math.min(height, fitting))
  return { rowsPerUnit, units: images * Math.ceil(height / rowsPerUnit) }
}

export const groupedOnFloats: Strategy<DenseForward> = {
  name: 'grouped',
  fits: ({ g }) => g.grouping !== undefined,
  cost: () => 1,
  emit(b, job) {
    const { g } = job
    const { units, rowsPerUnit } = unitsOf(g, g.outH, g.outW, job.steps)
    const fields = { ...partsOf(g), ...inputFields(job.input), rowsPerUnit }
    emitSized(b, job, records.groupedForward, units, fields)
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
    const { units, rowsPerUnit } = unitsOf(g, g.outH, g.outW, job.steps)
    const planeBytes = (g.allImages ?? g.images) * g.inH * g.inW * g.inC
    const fields = { ...partsOf(g), masks, planeBytes, rowsPerUnit }
    emitSized(b, job, records.groupedSpikes, units, fields)
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
    if (transposed) emitSized(b, job, records.groupedTranspose, groups, { ...grouping, transposed })
    const { units, rowsPerUnit } = unitsOf(g, g.inH, g.inW, steps)
    const weights = { transposed, weight: transposed ? undefined : weight }
    const fields = { ...grouping, ...weights, rowsPerUnit }
    emitSized(b, job, records.groupedInputGradient, units, fields)
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
    const worth = Math.floor((pixelsOf(g) * steps) / budgets.rowsPerSplit)
    const most = Math.min(Math.ceil(budgets.enoughUnits / parts), worth)
    // Every split has lines.
    const splits = Math.ceil(lines / Math.ceil(lines / Math.max(1, most)))
    const all = parts * floats
    const products = (to: Parts): void =>
      emitSized(b, job, records.groupedWeightGradient, splits * parts, { ...grouping, ...to })
    inSplits(b, job, splits, all, products, (sum) => emitFloatSum(b, all, sum))
  },
}

// By few groups as without groups, by weights that are zero between the groups: lists of spikes and
// Winograd's kernels make up for the products with zeros.

/** Products of Winograd's kernels in a cycle, as many as without. */
const WINOGRAD_PRODUCTS = 30

/** Time with the making of lists, as a multiple of that without. */
const LISTING = 1.1

const withoutGroups = <T extends Task>(task: T): T => {
  const { grouping, ...g } = task.g
  return { ...task, g }
}

const weightBytes = (g: Geometry): number => kRowsOf(g) * g.outC * 4

const expandedWeight = (b: ProgramBuilder, job: InputGradient | SpikeForward): Reference => {
  const { name, g, steps, weight } = job
  const dense = b.buffer(`${name} weight without groups`, weightBytes(g))
  const units = g.outC / g.blockWidth
  emitSized(b, { g, steps, weight }, records.groupedExpand, units, { ...partsOf(g), dense })
  return ref(dense)
}

/** Depthwise weights are stored otherwise, and never worth it. */
const expands = ({ g }: Task): boolean => g.grouping !== undefined && !g.grouping.depthwise

/** One output pixel, the making of lists included. */
const listCycles = (task: SpikeTask): number => LISTING * eventCycles(withoutGroups(task), RATE)

export const denseOnSpikes: Strategy<SpikeForward, SpikeTask, UnitSums | undefined> = {
  name: 'dense',
  fits: (task) => {
    const dense = withoutGroups(task)
    return (
      expands(task) &&
      spikeForwards.some((strategy) => strategy.fits(dense)) &&
      listCycles(task) < writtenGroupCycles(task)
    )
  },
  cost: listCycles,
  emit(b, job) {
    const dense = { ...withoutGroups(job), weight: expandedWeight(b, job) }
    return cheapest(spikeForwards, dense).emit(b, dense)
  },
}

const winogradCycles = ({ g, steps }: Task): number =>
  (steps * inputsOf(g) * g.outC) / WINOGRAD_PRODUCTS

export const denseInput: Strategy<InputGradient> = {
  name: 'dense',
  fits: (task) => expands(task) && winogradInput.fits(withoutGroups(task)),
  cost: winogradCycles,
  emit(b, job) {
    winogradInput.emit(b, { ...withoutGroups(job), weight: expandedWeight(b, job) })
  },
}

export const denseWeight: Strategy<WeightGradient> = {
  name: 'dense',
  fits: (task) => expands(task) && winogradWeight.fits(withoutGroups(task)),
  cost: winogradCycles,
  emit(b, job) {
    const { name, g } = job
    const grouping = partsOf(g)
    const dense: Buffer = b.buffer(`${name} gradient without groups`, weightBytes(g))
    winogradWeight.emit(b, { ...withoutGroups(job), out: ref(dense), accumulate: false })
    emitSized(b, job, records.groupedExtract, grouping.groups, { ...grouping, dense })
  },
}
