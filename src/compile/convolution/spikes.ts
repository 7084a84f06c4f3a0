/** Forward on spikes: additions of weight rows for the neurons that fire. */

import { Moments, Spike } from '../../../assembly/opcodes.js'
import * as records from '../../kernels/records/spikes.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import type { IntegerWeight } from '../context.js'
import type { ProgramBuilder } from '../program.js'
import type { UnitSums } from '../tensors.js'
import { emitSized, type Geometry, inputsOf, isDilated, kRowsOf, outputBytes } from './geometry.js'
import {
  momentsOfRows,
  neuronsPerInput,
  pairListsPay,
  rowsOfLargeSlots,
  type SpikeShape,
  spikeForwardGeometry,
  spikeListBytes,
  spikeListsFit,
  spikePasses,
  usesPairLists,
  usesWeightedLists,
  worthwhileRows,
} from './spike-geometry.js'
import { eventCycles, type SpikeForward, type SpikeTask, type Strategy } from './strategy.js'

export function shapeOf({ g, steps: timeSteps, spikes, compact }: SpikeTask): SpikeShape {
  const [poolKernelH, poolKernelW] = spikes.pool.kernelSize
  const sourceCount = spikes.sources.length
  const sorted = spikes.entries !== undefined
  return { ...g, timeSteps, sourceCount, sorted, poolKernelH, poolKernelW, compact }
}

/** Bytes of one plane of masks of one image. */
function maskBytes({ g, spikes: { sources } }: SpikeTask): number {
  const [, height, width] = sources[0].shape
  return height * width * g.inC
}

/** What is listed: the masks of the images from `firstImage` on. */
export function listingFields(job: SpikeTask, firstImage = 0) {
  const { sources, pool } = job.spikes
  const [, sourceH, sourceW] = sources[0].shape
  return {
    sources: sources.map(({ masks }) => ({ masks: ref(masks, firstImage * maskBytes(job)) })),
    sourceCount: sources.length,
    sourceH,
    sourceW,
    planeBytes: (job.g.allImages ?? job.g.images) * maskBytes(job),
    poolKernelH: pool.kernelSize[0],
    poolKernelW: pool.kernelSize[1],
    poolStrideH: pool.stride[0],
    poolStrideW: pool.stride[1],
    poolPadH: pool.padding[0],
    poolPadW: pool.padding[1],
  }
}

export const groupsOf = (steps: number): number[] =>
  Array.from({ length: Math.ceil(steps / Spike.GroupSteps) }, (_, group) => group)

const slotBytes = ({ g }: Pick<SpikeForward, 'g'>): number => Moments.Rows * g.outC * 4

const momentBuffer = (
  b: ProgramBuilder,
  job: Pick<SpikeForward, 'g' | 'name' | 'withMoments'>,
  slots: number,
): Buffer | undefined =>
  job.withMoments ? b.buffer(`${job.name} moments`, slots * slotBytes(job)) : undefined

type SpikeStrategy = Strategy<SpikeForward, SpikeTask, UnitSums | undefined>

/** A few rows of output pixels at a time: their lists stay in the cache of one worker. */
const rowWise: SpikeStrategy = {
  name: 'rows',
  fits: (task) => spikeListsFit(task.g) && spikeForwardGeometry(shapeOf(task)) !== undefined,
  cost: eventCycles,
  emit(b, job) {
    const plan = spikeForwardGeometry(shapeOf(job))
    if (!plan) throw new Error(`${job.name}: no rows for this convolution`)
    const { units, momentSlots, ...words } = plan
    const moments = momentBuffer(b, job, momentSlots)
    for (const group of groupsOf(job.steps))
      emitSized(b, job, records.spikeForward, units, {
        ...listingFields(job),
        group,
        scale: job.spikes.scale,
        out: job.out,
        moments,
        ...words,
      })
    return moments && { buffer: moments, units: momentSlots }
  },
}

/** Lists of as many images as their memory allows, then the sums over them. */
const byLists: SpikeStrategy = {
  name: 'lists',
  fits: ({ g }) => spikeListsFit(g),
  cost: eventCycles,
  emit(b, job) {
    const { name, g, steps, out, spikes } = job
    const passes = spikePasses(shapeOf(job))
    const slots = passes.reduce((sum, { geometry }) => sum + geometry.momentSlots, 0)
    const moments = momentBuffer(b, job, slots)
    const lists = b.buffer(`${name} lists`, passes[0].geometry.listsBytes)
    const listPointers = b.buffer(`${name} list pointers`, passes[0].geometry.listPointersBytes)
    let slot = 0
    for (const { firstImage, images, geometry } of passes) {
      const part = { ...job, g: { ...g, images } }
      for (const group of groupsOf(steps)) {
        const { pairLists, weightedLists } = geometry
        const kinds = { group, pairLists, weightedLists, scale: spikes.scale }
        const shared = { ...kinds, ...geometry, lists, listPointers }
        const listing = { ...listingFields(job, firstImage), ...shared }
        emitSized(b, part, records.spikeLists, geometry.listUnits, listing)
        emitSized(b, part, records.spikeConv, geometry.convUnits, {
          ...shared,
          out: ref(out, firstImage * steps * outputBytes(g)),
          moments: moments && ref(moments, slot * slotBytes(job)),
          unitGroups: geometry.convGroups,
        })
      }
      slot += geometry.momentSlots
    }
    return moments && { buffer: moments, units: slots }
  },
}

/** In order of preference: both add the same weights. */
export const spikeForwards = [rowWise, byLists] as const

// Forward on spikes with weights of whole numbers, a byte each.

/** Rows of a block up to which two blocks are summed side by side: both stay in the cache. */
const MAX_PAIRED_BYTE_ROWS = 6400

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
export const weightBytes = (g: Geometry): number => kRowsOf(g) * g.outC

/** The most neurons of a field, each of up to −128: sums fit 32 bits. */
const MAX_SUMMED = 2 ** 24

/** Why a convolution on spikes cannot have a weight of whole numbers; undefined where it can. */
export function whyNotIntegers(task: SpikeTask): string | undefined {
  const { g } = task
  if (g.grouping) return 'it has groups'
  if (isDilated(g)) return 'it has a dilation'
  const inputs = inputsOf(g)
  const most = budgets.listEntries - 2
  if (!spikeListsFit(g)) return `an output has ${inputs} inputs as stored, of at most ${most}`
  const neurons = inputs * neuronsPerInput(shapeOf(task))
  if (neurons <= MAX_SUMMED) return undefined
  return `an output sums ${neurons} neurons, of at most ${MAX_SUMMED}`
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
  const most = Math.min(rows, Math.max(least, Math.min(fitting, wanted)))
  return shape.compact ? most : rowsOfLargeSlots(shape, least, most)
}

/** Everything that the planner needs for the operation. */
export function byteGeometry(shape: SpikeShape) {
  const blocks = shape.outC / shape.blockWidth
  const blocksPerUnit = Math.min(blocks, inputsOf(shape) <= MAX_PAIRED_BYTE_ROWS ? 2 : 1)
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
    ...momentsOfRows(shape, rowsPerUnit),
  }
}

/** A job whose weight is whole numbers. */
export interface IntegerForward extends Omit<SpikeForward, 'weight'> {
  readonly of: IntegerWeight
}

/** Returns where the moments are, if they are wanted and their slots have pixels enough. */
export function emitForwardOnIntegers(
  b: ProgramBuilder,
  { of, ...rest }: IntegerForward,
): UnitSums | undefined {
  const job = { ...rest, weight: ref(of.weight), weightScale: ref(of.scale), most: of.most }
  const { units, momentSlots, ...words } = byteGeometry(shapeOf(job))
  const worth = words.momentPixels >= budgets.leastMomentPixels
  const moments = worth ? momentBuffer(b, job, momentSlots) : undefined
  for (const group of groupsOf(job.steps))
    emitSized(b, job, records.spikeForwardBytes, units, {
      ...listingFields(job),
      ...words,
      most: job.most,
      mostCounted: 2 * Math.floor(budgets.wordSum / (2 * job.most)),
      group,
      scale: job.spikes.scale,
      moments,
    })
  return moments && { buffer: moments, units: momentSlots }
}
