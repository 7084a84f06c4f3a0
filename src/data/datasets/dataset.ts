/** What a training loop needs of a data set, and parts of data sets. */
import { checkArguments, checkInteger, describe, fail } from '../../base/errors.js'
import {
  checkInputs,
  type InputShape,
  type InputShapes,
  sampleShape,
  sizeOf,
} from '../../network/value.js'
import { changesOf, hashOf, type Plain, plainOf, withPlain } from '../plain.js'

/** More classes than any data set has; each costs memory before anything else is known. */
export const MOST_CLASSES = 1 << 16

/**
 * A data set: any object with these fields. `fromArrays`, `fromBytes` and the loaders in `datasets`
 * make one.
 */
export interface Dataset {
  /** For people and error messages, for example `CIFAR-10 train`. */
  readonly name: string
  /** Number of samples. */
  readonly length: number
  /** Sizes of one sample: [C, H, W] of an image, [C, L] of a series, [features] of a vector. */
  readonly shape: InputShape
  /**
   * Sizes of several inputs by name, for a network with named inputs. In a sample they lie one
   * behind the other, and `shape` is [numbers of all]. Absent where there is one input.
   */
  readonly inputs?: InputShapes
  /**
   * T, where a sample is a series of frames, an input for each time step: an integer from 1 to
   * 4,096. Models for it are compiled with `frames: true` and the same `timeSteps`. Absent where a
   * sample is one input, which is shown at every step.
   */
  readonly timeSteps?: number
  /**
   * Number of classes, at most 65,536; labels are 0 … classes − 1. 0 where samples have targets and
   * no labels.
   */
  readonly classes: number
  /** A name for each class, in the order of the labels. */
  readonly classNames?: readonly string[]
  /** The samples as bytes, for augmentation; absent if the data are not made of bytes. */
  readonly pixels?: PixelSource
  /** Numbers that a network is to give for each sample, for regression (`mse`). */
  readonly targets?: TargetSource
  /**
   * Weight ≥ 0 of sample `index`, by which its loss and gradient are multiplied; absent where all
   * weigh as much.
   */
  weightOf?(index: number): number
  /**
   * Writes sample `index`, normalised, into `out` and returns its label, 0 where there are no
   * labels. `out` is [C][H][W], C·H·W numbers, plane after plane as in PyTorch; of a series [C][L],
   * of frames [T][C][H][W]. So it is what `trainStep` and `predict` take. The same arguments always
   * give the same numbers. All of `out` is written.
   *
   * @param index integer from 0 to length − 1
   * @param context present in training. A data set that augments does so then, with random numbers
   *   that depend on the context and the index alone.
   */
  read(index: number, out: Float32Array, context?: ReadContext): number
  /**
   * Where samples take time to get, from a network or a disk: gets these, so that `read` finds them
   * in memory. It is awaited before the samples of a batch are read, and a batch's are asked for at
   * once. What was got before may be let go of. Absent where `read` needs nothing before.
   */
  prepare?(indices: readonly number[], context?: ReadContext): Promise<void>
}

/** A data set whose samples have labels, and no targets. */
export interface LabelledData extends Dataset {
  readonly targets?: never
}

/** A data set whose samples have targets, and no labels. */
export interface TargetData extends Dataset {
  readonly classes: 0
  readonly targets: TargetSource
}

/** What samples of `D` have, as far as its type says. */
export type LikeData<D extends Dataset> = D extends LabelledData
  ? LabelledData
  : D extends TargetData
    ? TargetData
    : Dataset

/** Tells `read` that it is for training, and with which random numbers. */
export interface ReadContext {
  /** Seed of the run, an integer from 0 to 2³² − 1. */
  readonly seed: number
  /** Epoch, an integer ≥ 0. */
  readonly epoch: number
}

/** A data set in two parts. */
export interface Split<D extends Dataset = Dataset> {
  /** Samples to train with. */
  readonly train: D
  /** Samples to test with. */
  readonly test: D
}

/**
 * A data set that is there whole: asking for its test part is an error. It is not among the keys,
 * so that printing and copying ask for nothing.
 */
export function wholeSplit<D extends Dataset>(train: D, missing: () => Dataset): Split<D> {
  return Object.defineProperty({ train }, 'test', { get: missing }) as unknown as Split<D>
}

/** The same with other parts, whether there is a test part or not. */
export function mapSplit(
  split: Split,
  { train, test }: { readonly train: Dataset; readonly test: (part: Dataset) => Dataset },
): Split {
  return Object.hasOwn({ ...split }, 'test')
    ? { train, test: test(split.test) }
    : wholeSplit(train, () => split.test)
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
  /**
   * Writes sample `index` as bytes into `out`, laid out as by `Dataset.read`; its label.
   *
   * @param context present in training. A data set whose samples change then does so here too.
   */
  read(index: number, out: Uint8Array, context?: ReadContext): number
}

/** What a network is to give for each sample. */
export interface TargetSource {
  /**
   * Numbers of a sample: as many as the network's last layer has outputs; at each of T time steps
   * T times as many, or for classes T.
   */
  readonly size: number
  /** Writes the numbers of sample `index` into `out`, which has room for `size`. */
  read(index: number, out: Float32Array): void
}

/**
 * Samples as bytes of data sets that have no `pixels`, since they have changed them: by their
 * `read`, so that a copy with another one has none.
 */
const changedBytes = new WeakMap<Dataset['read'], PixelSource>()

/** Notes the bytes of a data set that changes them in training. */
export const noteBytes = ({ read }: Dataset, bytes: PixelSource): void => {
  changedBytes.set(read, bytes)
}

/** The samples as bytes, as training sees them; undefined if the data are not made of bytes. */
export const bytesOf = ({ read, pixels }: Dataset): PixelSource | undefined =>
  changedBytes.get(read) ?? pixels

/** More time steps than any model takes. */
export const MOST_STEPS = 4096

/** Numbers of a sample, all its frames together. */
export const sampleFloats = ({ shape, timeSteps = 1 }: Pick<Dataset, 'shape' | 'timeSteps'>) =>
  sizeOf(shape) * timeSteps

/** What opens data sets of files again, by their kinds; their modules add themselves. */
export const openers = new Map<string, (plain: Plain) => Dataset>()

/** @throws SpikewasmError unless it has what every data set has */
export function expectDataset(name: string, data: Dataset): void {
  if (typeof data !== 'object' || data === null || typeof data.read !== 'function')
    fail(`${name} must be a data set, from fromArrays for example, got ${describe(data)}`)
  checkInteger(`${name} ${data.name}: length`, data.length, 0)
  if (
    data.inputs &&
    sizeOf(sampleShape(checkInputs(`${name} ${data.name}: inputs`, data.inputs))) !==
      sizeOf(data.shape)
  )
    fail(
      `${name} ${data.name}: shape must be [numbers of all inputs], got [${data.shape.join(', ')}]`,
    )
  if (data.timeSteps !== undefined)
    checkInteger(`${name} ${data.name}: timeSteps`, data.timeSteps, 1, MOST_STEPS)
}

/**
 * Some samples of a data set: the first ones, or those of a list, as PyTorch's `Subset`. Nothing
 * balances the classes: of the first ones that depends on the order of the samples.
 * @param which how many of the first, an integer ≥ 1, all if there are no more; or indices
 * @throws SpikewasmError when `dataset` is none, or `which` is out of range
 */
export function subset<D extends Dataset>(
  dataset: D,
  which: number | ArrayLike<number>,
  ...more: []
): LikeData<D>
export function subset(dataset: Dataset, which: number | ArrayLike<number>, ...more: []): Dataset {
  checkArguments('subset', more)
  expectDataset('subset: the data', dataset)
  if (typeof which === 'object' && typeof which?.length === 'number') {
    const indices = Array.from(which)
    for (const [i, at] of indices.entries())
      checkInteger(`subset.indices[${i}]`, at, 0, dataset.length - 1)
    return taken(dataset, { indices })
  }
  checkInteger('subset.limit', which as number, 1)
  return (which as number) >= dataset.length ? dataset : slice(dataset, 0, which as number)
}

/** Samples first … first + limit − 1 of a data set, which has them. */
export const slice = (dataset: Dataset, first: number, limit: number): Dataset =>
  taken(dataset, { first, limit })

/** Samples that follow one another, or those of a list. */
type Taken =
  | { readonly first: number; readonly limit: number }
  | { readonly indices: readonly number[] }

/** Those samples of a data set, which has them. */
export function taken(dataset: Dataset, which: Taken): Dataset {
  const [length, at] =
    'first' in which
      ? [which.limit, (index: number) => which.first + index]
      : [which.indices.length, (index: number) => which.indices[index]]
  const part = picked(dataset, length, at)
  const changed = changedBytes.get(dataset.read)
  if (changed)
    changedBytes.set(part.read, {
      normalization: changed.normalization,
      read: (index, out, context) => changed.read(at(index), out, context),
    })
  const hash = hashOf(dataset)
  const plain = (of: Plain) => ({ kind: 'subset', of, ...which })
  const own = hash && (() => `${hash()} ${Object.values(which).join(' ')}`)
  return madeFrom(dataset, part, plain, changesOf(dataset), own)
}

/** Samples of a data set: as many as `length`, of which number i is that at `at(i)`. */
export function picked(dataset: Dataset, length: number, at: (index: number) => number): Dataset {
  const { name, pixels, targets, weightOf, prepare } = dataset
  const placeOf = (index: number): number => {
    checkIndex(name, index, length)
    return at(index)
  }
  return {
    ...describedBy(dataset),
    length,
    read: (index, out, context) => dataset.read(placeOf(index), out, context),
    ...(prepare && {
      prepare: (indices, context) => prepare.call(dataset, indices.map(at), context),
    }),
    ...(weightOf && { weightOf: (index: number) => weightOf.call(dataset, placeOf(index)) }),
    pixels: pixels && {
      normalization: pixels.normalization,
      read: (index, out, context) => pixels.read(placeOf(index), out, context),
    },
    targets: targets && {
      size: targets.size,
      read: (index, out) => targets.read(placeOf(index), out),
    },
  }
}

/** What is said of a data set, whose object may have more. */
export const describedBy = (data: Omit<Dataset, 'read'>) => {
  const { name, length, shape, inputs, timeSteps, classes, classNames } = data
  const described = { name, length, shape, timeSteps, classes, classNames }
  return inputs ? { ...described, inputs } : described
}

/** All of a data set but its samples, for one that changes them. */
export const likeThat = (data: Dataset): Omit<Dataset, 'read' | 'pixels'> => {
  const { targets, weightOf, prepare } = data
  return {
    ...describedBy(data),
    targets,
    ...(weightOf && { weightOf: weightOf.bind(data) }),
    ...(prepare && { prepare: prepare.bind(data) }),
  }
}

/**
 * Notes of a data set what it was made from.
 *
 * @param plain what makes it again of that data set's plain data
 */
export const madeFrom = (
  from: Dataset,
  made: Dataset,
  plain: (of: Plain) => Plain,
  changes: object | undefined,
  hash: (() => string) | undefined,
): Dataset => {
  const again = (of = plainOf(from)): Plain | undefined => of && plain(of)
  return withPlain(made, again, changes, hash)
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
      fail(
        `${name}: labels must be integers from 0 to ${classes - 1}, got ${describe(label)}` +
          `${typeof label === 'bigint' ? ' (a BigInt)' : ''} at index ${i}`,
      )
    }
    out[i] = label
  }
  return out
}

export function checkIndex(name: string, index: number, length: number): void {
  if (!(index >= 0 && index < length))
    throw new RangeError(`${name}: index must be from 0 to ${length - 1}, got ${index}`)
}

export function checkRead(
  name: string,
  index: number,
  length: number,
  room: number,
  size: number,
): void {
  checkIndex(name, index, length)
  checkRoom(name, room, size)
}

export function checkRoom(name: string, room: number, size: number): void {
  if (room < size)
    throw new RangeError(`${name}: out must have room for ${size} values, got ${room}`)
}
