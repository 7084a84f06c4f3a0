/** Data sets from bytes in memory. */

import {
  checkArguments,
  checkInteger,
  checkOptions,
  copyWeights,
  describe,
  fail,
} from '../base/errors.js'
import {
  checkInputShape,
  checkInputs,
  type InputShape,
  type InputShapes,
  imageShape,
  isShapes,
  sampleShape,
} from '../network/value.js'
import {
  checkLabels,
  checkRead,
  type LabelledData,
  MOST_CLASSES,
  MOST_STEPS,
  type Normalization,
  type ReadContext,
  sampleFloats,
} from './datasets/dataset.js'
import { bytesToShare, sharedBytes, withPlain } from './plain.js'

// What data sets in memory are described by: checked and copied, so that nothing changes later.

/** What every data set in memory is described by. */
export interface Description {
  /** For people and error messages; default 'arrays' or 'bytes'. */
  readonly name?: string
  /** Sizes of one sample: [C, H, W] of an image, [C, L] of a series, [features] of a vector. */
  readonly shape: InputShape
  /** T, where a sample is a series of frames; 1 to 4,096. Absent where it is one input. */
  readonly timeSteps?: number
  /** Number of classes, at most 65,536; labels are 0 … classes − 1. */
  readonly classes: number
  /** A name for each class, in the order of the labels. */
  readonly classNames?: readonly string[]
  /**
   * N numbers ≥ 0, by which the losses and gradients of the samples are multiplied; copied. The sum
   * over a batch is divided by its samples all the same, as in Keras (`sum_over_batch_size`), also
   * in `evaluate`; accuracy knows no weights. Default: 1 each.
   */
  readonly sampleWeights?: ArrayLike<number>
}

/** Options that every maker of them takes. */
export const keys = [
  'name',
  'shape',
  'timeSteps',
  'labels',
  'classes',
  'classNames',
  'sampleWeights',
]

/** A copy that threads can share. @throws SpikewasmError for no weights of `count` samples */
export const weightsOf = (
  name: string,
  { sampleWeights }: Pick<Description, 'sampleWeights'>,
  count: number,
) => copyWeights(`${name}: sampleWeights`, sampleWeights, count, bytesToShare)

/** A description that was checked; its parts are copies. */
export interface Checked extends Description {
  readonly name: string
  /** Sizes of several inputs; `shape` is then that of all together. */
  readonly inputs?: InputShapes
}

/** @throws SpikewasmError for a name or a shape that is none */
export function checkDescribed(
  maker: string,
  {
    shape,
    timeSteps,
    classes,
    classNames,
  }: Omit<Description, 'shape'> & { readonly shape: InputShape | InputShapes },
  name: string,
): Checked {
  if (typeof name !== 'string') fail(`${maker}.name must be a text, got ${describe(name)}`)
  if (timeSteps !== undefined) checkInteger(`${name}: timeSteps`, timeSteps, 1, MOST_STEPS)
  const checked = checkInputs(`${name}: shape`, shape)
  const described = { name, shape: sampleShape(checked), timeSteps, classes, classNames }
  return isShapes(checked) ? { ...described, inputs: checked } : described
}

/** @throws SpikewasmError unless it is an array of numbers */
export function expectLabels(name: string, labels: unknown): asserts labels is ArrayLike<number> {
  const isList = Array.isArray(labels) || (ArrayBuffer.isView(labels) && 'length' in labels)
  if (!isList) fail(`${name}: labels must be an array of integers, got ${describe(labels)}`)
}

/**
 * @returns the labels as integers, and the names of the classes
 * @throws SpikewasmError when sizes do not fit together or a label is out of range
 */
export function checkClasses(
  { name, shape, timeSteps, classes, classNames }: Checked,
  labels: ArrayLike<number>,
  values: number,
  what = 'images',
): { labels: Int32Array; classNames: readonly string[] | undefined } {
  checkInteger(`${name}: classes`, classes, 1, MOST_CLASSES)
  const needed = labels.length * sampleFloats({ shape, timeSteps })
  if (values !== needed)
    fail(
      `${name}: ${what} must have ${labels.length} labels × ` +
        `${[...(timeSteps === undefined ? [] : [timeSteps]), ...shape].join(' × ')} = ${needed} ` +
        `values, got ${values}; check shape and labels`,
    )
  if (classNames !== undefined && !Array.isArray(classNames))
    fail(`${name}: classNames must be an array of texts, got ${describe(classNames)}`)
  for (const [i, text] of (classNames ?? []).entries())
    if (typeof text !== 'string')
      fail(`${name}: classNames must be texts, got ${describe(text)} for class ${i}`)
  if (classNames !== undefined && classNames.length !== classes)
    fail(
      `${name}: classNames must have ${classes} names, got ${classNames?.length}; name every ` +
        'class or none',
    )
  return { labels: checkLabels(name, labels, classes), classNames: classNames && [...classNames] }
}

/** What `fromBytes` makes a data set of. */
export interface BytesOptions extends Description {
  /**
   * [N][C][H][W] ([N][C][L] of a series, [N][T][C][H][W] of frames); must not change. It is not
   * copied, but where threads prepare batches for `fit`: they have a copy, unless the bytes lie in
   * a SharedArrayBuffer.
   */
  readonly images: Uint8Array
  /** N integers in 0 … classes − 1; copied. */
  readonly labels: ArrayLike<number>
  /** How bytes become numbers; copied. */
  readonly normalization: Normalization
}

/**
 * A data set from byte images in memory, [N][C][H][W]; they are normalised when read.
 *
 * @throws SpikewasmError if sizes do not fit together or a label is out of range
 */
export function fromBytes(options: BytesOptions, ...more: []): LabelledData {
  checkArguments('fromBytes', more)
  checkOptions('fromBytes', options, [...keys, 'images', 'normalization'])
  const { images, name = 'bytes' } = options
  checkInputShape(`${name}: shape`, options.shape)
  const described = checkDescribed('fromBytes', options, name)
  if (![Uint8Array, Uint8ClampedArray].some((type) => (images as unknown) instanceof type))
    fail(`${name}: images must be a Uint8Array, got ${describe(images)}`)
  expectLabels(name, options.labels)
  const { shape, timeSteps, classes } = described
  const [channels] = imageShape(shape)
  const { labels, classNames } = checkClasses(described, options.labels, images.length)
  const size = sampleFloats(described)
  const normalization = checkNormalization(options.normalization, channels)
  const sampleWeights = weightsOf(name, options, labels.length)
  const own = sampleWeights ? { sampleWeights } : {}
  const bytesAt = (index: number): Uint8Array => images.subarray(index * size, (index + 1) * size)
  const dataset: LabelledData = {
    ...ofBytes({ ...described, classNames }, labels, normalization, bytesAt),
    ...(sampleWeights && { weightOf: (index: number) => sampleWeights[index] }),
  }
  // What else the caller's object has may not be sent to a thread.
  const plain = { name, labels, shape, timeSteps, classes, classNames, normalization, ...own }
  return withPlain(dataset, () => ({ kind: 'bytes', images: sharedBytes(images), ...plain }))
}

/** @param bytesAt those of a sample, which the next call may write over */
export function ofBytes(
  described: Checked,
  labels: Int32Array,
  normalization: Normalization,
  bytesAt: (index: number, context?: ReadContext) => Uint8Array,
): LabelledData {
  const { name, shape } = described
  const size = sampleFloats(described)
  const table = normalizationTable(normalization, shape)
  return {
    ...described,
    length: labels.length,
    read(index, out, context) {
      checkRead(name, index, labels.length, out.length, size)
      normalize(out, bytesAt(index, context), table)
      return labels[index]
    },
    pixels: {
      normalization,
      read(index, out, context) {
        checkRead(name, index, labels.length, out.length, size)
        out.set(bytesAt(index, context))
        return labels[index]
      },
    },
  }
}

/**
 * @returns a copy
 * @throws SpikewasmError for numbers that are missing or out of range
 */
export function checkNormalization(normalization: Normalization, channels: number): Normalization {
  checkOptions('normalization', normalization, ['scale', 'mean', 'std'])
  const { scale, mean, std } = normalization
  if (!(Number.isFinite(scale) && scale > 0))
    fail(`normalization.scale must be > 0, got ${describe(scale)}; it is 255 for ordinary images`)
  for (const [key, list] of Object.entries({ mean, std }))
    if (!Array.isArray(list) && !(ArrayBuffer.isView(list) && 'length' in list))
      fail(`normalization.${key} must be an array of numbers, got ${describe(list)}`)
  if (mean.length !== channels || std.length !== channels) {
    fail(
      `normalization.mean and .std must have one number for each of the ${channels} ` +
        `channels, got ${mean.length} and ${std.length}`,
    )
  }
  for (let c = 0; c < channels; c++) {
    if (!Number.isFinite(mean[c]))
      fail(`normalization.mean must be finite, got ${describe(mean[c])} for channel ${c}`)
    if (!(std[c] > 0 && Number.isFinite(std[c])))
      fail(
        `normalization.std must be > 0, got ${describe(std[c])} for channel ${c}; leave out ` +
          'channels that are constant',
      )
    const most = Math.fround(Math.max(Math.abs(mean[c]), Math.abs(255 / scale - mean[c])) / std[c])
    if (!Number.isFinite(most))
      fail(`normalization.std of channel ${c}, ${std[c]}, is so small that numbers overflow`)
  }
  return { scale, mean: Array.from(mean), std: Array.from(std) }
}

/** The value of each byte, float32 [C][256], and the numbers of a plane: each channel has one. */
export function normalizationTable({ scale, mean, std }: Normalization, shape: InputShape) {
  const [channels, height, width] = imageShape(shape)
  const values = new Float32Array(channels * 256)
  for (let c = 0; c < channels; c++)
    for (let byte = 0; byte < 256; byte++)
      values[c * 256 + byte] = (byte / scale - mean[c]) / std[c]
  return { values, pixels: height * width }
}

/** The value of each byte, [C][H][W] or [T][C][H][W]. */
export function normalize(
  out: Float32Array,
  bytes: Uint8Array,
  { values, pixels }: ReturnType<typeof normalizationTable>,
): void {
  for (let at = 0, of = 0; at < bytes.length; at += pixels, of = (of + 256) % values.length)
    for (let i = at; i < at + pixels; i++) out[i] = values[of + bytes[i]]
}
