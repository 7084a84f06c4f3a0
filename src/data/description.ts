/** What data sets in memory are described by: checked and copied, so that nothing changes later. */
import { checkInteger, describe, fail } from '../errors.js'
import { checkInputShape, type InputShape } from '../nn/value.js'
import { checkLabels, MOST_CLASSES, MOST_STEPS, sampleFloats } from './dataset.js'

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
}

/** A description that was checked; its parts are copies. */
export interface Checked extends Description {
  readonly name: string
}

/** @throws SpikewasmError for a name or a shape that is none */
export function checkDescribed(
  maker: string,
  { shape, timeSteps, classes, classNames }: Description,
  name: string,
): Checked {
  if (typeof name !== 'string') fail(`${maker}.name must be a text, got ${describe(name)}`)
  if (timeSteps !== undefined) checkInteger(`${name}: timeSteps`, timeSteps, 1, MOST_STEPS)
  const checked = checkInputShape(`${name}: shape`, shape)
  return { name, shape: checked, timeSteps, classes, classNames }
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
): { labels: Int32Array; classNames: readonly string[] | undefined } {
  checkInteger(`${name}: classes`, classes, 1, MOST_CLASSES)
  const needed = labels.length * sampleFloats({ shape, timeSteps })
  if (values !== needed)
    fail(
      `${name}: images must have ${labels.length} labels × ` +
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
