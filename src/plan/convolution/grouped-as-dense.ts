/**
 * Convolutions by few groups of channels as ones without groups, whose weights are zero between the
 * groups: lists of spikes and Winograd's kernels make up for the products with zeros.
 */

import type { ProgramBuilder } from '../program.js'
import { groupedExpand, groupedExtract } from '../records/grouped.js'
import type { UnitSums } from '../tensors.js'
import { type Buffer, type Reference, ref } from '../words.js'
import { eventCycles } from './cycles.js'
import { emitSized, type Geometry, inputsOf, kRowsOf } from './geometry.js'
import { partsOf, RATE, writtenGroupCycles } from './grouped.js'
import { spikeForwards } from './spikes.js'
import {
  cheapest,
  type InputGradient,
  type SpikeForward,
  type SpikeTask,
  type Strategy,
  type Task,
  type WeightGradient,
} from './strategy.js'
import { winogradInput, winogradWeight } from './winograd.js'

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
  emitSized(b, { g, steps, weight }, groupedExpand, units, { ...partsOf(g), dense })
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
    emitSized(b, job, groupedExtract, grouping.groups, { ...grouping, dense })
  },
}
