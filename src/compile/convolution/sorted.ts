/** Sums of spikes that are sorted once, for all who read them (assembly/spikes/sorted.ts). */

import { Plane, Spike } from '../../../assembly/opcodes.js'
import { sortSpikes } from '../../kernels/records/spikes.js'
import type { Buffer } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import { isIdentity, type SpikeInput } from '../tensors.js'
import { spikeListsFit } from './spike-geometry.js'
import type { SpikeTask } from './strategy.js'

/** Steps from which levels have fewer entries than sources: at one they have as many. */
const LEAST_STEPS = 3

/**
 * Whether kernels read the levels of a sum in the place of its sources. Of many sources each input
 * has so many entries in lists of levels that factors are better.
 */
export const readsSorted = ({ g, steps, spikes: { sources, pool } }: SpikeTask): boolean =>
  sources.length > 1 &&
  sources.length <= Spike.MostSorted &&
  steps >= LEAST_STEPS &&
  !g.grouping &&
  isIdentity(pool) &&
  spikeListsFit(g)

interface Size {
  /** Names the levels. */
  readonly name: string
  readonly images: number
  readonly steps: number
}

/** Emits the levels of a sum over so many images; `made` is told the buffer of each. */
export function emitSorted(
  b: ProgramBuilder,
  { sources, pool, scale }: SpikeInput,
  { name, images, steps }: Size,
  made: (level: Buffer, imageBytes: number) => void = () => {},
): SpikeInput {
  const [{ shape, stored }] = sources
  const imageBytes = shape[1] * shape[2] * stored
  const bytes = images * imageBytes * Math.ceil(steps / Plane.Steps)
  const levels = sources.map((source, i) => {
    const masks = b.buffer(`${name} level ${i + 1} of a sum`, bytes)
    made(masks, imageBytes)
    return { ...source, masks, counts: undefined, sums: undefined }
  })
  const bytesPerUnit = budgets.recordBytes
  const units = Math.ceil(bytes / bytesPerUnit)
  const entries = { buffer: b.buffer(`${name} entries of a sum`, units * 4), units }
  b.emit(sortSpikes, units, {
    sources: sources.map(({ masks }, i) => ({ masks, level: levels[i].masks })),
    sourceCount: sources.length,
    bytes,
    bytesPerUnit,
    entries: entries.buffer,
  })
  return { sources: levels, pool, scale, entries }
}
