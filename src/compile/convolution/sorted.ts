/** Sums of spikes that are sorted once, for all who read them (assembly/spikes/sorted.ts). */

import { Plane, Spike } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { sortSpikes } from '../../kernels/records/spikes.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import { isIdentity, noPool, type Pool, type SpikeInput } from '../tensors.js'
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

/**
 * The same for whole numbers, whose sums are exact in any order: of any number of steps, and of
 * windows without padding.
 */
export const readsLevels = ({ g, spikes: { sources, pool } }: SpikeTask): boolean => {
  const [kernelH, kernelW] = pool.kernelSize
  const count = sources.length * kernelH * kernelW
  return count > 1 && count <= Spike.MostSorted && !g.grouping && pool.padding.every((n) => n === 0)
}

interface Size {
  /** Names the levels. */
  readonly name: string
  readonly images: number
  readonly steps: number
  /** Rows and columns behind the pooling. */
  readonly size: readonly [number, number]
}

/** Bytes from a window's first place to each. */
const placesOf = ({ kernelSize: [h, w] }: Pool, row: number, pixel: number): number[] =>
  Array.from({ length: h * w }, (_, i) => Math.floor(i / w) * row + (i % w) * pixel)

/**
 * Emits the levels of a sum over so many images, of windows behind a pooling; `made` is told the
 * buffer of each.
 */
export function emitSorted(
  b: ProgramBuilder,
  { sources, pool, scale }: SpikeInput,
  { name, images, steps, size: [outH, outW] }: Size,
  made: (level: Buffer, imageBytes: number) => void = () => {},
): SpikeInput {
  const [first] = sources
  const { stored: channels } = first
  const [realC, inH, inW] = first.shape
  const imageBytes = outH * outW * channels
  const bytes = images * imageBytes * Math.ceil(steps / Plane.Steps)
  const places = placesOf(pool, inW * channels, channels)
  const masks = sources.flatMap((source) => places.map((at) => ref(source.masks, at)))
  const levels = masks.map((_, i) => {
    const level = b.buffer(`${name} level ${i + 1} of a sum`, bytes)
    made(level, imageBytes)
    const shape = [realC, outH, outW] as const
    return { ...first, shape, masks: level, counts: undefined, sums: undefined }
  })
  const [strideH, strideW] = pool.stride
  const windows = isIdentity(pool) ? {} : { channels, inH, inW, outH, outW, strideH, strideW }
  const bytesPerUnit = roundUp(budgets.recordBytes, isIdentity(pool) ? 1 : channels)
  const units = Math.ceil(bytes / bytesPerUnit)
  const entries = { buffer: b.buffer(`${name} entries of a sum`, units * 4), units }
  b.emit(sortSpikes, units, {
    sources: masks.map((masks, i) => ({ masks, level: levels[i].masks })),
    sourceCount: masks.length,
    bytes,
    bytesPerUnit,
    entries: entries.buffer,
    ...windows,
  })
  return { sources: levels, pool: noPool, scale, entries }
}
