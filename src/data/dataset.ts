/** What a training loop needs of a data set, and data sets from arrays in memory. */
import { checkInteger, SpikewasmError } from '../errors.js'
import { bytesToShare, type Plain, plainOf, sharedBytes, withPlain } from './plain.js'

/**
 * A data set: any object with these fields. `fromArrays`, `fromBytes` and the loaders in `datasets`
 * make one.
 */
export interface Dataset {
  /** For people and error messages, for example `CIFAR-10 train`. */
  readonly name: string
  /** Number of samples. */
  readonly length: number
  /** [C, H, W] of one sample. */
  readonly shape: readonly [channels: number, height: number, width: number]
  /** Number of classes; labels are 0 … classes − 1. */
  readonly classes: number
  /** A name for each class, in the order of the labels. */
  readonly classNames?: readonly string[]
  /** The samples as bytes, for augmentation; absent if the data are not made of bytes. */
  readonly pixels?: PixelSource
  /**
   * Writes sample `index`, normalised, into `out` ([H][W][C], C·H·W numbers) and returns its label.
   * The same arguments always give the same numbers.
   *
   * @param index integer from 0 to length − 1
   * @param context present in training. A data set that augments does so then, with random numbers
   *   that depend on the context and the index alone.
   */
  read(index: number, out: Float32Array, context?: ReadContext): number
}

/** Tells `read` that it is for training, and with which random numbers. */
export interface ReadContext {
  /** Seed of the run, an integer from 0 to 2³² − 1. */
  readonly seed: number
  /** Epoch, an integer ≥ 0. */
  readonly epoch: number
}

/** A data set in two parts. */
export interface Split {
  /** Samples to train with. */
  readonly train: Dataset
  /** Samples to test with. */
  readonly test: Dataset
}

/** How bytes become numbers: (byte / scale − mean[c]) / std[c] for channel c. */
export interface Normalization {
  /** The byte that stands for 1: 255 for ordinary images. */
  readonly scale: number
  /** Mean of byte / scale, for each channel. */
  readonly mean: readonly number[]
  /** Standard deviation of byte / scale, > 0, for each channel. */
  readonly std: readonly number[]
}

/** The samples of a data set as bytes, before normalisation. */
export interface PixelSource {
  /** How these bytes become the numbers of the data set. */
  readonly normalization: Normalization
  /** Writes sample `index` as bytes into `out` ([H][W][C]) and returns its label. */
  read(index: number, out: Uint8Array): number
}

/** What every data set in memory is described by. */
interface Description {
  /** For people and error messages; default 'arrays' or 'bytes'. */
  readonly name?: string
  /** [C, H, W] of one sample. */
  readonly shape: readonly [channels: number, height: number, width: number]
  /** Number of classes; labels are 0 … classes − 1. */
  readonly classes: number
  /** A name for each class, in the order of the labels. */
  readonly classNames?: readonly string[]
}

/** What `fromArrays` makes a data set of. */
export interface ArraysOptions extends Description {
  /** [N][C][H][W], already normalised; it is copied. */
  readonly images: Float32Array
  /** N integers in 0 … classes − 1; copied. */
  readonly labels: ArrayLike<number>
}

/** What `fromBytes` makes a data set of. */
export interface BytesOptions extends Description {
  /**
   * [N][H][W][C]; must not change. It is not copied, but where a thread prepares batches for `fit`:
   * that one has a copy, unless the bytes lie in a SharedArrayBuffer.
   */
  readonly images: Uint8Array
  /** N integers in 0 … classes − 1; copied. */
  readonly labels: ArrayLike<number>
  /** How bytes become numbers. */
  readonly normalization: Normalization
}

/** What `fromArrays` makes, as plain data. */
export interface PlainArrays extends Plain, Description {
  readonly kind: 'arrays'
  readonly name: string
  /** [N][H][W][C] */
  readonly samples: Float32Array
  readonly labels: Int32Array
}

/** What `fromBytes` makes, as plain data. */
export interface PlainBytes extends Plain, BytesOptions {
  readonly kind: 'bytes'
}

/** What `subset` makes, as plain data. */
export interface PlainSubset extends Plain {
  readonly kind: 'subset'
  readonly of: Plain
  readonly limit: number
}

/**
 * A data set from float images in memory, [N][C][H][W] as in most other libraries.
 *
 * @throws SpikewasmError if sizes do not fit together or a label is out of range
 */
export function fromArrays(options: ArraysOptions): Dataset {
  const { images, shape, name = 'arrays' } = options
  const labels = checkDescription(name, options)
  const [channels, height, width] = shape
  const size = channels * height * width
  const samples = new Float32Array(bytesToShare(4 * images.length))
  for (let n = 0, o = 0; n < labels.length; n++) {
    for (let p = 0; p < height * width; p++)
      for (let c = 0; c < channels; c++) samples[o++] = images[n * size + c * height * width + p]
  }
  return ofSamples(name, samples, labels, options)
}

/** A data set of samples that are laid out already, [N][H][W][C], and checked. */
export function ofSamples(
  name: string,
  samples: Float32Array,
  labels: Int32Array,
  { shape, classes, classNames }: Description,
): Dataset {
  const size = shape[0] * shape[1] * shape[2]
  const dataset: Dataset = {
    name,
    length: labels.length,
    shape,
    classes,
    classNames,
    read(index, out) {
      checkRead(name, index, labels.length, out.length, size)
      const begin = index * size
      for (let i = 0; i < size; i++) out[i] = samples[begin + i]
      return labels[index]
    },
  }
  const plain: PlainArrays = { kind: 'arrays', name, samples, labels, shape, classes, classNames }
  return withPlain(dataset, () => plain)
}

/**
 * A data set from byte images in memory, [N][H][W][C]; they are normalised when read.
 *
 * @throws SpikewasmError if sizes do not fit together or a label is out of range
 */
export function fromBytes(options: BytesOptions): Dataset {
  const { images, shape, classes, classNames, normalization, name = 'bytes' } = options
  const labels = checkDescription(name, options)
  const [channels, height, width] = shape
  const size = channels * height * width
  const table = normalizationTable(normalization, channels)
  const dataset: Dataset = {
    name,
    length: labels.length,
    shape,
    classes,
    classNames,
    read(index, out) {
      checkRead(name, index, labels.length, out.length, size)
      normalize(out, images, index * size, size, table, channels)
      return labels[index]
    },
    pixels: {
      normalization,
      read(index, out) {
        checkRead(name, index, labels.length, out.length, size)
        const begin = index * size
        out.set(images.subarray(begin, begin + size))
        return labels[index]
      },
    },
  }
  return withPlain(dataset, (): PlainBytes => {
    // What else the caller's object has may not be sent to a thread.
    const { scale, mean, std } = normalization
    const of = { name, labels, shape, classes, classNames, normalization: { scale, mean, std } }
    return { kind: 'bytes', images: sharedBytes(images), ...of }
  })
}

/**
 * The first `limit` samples of a data set, or all if it has no more. Nothing balances the classes:
 * that depends on the order of the samples.
 * @param limit samples, an integer ≥ 1
 * @throws SpikewasmError when `limit` is out of range
 */
export function subset(dataset: Dataset, limit: number): Dataset {
  checkInteger('subset.limit', limit, 1)
  if (limit >= dataset.length) return dataset
  const { name, shape, classes, classNames, pixels } = dataset
  const part: Dataset = {
    name,
    length: limit,
    shape,
    classes,
    classNames,
    read(index, out, context) {
      checkIndex(name, index, limit)
      return dataset.read(index, out, context)
    },
    pixels: pixels && {
      normalization: pixels.normalization,
      read(index, out) {
        checkIndex(name, index, limit)
        return pixels.read(index, out)
      },
    },
  }
  return withPlain(part, (): PlainSubset | undefined => {
    const of = plainOf(dataset)
    return of && { kind: 'subset', of, limit }
  })
}

/**
 * Labels as integers of 32 bits.
 *
 * @param name what error messages call the labels
 * @throws SpikewasmError that names the first label that is not an integer in 0 … classes − 1
 */
export function checkLabels(name: string, labels: ArrayLike<number>, classes: number): Int32Array {
  const out = new Int32Array(labels.length)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new SpikewasmError(
        `${name}: labels must be integers from 0 to ${classes - 1}, got ${label} at index ${i}`,
      )
    }
    out[i] = label
  }
  return out
}

/** The normalised value of each byte: float32 [C][256]. */
export function normalizationTable(
  { scale, mean, std }: Normalization,
  channels: number,
): Float32Array {
  if (mean.length !== channels || std.length !== channels) {
    throw new SpikewasmError(
      `normalization.mean and .std must have one number for each of the ${channels} ` +
        `channels, got ${mean.length} and ${std.length}`,
    )
  }
  const table = new Float32Array(channels * 256)
  for (let c = 0; c < channels; c++) {
    if (!(std[c] > 0))
      throw new SpikewasmError(
        `normalization.std must be > 0, got ${std[c]} for channel ${c}; leave out ` +
          'channels that are constant',
      )
    for (let value = 0; value < 256; value++)
      table[c * 256 + value] = (value / scale - mean[c]) / std[c]
  }
  return table
}

/**
 * out[i] = table[i mod channels][bytes[begin + i]] for i in 0 … size − 1; `size` is a multiple of
 * `channels`.
 */
export function normalize(
  out: Float32Array,
  bytes: Uint8Array,
  begin: number,
  size: number,
  table: Float32Array,
  channels: number,
): void {
  if (channels === 3) {
    for (let i = 0; i < size; i += 3) {
      out[i] = table[bytes[begin + i]]
      out[i + 1] = table[256 + bytes[begin + i + 1]]
      out[i + 2] = table[512 + bytes[begin + i + 2]]
    }
    return
  }
  for (let i = 0; i < size; i += channels) {
    for (let c = 0; c < channels; c++) out[i + c] = table[c * 256 + bytes[begin + i + c]]
  }
}

function checkDescription(
  name: string,
  { images, labels, shape, classes, classNames }: ArraysOptions | BytesOptions,
): Int32Array {
  if (shape.length !== 3)
    throw new SpikewasmError(
      `${name}: shape must be [channels, height, width], got [${shape.join(', ')}]`,
    )
  for (const size of shape) checkInteger(`${name}: shape`, size, 1)
  checkInteger(`${name}: classes`, classes, 1)
  const size = shape[0] * shape[1] * shape[2]
  if (images.length !== labels.length * size) {
    const values = labels.length * size
    const expected = `${labels.length} labels × ${shape.join(' × ')} = ${values} values`
    throw new SpikewasmError(
      `${name}: images must have ${expected}, got ${images.length}; check shape and labels`,
    )
  }
  if (classNames && classNames.length !== classes) {
    throw new SpikewasmError(
      `${name}: classNames must have ${classes} names, got ${classNames.length}; name ` +
        'every class or none',
    )
  }
  return checkLabels(name, labels, classes)
}

function checkIndex(name: string, index: number, length: number): void {
  if (!(index >= 0 && index < length))
    throw new RangeError(`${name}: index must be from 0 to ${length - 1}, got ${index}`)
}

function checkRead(name: string, index: number, length: number, room: number, size: number): void {
  checkIndex(name, index, length)
  if (room < size)
    throw new RangeError(`${name}: out must have room for ${size} values, got ${room}`)
}
