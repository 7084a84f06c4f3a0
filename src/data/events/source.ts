/** Data sets of recordings in files (Node): each is read and cut when it is asked for. */

import { statSync } from 'node:fs'
import { sep } from 'node:path'
import { checkRead, type Dataset, type LabelledData, openers } from '../datasets/dataset.js'
import { hashOfFiles } from '../file-hash.js'
import { cacheKey, SampleCache } from '../pictures/cache.js'
import { type Plain, plainOf, withPlain } from '../plain.js'
import type { EventRecording, Sensor } from '../recordings/recording.js'
import { type CheckedEvents, changesSamples, FrameMaker } from './options.js'
import { parseFile, readBytesSync } from './read.js'

/** A recording, or the part of one from a time on to below another. */
export interface EventSample {
  readonly path: string
  readonly label: number
  /** µs */
  readonly interval?: readonly [from: number, to: number]
}

/** Recordings of one sensor with their labels. */
export interface EventSet {
  readonly name: string
  readonly samples: readonly EventSample[]
  readonly classes: number
  readonly classNames: readonly string[]
  readonly sensor: Sensor
}

/** A data set of recordings, as plain data. */
export interface PlainEvents extends Plain, EventSet {
  readonly kind: 'events'
  readonly options: CheckedEvents
}

export function openEvents({ kind: _, options, ...set }: PlainEvents): LabelledData {
  const { name, samples, classes, classNames } = set
  const sensor = options.sensor ?? set.sensor
  const maker = new FrameMaker(options, sensor)
  const { shape } = maker
  const { timeSteps } = options
  const size = timeSteps * shape[0] * shape[1] * shape[2]
  /** Neighbours are often parts of one file. */
  let held: { readonly path: string; readonly bytes: Uint8Array } | undefined
  let cache: SampleCache | undefined
  const plain: PlainEvents = { kind: 'events', ...set, options }
  const dataset: LabelledData = {
    name,
    length: samples.length,
    shape,
    timeSteps,
    classes,
    classNames,
    read(index, out, context) {
      checkRead(name, index, samples.length, out.length, size)
      const { path, label, interval } = samples[index]
      const load = (): EventRecording => {
        if (held?.path !== path || interval === undefined)
          held = { path, bytes: readBytesSync(path) }
        return parseFile(held.bytes, path, { sensor }, interval)
      }
      if (options.cache !== undefined) cache ??= openCache(options.cache, plain, maker.keptBytes)
      maker.make(load, out.length === size ? out : out.subarray(0, size), index, context, cache)
      return label
    },
  }
  const changes = changesSamples(options) ? options.augment : undefined
  const hash = (): string => hashOf(plain)
  return withPlain(dataset, () => plain, changes, hash)
}

/** The sensor of a data set of recordings, or of a part of one; undefined for others. */
export function sensorOf(dataset: Dataset): Sensor | undefined {
  let plain = plainOf(dataset) as (Plain & { readonly of?: Plain }) | undefined
  while (plain?.of !== undefined) plain = plain.of
  if (plain?.kind !== 'events') return undefined
  const { options, sensor } = plain as PlainEvents
  return options.sensor ?? sensor
}

/** Options that samples follow from. */
const cutBy = ({ options, sensor }: PlainEvents): object => ({
  ...options,
  sensor: options.sensor ?? sensor,
  augment: undefined,
  cache: undefined,
})

/**
 * A file of one folder, by the files' names, sizes and times, and the options. Who moves the data
 * may find none, which costs time alone.
 */
function openCache(folder: string, plain: PlainEvents, size: number): SampleCache {
  const { name: title, samples } = plain
  const facts = samples.map(({ path, interval }) => {
    const { size: bytes, mtimeMs } = statSync(path)
    return JSON.stringify([path.split(sep).slice(-3), interval, bytes, mtimeMs])
  })
  const key = cacheKey([JSON.stringify(cutBy(plain)), ...facts])
  return SampleCache.open({ folder, title, key, samples: samples.length, size })
}

/** A hash of what the samples follow from: reading all of them takes long. */
function hashOf(plain: PlainEvents): string {
  const { samples } = plain
  return hashOfFiles({
    how: cutBy(plain),
    count: samples.length,
    facts(i) {
      const { path, label, interval } = samples[i]
      return [statSync(path).size, label, interval]
    },
    path: (i) => samples[i].path,
  })
}

openers.set('events', (plain) => openEvents(plain as PlainEvents))
