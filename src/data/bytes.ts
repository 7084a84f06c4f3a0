/** Data sets from bytes in memory. */
import { checkOptions, describe, expect, SpikewasmError } from '../errors.js'
import { imageShape } from '../nn/value.js'
import { checkRead, type Dataset, type Normalization, sampleFloats } from './dataset.js'
import { checkClasses, checkDescribed, type Description, expectLabels } from './description.js'
import { type Plain, sharedBytes, withPlain } from './plain.js'

/** What `fromBytes` makes a data set of. */
export interface BytesOptions extends Description {
  /**
   * [N][H][W][C] ([N][L][C] of a series, [N][T][H][W][C] of frames); must not change. It is not
   * copied, but where threads prepare batches for `fit`: they have a copy, unless the bytes lie in
   * a SharedArrayBuffer.
   */
  readonly images: Uint8Array
  /** N integers in 0 … classes − 1; copied. */
  readonly labels: ArrayLike<number>
  /** How bytes become numbers; copied. */
  readonly normalization: Normalization
}

/** What `fromBytes` makes, as plain data. */
export interface PlainBytes extends Plain, BytesOptions {
  readonly kind: 'bytes'
}

/**
 * A data set from byte images in memory, [N][H][W][C]; they are normalised when read.
 *
 * @throws SpikewasmError if sizes do not fit together or a label is out of range
 */
export function fromBytes(options: BytesOptions): Dataset {
  const own = ['images', 'normalization']
  checkOptions('fromBytes', options, [
    ...['name', 'shape', 'timeSteps', 'labels', 'classes', 'classNames'],
    ...own,
  ])
  const { images, name = 'bytes' } = options
  const described = checkDescribed('fromBytes', options, name)
  expect(
    [Uint8Array, Uint8ClampedArray].some((type) => (images as unknown) instanceof type),
    () => `${name}: images must be a Uint8Array, got ${describe(images)}`,
  )
  expectLabels(name, options.labels)
  const { shape, timeSteps, classes } = described
  const [channels] = imageShape(shape)
  const { labels, classNames } = checkClasses(described, options.labels, images.length)
  const size = sampleFloats(described)
  const normalization = checkNormalization(options.normalization, channels)
  const table = normalizationTable(normalization, channels)
  const dataset: Dataset = {
    name,
    length: labels.length,
    shape,
    timeSteps,
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
    const of = { name, labels, shape, timeSteps, classes, classNames, normalization }
    return { kind: 'bytes', images: sharedBytes(images), ...of }
  })
}

/**
 * @returns a copy
 * @throws SpikewasmError for numbers that are missing or out of range
 */
export function checkNormalization(normalization: Normalization, channels: number): Normalization {
  checkOptions('normalization', normalization, ['scale', 'mean', 'std'])
  const { scale, mean, std } = normalization
  expect(
    Number.isFinite(scale) && scale > 0,
    () => `normalization.scale must be > 0, got ${describe(scale)}; it is 255 for ordinary images`,
  )
  for (const [key, list] of Object.entries({ mean, std }))
    expect(
      Array.isArray(list) || (ArrayBuffer.isView(list) && 'length' in list),
      () => `normalization.${key} must be an array of numbers, got ${describe(list)}`,
    )
  if (mean.length !== channels || std.length !== channels) {
    throw new SpikewasmError(
      `normalization.mean and .std must have one number for each of the ${channels} ` +
        `channels, got ${mean.length} and ${std.length}`,
    )
  }
  for (let c = 0; c < channels; c++) {
    expect(
      Number.isFinite(mean[c]),
      () => `normalization.mean must be finite, got ${describe(mean[c])} for channel ${c}`,
    )
    expect(
      std[c] > 0 && Number.isFinite(std[c]),
      () =>
        `normalization.std must be > 0, got ${describe(std[c])} for channel ${c}; leave out ` +
        'channels that are constant',
    )
    const most = Math.fround(Math.max(Math.abs(mean[c]), Math.abs(255 / scale - mean[c])) / std[c])
    expect(
      Number.isFinite(most),
      () => `normalization.std of channel ${c}, ${std[c]}, is so small that numbers overflow`,
    )
  }
  return { scale, mean: Array.from(mean), std: Array.from(std) }
}

/** The normalised value of each byte: float32 [C][256]. */
export function normalizationTable(
  { scale, mean, std }: Normalization,
  channels: number,
): Float32Array {
  const table = new Float32Array(channels * 256)
  for (let c = 0; c < channels; c++)
    for (let value = 0; value < 256; value++)
      table[c * 256 + value] = (value / scale - mean[c]) / std[c]
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
