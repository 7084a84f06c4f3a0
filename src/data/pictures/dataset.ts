/** Data sets of picture files: read, decoded and resized when a sample is asked for. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../../base/errors.js'
import { Purpose, RandomStream } from '../../base/random.js'
import { normalizationTable, normalize } from '../bytes.js'
import { checkRead, type Dataset, openers, type ReadContext } from '../datasets/dataset.js'
import { hashOfFiles } from '../file-hash.js'
import { bytesToShare, type Plain, withPlain } from '../plain.js'
import { type CacheOf, SampleCache } from './cache.js'
import { decodePicture, planes } from './decode.js'
import type { CheckedPictures } from './options.js'
import {
  type Bytes,
  centreCrop,
  colorJitter,
  flip,
  randomResizedCrop,
  resizeTo,
  toChannels,
} from './transforms.js'

// Names of many files with their labels, in memory that threads share.

/** One file. */
export interface FileEntry {
  /** Path below the folder. */
  readonly path: string
  readonly label: number
  readonly bytes: number
  /** When it was changed, in milliseconds. */
  readonly changed: number
}

const shared = (bytes: number): SharedArrayBuffer => bytesToShare(bytes) as SharedArrayBuffer

/** The same for all, as plain data: names lie one behind the other. */
export function tableOf(folder: string, entries: readonly FileEntry[]) {
  const encoded = entries.map(({ path }) => new TextEncoder().encode(path))
  const starts = new Float64Array(shared(8 * (entries.length + 1)))
  for (const [i, { length }] of encoded.entries()) starts[i + 1] = starts[i] + length
  const names = new Uint8Array(shared(starts[entries.length]))
  for (const [i, name] of encoded.entries()) names.set(name, starts[i])
  const labels = new Int32Array(shared(4 * entries.length))
  const sizes = new Float64Array(shared(8 * entries.length))
  for (const [i, { label, bytes }] of entries.entries()) {
    labels[i] = label
    sizes[i] = bytes
  }
  return { folder, names, starts, labels, sizes }
}

type FileTable = Readonly<ReturnType<typeof tableOf>>

export const pathOf = ({ names, starts }: FileTable, index: number): string =>
  new TextDecoder().decode(names.slice(starts[index], starts[index + 1]))

/** Pictures as plain data: all that reading them follows from. */
export interface PlainPictures
  extends Plain,
    Pick<CheckedPictures, 'channels' | 'size' | 'normalization' | 'training'> {
  readonly kind: 'pictures'
  readonly name: string
  readonly files: FileTable
  /** Of a sample, [H, W]. */
  readonly crop: readonly [number, number]
  /** Whether all pictures must become as large as the first one. */
  readonly alike: boolean
  readonly classes: number
  readonly classNames: readonly string[]
  readonly cache: CacheOf | undefined
}

/** The data set; `loadCodecs` must have been awaited. */
export function openPictures(plain: PlainPictures): Dataset {
  const { name, files, channels, crop, size, classes, classNames, normalization } = plain
  const { training } = plain
  const [height, width] = crop
  const length = files.labels.length
  const count = channels * height * width
  const table = normalizationTable(normalization, [channels, height, width])
  const random = new RandomStream(Purpose.Augment)
  let cache: SampleCache | undefined

  const decoded = (index: number): Bytes => {
    const path = join(files.folder, pathOf(files, index))
    let bytes: Uint8Array
    try {
      bytes = readFileSync(path)
    } catch (error) {
      fail(
        `${path}: the picture could not be read (${(error as Error).message}); it was there when ` +
          'the folder was listed',
        error,
      )
    }
    return toChannels(decodePicture(bytes, path), channels)
  }
  const sized = (picture: Bytes): Bytes => (size === undefined ? picture : resizeTo(picture, size))
  /** A pair says what is kept; else it is the sample. */
  const keepsSized = typeof size === 'object'
  const [keptHeight, keptWidth] = keepsSized ? size : crop
  const kept = (index: number): Bytes => {
    if (plain.cache) cache ??= SampleCache.open(plain.cache)
    const found = cache?.read(index)
    if (found) return { data: found, width: keptWidth, height: keptHeight, channels }
    const whole = sized(decoded(index))
    if (plain.alike) expectSize(whole, crop, files, index)
    const made = keepsSized ? whole : centreCrop(whole, crop)
    cache?.write(index, made.data)
    return made
  }
  const still = (index: number): Bytes => centreCrop(kept(index), crop)
  const moved = (index: number, seed: number, epoch: number): Bytes => {
    random.start(seed, epoch, index)
    const { resizedCrop } = training
    let picture: Bytes
    if (resizedCrop) {
      const source = keepsSized ? kept(index) : decoded(index)
      picture = randomResizedCrop(source, crop, resizedCrop, random)
    } else {
      const { data, ...sizes } = still(index)
      picture = { ...sizes, data: data.slice() }
    }
    if (training.flip && random.below(2) === 1) flip(picture, 'across')
    if (training.verticalFlip && random.below(2) === 1) flip(picture, 'down')
    if (training.colorJitter) colorJitter(picture, training.colorJitter, random)
    return picture
  }
  const changes = Object.keys(training).length > 0
  const seen = (index: number, context: ReadContext | undefined): Uint8Array => {
    const { data } = context && changes ? moved(index, context.seed, context.epoch) : still(index)
    return planes(data, channels, height * width)
  }
  const dataset: Dataset = {
    name,
    length,
    shape: [channels, height, width],
    classes,
    classNames,
    read(index, out, context) {
      checkRead(name, index, length, out.length, count)
      normalize(out, seen(index, context), 0, count, table)
      return files.labels[index]
    },
    pixels: {
      normalization,
      read(index, out, context) {
        checkRead(name, index, length, out.length, count)
        out.set(seen(index, context))
        return files.labels[index]
      },
    },
  }
  const changing = changes ? { pictures: training } : undefined
  return withPlain(
    dataset,
    () => plain,
    changing,
    () => hashOf(plain),
  )
}

/** A hash of what the samples follow from, the normalization left out. */
function hashOf({ files, size, crop, channels }: PlainPictures): string {
  const { folder, labels, sizes } = files
  return hashOfFiles({
    how: { size, crop, channels },
    count: labels.length,
    facts: (i) => [sizes[i], labels[i]],
    path: (i) => join(folder, pathOf(files, i)),
  })
}

/** @throws SpikewasmError where pictures of their own size differ */
function expectSize(picture: Bytes, [height, width]: readonly number[], of: FileTable, i: number) {
  if (picture.height === height && picture.width === width) return
  fail(
    `${join(of.folder, pathOf(of, i))}: must have ${width} × ${height} pixels, as the first ` +
      `picture has, got ${picture.width} × ${picture.height}; give size: [H, W] or crop`,
  )
}

openers.set('pictures', (plain) => openPictures(plain as PlainPictures))
