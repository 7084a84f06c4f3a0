/** Data sets from numbers in memory. */
import { checkArguments, checkOptions, describe, fail } from '../base/errors.js'
import {
  checkInputs,
  type InputShape,
  type InputShapes,
  isShapes,
  sizeOf,
} from '../network/value.js'
import {
  type Checked,
  checkClasses,
  checkDescribed,
  type Description,
  expectLabels,
  keys,
  weightsOf,
} from './bytes.js'
import {
  checkRead,
  type Dataset,
  type LabelledData,
  sampleFloats,
  type TargetData,
} from './datasets/dataset.js'
import { bytesToShare, withPlain } from './plain.js'

/** What `fromArrays` makes a data set of: `labels` or `targets`, or both. */
export interface ArraysOptions extends Omit<Description, 'classes' | 'shape'> {
  /**
   * Sizes of one sample: [C, H, W] of an image, [C, L] of a series, [features] of a vector; of
   * several inputs by name, `{ image: [3, 32, 32], state: [4] }`.
   */
  readonly shape: InputShape | InputShapes
  /**
   * The samples, already normalised: [N][C][H][W], [N][C][L] or [N][features]; of frames
   * [N][T][C][H][W] and so on. Copied. Numbers must be finite in float32.
   */
  readonly images?: Float32Array | Float64Array
  /**
   * The same under a name for what is no image; give one of both. With shapes by name an array for
   * each input: in a sample they lie one behind the other, in the order of the shapes.
   */
  readonly inputs?: Float32Array | Float64Array | NumbersByName
  /** N integers in 0 … classes − 1; copied. */
  readonly labels?: ArrayLike<number>
  /** Number of classes, at most 65,536; with labels. */
  readonly classes?: number
  /**
   * Numbers for each sample; copied. For regression [N][outputs], what the network is to give, with
   * `loss: mse({ targets: 'values' })`, or at each time step, [N][T][outputs], with `targets:
   * 'steps'`. For a class at each time step [N][T], with `crossEntropy({ targets: 'steps' })` or
   * `tet`. NaN stands for what is not known: `mse({ targets: 'values', ignore: NaN })`.
   */
  readonly targets?: Float32Array | Float64Array
}

export interface Samples extends Checked {
  /** [N][C][H][W], of frames [N][T][C][H][W] */
  readonly samples: Float32Array
  readonly labels: Int32Array
  /** [N][outputs] */
  readonly targets: Float32Array | undefined
  /** [N] */
  readonly weights?: Float32Array
}

/**
 * A data set from numbers in memory: images [N][C][H][W], series [N][C][L] or vectors [N][features]
 * as in most other libraries, with a label for each, or with targets for regression.
 *
 * ```ts
 * const line = fromArrays({ inputs, targets, shape: [4] })
 * ```
 *
 * @throws SpikewasmError if sizes do not fit together, a label is out of range, or a number is not
 *   finite in float32
 */
export function fromArrays(
  options: ArraysOptions & { labels: ArrayLike<number>; targets?: undefined },
  ...more: []
): LabelledData
export function fromArrays(
  options: ArraysOptions & { labels?: undefined; classes?: undefined },
  ...more: []
): TargetData
export function fromArrays(options: ArraysOptions, ...more: []): Dataset
export function fromArrays(options: ArraysOptions, ...more: []): Dataset {
  checkArguments('fromArrays', more)
  checkOptions('fromArrays', options, [...keys, 'images', 'inputs', 'targets'])
  const { images, inputs, targets, labels, name = 'arrays' } = options
  if ((images === undefined) === (inputs === undefined))
    fail(`${name}: either images or inputs must be given, got ${inputs ? 'both' : 'neither'}`)
  const what = images === undefined ? 'inputs' : 'images'
  const values = valuesOf(name, what, options)
  if (targets !== undefined) expectFloats(`${name}: targets`, targets)
  if (labels === undefined && targets === undefined)
    fail(`${name}: labels or targets must be given, got neither`)
  if (labels !== undefined && options.classes === undefined)
    fail(
      `${name}: classes must be given with labels: how many classes there are, as in classes: 10`,
    )
  const classed = { ...options, classes: options.classes ?? 0 }
  const described = checkDescribed('fromArrays', classed, name)
  const size = sampleFloats(described)
  if (labels !== undefined) expectLabels(name, labels)
  const checked = labels
    ? checkClasses(described, labels, values.length, what)
    : { labels: withoutLabels(described, values.length, what), classNames: undefined }
  const count = values.length / size
  const samples = copyFinite(name, values, size)
  const wanted = targets && copyTargets(name, targets, count)
  const weights = weightsOf(name, options, count)
  return ofSamples({ ...described, ...checked, samples, targets: wanted, weights })
}

/** Numbers of several inputs. */
export type NumbersByName = Readonly<Record<string, Float32Array | Float64Array>>

/** All samples, the inputs of each one behind the other. */
function valuesOf(
  name: string,
  what: 'images' | 'inputs',
  { [what]: given, shape, timeSteps = 1 }: ArraysOptions,
): Float32Array | Float64Array {
  if (!isShapes(shape)) {
    expectFloats(`${name}: ${what}`, given)
    return given
  }
  const shapes = checkInputs(`${name}: shape`, shape) as InputShapes
  const names = Object.keys(shapes)
  const all = Object(given) as NumbersByName
  if (
    what === 'images' ||
    ArrayBuffer.isView(given) ||
    Object.keys(all).sort().join() !== names.slice().sort().join()
  )
    fail(
      `${name}: inputs must have an array for each of ${names.join(', ')}, got ${describe(given)}`,
    )
  const sizes = names.map((of) => sizeOf(shapes[of]) * timeSteps)
  for (const of of names) expectFloats(`${name}: inputs.${of}`, all[of])
  const counts = names.map((of, i) => all[of].length / sizes[i])
  const [count] = counts
  if (!Number.isInteger(count) || counts.some((n) => n !== count))
    fail(
      `${name}: inputs must have as many samples of each, got ` +
        names.map((of, i) => `${counts[i]} of ${of}`).join(', '),
    )
  const size = sizes.reduce((a, b) => a + b, 0)
  const values = new Float64Array(count * size)
  let at = 0
  for (const [i, of] of names.entries()) {
    for (let n = 0; n < count; n++)
      values.set(all[of].subarray(n * sizes[i], (n + 1) * sizes[i]), n * size + at)
    at += sizes[i]
  }
  return values
}

/** Zeros in the place of labels. */
function withoutLabels(described: Checked, values: number, what: string): Int32Array {
  const { name, classes, classNames } = described
  const size = sampleFloats(described)
  if (values % size !== 0)
    fail(`${name}: ${what} must be samples of ${size} numbers each, got ${values}; check shape`)
  if (classes !== 0 || classNames !== undefined)
    fail(`${name}: classes and classNames belong to labels, which are not given; leave them out`)
  return new Int32Array(values / size)
}

function expectFloats(
  name: string,
  values: unknown,
): asserts values is Float32Array | Float64Array {
  if (!(values instanceof Float32Array) && !(values instanceof Float64Array))
    fail(`${name} must be a Float32Array, got ${describe(values)}`)
}

/** A copy that threads can share, of `size` numbers for each sample. @param orNaN may be some */
function copyFinite(
  name: string,
  values: Float32Array | Float64Array,
  size: number,
  orNaN = false,
): Float32Array {
  const isKnown = (value: number): boolean =>
    Number.isFinite(value) || (orNaN && Number.isNaN(value))
  const at = values.findIndex((value) => !isKnown(Math.fround(value)))
  if (!(at < 0))
    fail(`${name}: ${notFinite(values[at])} at index ${at}, in sample ${Math.floor(at / size)}`)
  const copy = new Float32Array(bytesToShare(4 * values.length))
  copy.set(values)
  return copy
}

const notFinite = (value: number): string =>
  `numbers must be finite in float32, got ${value}` +
  `${Number.isFinite(value) ? ', which overflows' : ''}`

function copyTargets(
  name: string,
  targets: Float32Array | Float64Array,
  count: number,
): Float32Array {
  if (targets.length === 0 || targets.length % count !== 0)
    fail(
      `${name}: targets must hold as many numbers for each of the ${count} samples, got ` +
        `${targets.length} in all`,
    )
  return copyFinite(`${name}: targets`, targets, targets.length / count, true)
}

/** A data set of samples that are checked. */
export function ofSamples({ samples, labels, targets, weights, ...described }: Samples): Dataset {
  const { name } = described
  const size = sampleFloats(described)
  const { length } = labels
  const outputs = targets ? targets.length / length : 0
  const dataset: Dataset = {
    ...described,
    length,
    read(index, out) {
      checkRead(name, index, length, out.length, size)
      const begin = index * size
      for (let i = 0; i < size; i++) out[i] = samples[begin + i]
      return labels[index]
    },
    ...(weights && { weightOf: (index: number) => weights[index] }),
    targets: targets && {
      size: outputs,
      read(index, out) {
        checkRead(name, index, length, out.length, outputs)
        for (let i = 0; i < outputs; i++) out[i] = targets[index * outputs + i]
      },
    },
  }
  const own = weights ? { weights } : {}
  const plain = { kind: 'arrays', ...described, samples, labels, targets, ...own }
  return withPlain(dataset, () => plain)
}
