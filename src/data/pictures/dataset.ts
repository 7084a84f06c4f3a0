/** Data sets of picture files: read, decoded and resized when a sample is asked for. */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../../base/errors.js'
import { Purpose, RandomStream } from '../../base/random.js'
import { ofBytes } from '../bytes.js'
import { type LabelledData, openers, type ReadContext } from '../datasets/dataset.js'
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

const LARGEST_FILE = 1 << 28

/**
 * @param path below the folder
 * @returns it with its size and when it was changed, in milliseconds
 * @throws SpikewasmError for what is no regular file, or too large for a picture
 */
export function entryOf(folder: string, path: string, label: number) {
  const status = statSync(join(folder, path), { throwIfNoEntry: false })
  if (!(status?.isFile() === true && status.size <= LARGEST_FILE))
    fail(
      `${join(folder, path)}: must be a file of at most ${LARGEST_FILE} bytes, got ` +
        `${status?.isFile() ? `${status.size}` : 'something else'}; repair or remove it`,
    )
  return { path, label, bytes: status!.size, changed: status!.mtimeMs }
}

export type FileEntry = Readonly<ReturnType<typeof entryOf>>

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
  /** The size of a sample, [H, W]. */
  readonly crop: readonly [number, number]
  /** Whether all pictures must become as large as the first one. */
  readonly alike: boolean
  readonly classes: number
  readonly classNames: readonly string[]
  readonly cache: CacheOf | undefined
}

/** Pictures of a data set, decoded and made as large as its samples. */
class PictureReader {
  private readonly random = new RandomStream(Purpose.Augment)
  private cache: SampleCache | undefined

  constructor(private readonly plain: PlainPictures) {}

  /** [C][H][W] */
  read(index: number, context: ReadContext | undefined): Uint8Array {
    const { training, channels, crop } = this.plain
    const moves = context && Object.keys(training).length > 0
    const { data } = moves ? this.augmented(index, context) : this.centre(index)
    return planes(data, channels, crop[0] * crop[1])
  }

  private augmented(index: number, { seed, epoch }: ReadContext): Bytes {
    const { random } = this
    const { training, crop, size } = this.plain
    random.start(seed, epoch, index)
    const { resizedCrop } = training
    let picture: Bytes
    if (resizedCrop) {
      const source = typeof size === 'object' ? this.cached(index) : this.decoded(index)
      picture = randomResizedCrop(source, crop, resizedCrop, random)
    } else {
      const { data, ...sizes } = this.centre(index)
      picture = { ...sizes, data: data.slice() }
    }
    if (training.flip && random.below(2) === 1) flip(picture, 'across')
    if (training.verticalFlip && random.below(2) === 1) flip(picture, 'down')
    if (training.colorJitter) colorJitter(picture, training.colorJitter, random)
    return picture
  }

  private centre(index: number): Bytes {
    return centreCrop(this.cached(index), this.plain.crop)
  }

  /** What the cache keeps: the picture of a size that is a pair, else the sample. */
  private cached(index: number): Bytes {
    const { plain } = this
    const { size, crop, channels } = plain
    const isPair = typeof size === 'object'
    if (plain.cache) this.cache ??= SampleCache.open(plain.cache)
    const data = this.cache?.read(index)
    const [height, width] = isPair ? size : crop
    if (data) return { data, width, height, channels }
    const decoded = this.decoded(index)
    const whole = size === undefined ? decoded : resizeTo(decoded, size)
    if (plain.alike) expectSize(whole, crop, plain.files, index)
    const made = isPair ? whole : centreCrop(whole, crop)
    this.cache?.write(index, made.data)
    return made
  }

  private decoded(index: number): Bytes {
    const { files, channels } = this.plain
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
}

/** The data set; `loadCodecs` must have been awaited. */
export function openPictures(plain: PlainPictures): LabelledData {
  const { name, files, channels, crop, classes, classNames, normalization, training } = plain
  const reader = new PictureReader(plain)
  const described = { name, shape: [channels, ...crop] as const, classes, classNames }
  const bytesAt = (index: number, context?: ReadContext) => reader.read(index, context)
  const dataset = ofBytes(described, files.labels, normalization, bytesAt)
  const changes = Object.keys(training).length > 0 ? { pictures: training } : undefined
  const hash = (): string => hashOf(plain)
  return withPlain(dataset, () => plain, changes, hash)
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
      `picture has, got ${picture.width} × ${picture.height}; give size: [H, W] (on the command ` +
      'line --image-size) or crop',
  )
}

openers.set('pictures', (plain) => openPictures(plain as PlainPictures))
