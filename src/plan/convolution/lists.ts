/**
 * Gradient of the weight from lists of the neurons that fired. Its time is that of so many active
 * neurons, so that it is chosen when the program runs. Sizes and units follow from shapes alone;
 * counts run from 0 to `maxCount`.
 */

import { RateList } from '../../../assembly/opcodes.js'
import { budgets, largestSize } from '../budgets.js'
import { spikeSources } from '../materialise.js'
import { LEAST_COUNTS, listWeightGradient, rateLists } from '../records/lists.js'
import { type Expression, isIdentity, type SpikeTensor } from '../tensors.js'
import type { Buffer } from '../words.js'
import { emitSized, type Geometry, tapsOf } from './geometry.js'
import type { ListGradient, Strategy } from './strategy.js'

/**
 * Input channels of one unit, largest first; a smaller size is taken until there are units for 16
 * workers.
 */
const CHANNELS_PER_UNIT = [32, 16, 8, 4] as const

const gridSize = (
  input: number,
  output: number,
  kernel: number,
  stride: number,
  pad: number,
): number =>
  Math.floor(Math.max(0, kernel - 1 - pad) / stride) +
  Math.max(output, Math.ceil(input / stride) + Math.ceil(pad / stride))

const gridPixels = (g: Geometry): number =>
  gridSize(g.inH, g.outH, g.kernelH, g.strideH, g.padH) *
  gridSize(g.inW, g.outW, g.kernelW, g.strideW, g.padW)

/** Whether lists can hold an image (their entries have 16 bits) and counts fit a byte. */
export function listsApply(g: Geometry, maxCount: number): boolean {
  return gridPixels(g) < budgets.listEntries && maxCount >= 1 && maxCount <= RateList.MostCount
}

/** Whether lists can pay: a kernel of few taps does not earn back what they cost. */
export function listsPay(g: Geometry, maxCount: number): boolean {
  return listsApply(g, maxCount) && tapsOf(g) >= 4
}

/** The plan for a convolution to which lists apply. */
export function listPlan(g: Geometry, maxCount: number) {
  const { images, inC } = g
  const imagePixels = gridPixels(g)
  const imageBytes = imagePixels * RateList.GridBytes
  const most = Math.max(1, Math.floor(budgets.rateGridBytes / imageBytes))
  const imagesPerGroup = Math.ceil(images / Math.ceil(images / most))
  const groups = Math.ceil(images / imagesPerGroup)
  const gridBlocks = Math.ceil(g.outC / RateList.GridChannels)
  const phases = g.strideH * g.strideW
  const unitsOf = (size: number): number => gridBlocks * Math.ceil(inC / size)
  const inCPerUnit = largestSize(CHANNELS_PER_UNIT, unitsOf)
  return {
    /** Images whose pixels one list holds. */
    imagesPerGroup,
    inCPerUnit,
    /** Bytes of the buffers of grids, lists and their pointers. */
    gridBytes: groups * gridBlocks * imagesPerGroup * imageBytes,
    listBytes: groups * inC * imagesPerGroup * g.inH * g.inW * 2,
    pointerBytes: groups * phases * inC * (maxCount + 1) * 4,
    /** Units of the record that makes lists and grids, and of the one that sums. */
    listUnits: groups * (Math.ceil(inC / RateList.Channels) + gridBlocks),
    sumUnits: unitsOf(inCPerUnit),
  }
}

/** The spikes whose counts lists can be made of: those of one tensor, as they are. */
export function listSource(x: Expression): { tensor: SpikeTensor; scale: number } | undefined {
  const spikes = spikeSources(x)
  if (spikes?.sources.length !== 1 || !isIdentity(spikes.pool)) return undefined
  return { tensor: spikes.sources[0], scale: spikes.scale }
}

export const listGradient: Strategy<ListGradient> = {
  name: 'lists',
  fits: ({ g, steps }) => listsPay(g, steps),
  cost: (_task, active) => active,
  emit(b, job) {
    const { name, g, steps, tensor, scale } = job
    const plan = listPlan(g, steps)
    const room = listPlan(g, Math.max(LEAST_COUNTS, steps))
    const shared = {
      imagesPerGroup: plan.imagesPerGroup,
      grids: b.buffer(`${name} grids`, plan.gridBytes),
      lists: b.buffer(`${name} rate lists`, plan.listBytes),
      listPointers: b.buffer(`${name} rate list pointers`, room.pointerBytes),
    }
    const counted = { counts: tensor.counts as Buffer, mostCounted: budgets.byteCount }
    emitSized(b, job, rateLists, plan.listUnits, { ...counted, ...shared })
    const sums = { ...shared, inCPerUnit: plan.inCPerUnit, scale: scale / steps }
    emitSized(b, job, listWeightGradient, plan.sumUnits, sums)
  },
}
