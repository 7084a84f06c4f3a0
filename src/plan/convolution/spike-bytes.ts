/** Forward on spikes with weights of one byte. */

import { Spike } from '../../../assembly/opcodes.js'
import { budgets } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import { spikeForwardBytes } from '../records/spikes.js'
import type { Reference } from '../words.js'
import { emitSized, inputsOf, kRowsOf } from './geometry.js'
import {
  neuronsPerInput,
  pairListsPay,
  type SpikeShape,
  spikeListBytes,
  spikeListsFit,
  usesPairLists,
  usesWeightedLists,
  worthwhileRows,
} from './spike-geometry.js'
import { groupsOf, listingFields, shapeOf } from './spikes.js'
import type { SpikeForward, SpikeTask } from './strategy.js'

/** Rows of a block up to which two blocks are summed side by side: both stay in the cache. */
const MAX_PAIRED_ROWS = 6400

/**
 * Bytes are added faster than floats, but a list costs as much: twice as many entries make 7 lists
 * faster than 15 (576 by 16 %; 1152 no longer). Not so where entries have factors.
 */
const pairsPay = (shape: SpikeShape): boolean =>
  usesPairLists(shape) ||
  (shape.timeSteps > 2 &&
    !usesWeightedLists(shape) &&
    pairListsPay((inputsOf(shape) * neuronsPerInput(shape)) / 2, shape.blockWidth))

/** Bytes of a weight as it is stored, one for each element. */
export const weightBytes = (shape: SpikeShape): number => kRowsOf(shape) * shape.outC

/** Whether the lists and sums of a convolution have room: entries in 16 bits, sums in 32. */
export function fitsBytes(shape: SpikeShape): boolean {
  const neurons = inputsOf(shape) * shape.sourceCount * shape.poolKernelH * shape.poolKernelW
  return spikeListsFit(shape) && neurons * 128 <= 2 ** 31
}

/** Bytes of one output pixel's pointers and lists. */
const pixelBytes = (shape: SpikeShape): number => Spike.PointerBytes + byteListBytes(shape)

const byteListBytes = (shape: SpikeShape): number => spikeListBytes(shape, pairsPay(shape))

/** Bytes of lists of one unit. Where memory matters, no more than there are of weights. */
function listRoom(shape: SpikeShape): number {
  const most = budgets.forwardListBytes
  if (!shape.compact) return most
  return Math.min(most, Math.max(budgets.compactListBytes, weightBytes(shape) / 4))
}

function byteRowsPerUnit(shape: SpikeShape): number {
  const rows = shape.images * shape.outH
  const least = shape.compact ? 1 : worthwhileRows(shape)
  // A larger weight is read again by each unit: as many rows as their lists have room for.
  const wanted = weightBytes(shape) > budgets.nearWeightBytes ? rows : worthwhileRows(shape)
  const fitting = Math.floor(listRoom(shape) / (shape.outW * pixelBytes(shape)))
  return Math.min(rows, Math.max(least, Math.min(fitting, wanted)))
}

/** Everything that the planner needs for the operation. */
export function byteGeometry(shape: SpikeShape) {
  const blocks = shape.outC / shape.blockWidth
  const blocksPerUnit = Math.min(blocks, inputsOf(shape) <= MAX_PAIRED_ROWS ? 2 : 1)
  const rowsPerUnit = byteRowsPerUnit(shape)
  return {
    pairLists: pairsPay(shape),
    weightedLists: usesWeightedLists(shape),
    /** Word ListBytes: bytes of the lists of one output pixel. */
    listBytes: byteListBytes(shape),
    blocksPerUnit,
    /** Word RowsPerUnit, units. */
    rowsPerUnit,
    units: Math.ceil((shape.images * shape.outH) / rowsPerUnit),
  }
}

/** A job whose weight is bytes, [N'/block][kRows][block]. */
export interface ByteForward extends Omit<SpikeForward, 'withMoments'> {
  /** What a weight of 1 stands for, float32 [outC]. */
  readonly weightScale: Reference
}

/** Whether a convolution on spikes can have weights of one byte. */
export const fitsByteWeights = (task: SpikeTask): boolean =>
  task.g.grouping === undefined && fitsBytes(shapeOf(task))

export function emitForwardOnBytes(b: ProgramBuilder, job: ByteForward): void {
  const { units, ...words } = byteGeometry(shapeOf(job))
  for (const group of groupsOf(job.steps))
    emitSized(b, job, spikeForwardBytes, units, {
      ...listingFields(job),
      ...words,
      mostCounted: budgets.wordWeights,
      group,
      scale: job.spikes.scale,
    })
}
