/** The handwritten digits that come with the package. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { SpikewasmError } from '../errors.js'
import { fromBytes } from './bytes.js'
import type { Dataset, Normalization, Split } from './dataset.js'

const SIDE = 8
const CLASSES = 10

/** Grey values are 0 … 16. Mean and standard deviation are those of the training part. */
export const digitsNormalization: Normalization = { scale: 16, mean: [0.3051], std: [0.3762] }

/**
 * UCI *Optical Recognition of Handwritten Digits*, the 1,797 images of 8×8 grey values 0 … 16 (CC
 * BY 4.0), read from the package.
 *
 * The split is fixed and keeps the classes balanced: of the images of each digit, in the order of
 * the file, every fifth (the 5th, 10th, …) is for testing. That makes 1,442 for training and 355
 * for testing. (Every fifth line of the whole file would not do: long runs of it count 0, 1, 2, …
 * 9.) Values are normalised as (x / 16 − mean) / std.
 */
export function digits(): Split {
  const path = fileURLToPath(new URL('../../../data/digits.csv.gz', import.meta.url))
  let text: string
  try {
    text = gunzipSync(readFileSync(path)).toString('latin1')
  } catch (error) {
    throw new SpikewasmError(
      `digits: must be in the package at "${path}", got ${(error as Error).message}; ` +
        'install the package again',
      {
        cause: error,
      },
    )
  }
  const parts = {
    train: { images: [] as number[], labels: [] as number[] },
    test: { images: [] as number[], labels: [] as number[] },
  }
  const seen = new Array<number>(CLASSES).fill(0)
  for (const [index, line] of text.trimEnd().split('\n').entries()) {
    const numbers = line.split(',').map(Number)
    const label = numbers.pop()!
    const valid =
      numbers.length === SIDE * SIDE &&
      numbers.every((value) => Number.isInteger(value) && value >= 0 && value <= 16)
    if (!valid || !(label in seen)) {
      throw new SpikewasmError(
        `${path}: line ${index + 1} must hold 64 integers from 0 to 16 and a digit, got ` +
          `"${line}"; install the package again`,
      )
    }
    const part = ++seen[label] % 5 === 0 ? parts.test : parts.train
    part.images.push(...numbers)
    part.labels.push(label)
  }
  return {
    train: toDataset('digits train', parts.train),
    test: toDataset('digits test', parts.test),
  }
}

function toDataset(
  name: string,
  { images, labels }: { images: number[]; labels: number[] },
): Dataset {
  return fromBytes({
    name,
    images: Uint8Array.from(images),
    labels,
    shape: [1, SIDE, SIDE],
    classes: CLASSES,
    normalization: digitsNormalization,
  })
}
