/** Forward on spikes: additions of weight rows for the neurons that fire. */

import { Moments, Spike } from '../../../assembly/opcodes.js'
import type { ProgramBuilder } from '../program.js'
import { spikeConv, spikeForward, spikeLists } from '../records/spikes.js'
import type { UnitSums } from '../tensors.js'
import { type Buffer, ref } from '../words.js'
import { eventCycles } from './cycles.js'
import { emitSized, outputBytes } from './geometry.js'
import {
  type SpikeShape,
  spikeForwardGeometry,
  spikeListsFit,
  spikePasses,
} from './spike-geometry.js'
import type { SpikeForward, SpikeTask, Strategy } from './strategy.js'

export function shapeOf({ g, steps: timeSteps, spikes, compact }: SpikeTask): SpikeShape {
  const [poolKernelH, poolKernelW] = spikes.pool.kernelSize
  const sourceCount = spikes.sources.length
  return { ...g, timeSteps, sourceCount, poolKernelH, poolKernelW, compact }
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

const slotBytes = ({ g }: SpikeForward): number => Moments.Rows * g.outC * 4

const momentBuffer = (b: ProgramBuilder, job: SpikeForward, slots: number): Buffer | undefined =>
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
      emitSized(b, job, spikeForward, units, {
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
        emitSized(b, part, spikeLists, geometry.listUnits, listing)
        emitSized(b, part, spikeConv, geometry.convUnits, {
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
