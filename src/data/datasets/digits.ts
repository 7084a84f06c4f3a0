/** The handwritten digits that come with the package. */

import { describe, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import { readFirst, readOwn } from '../../engine/package-file.js'
import { platform } from '../../engine/platform.js'
import { gunzip, isGzip } from '../../files/unpack.js'
import { fromBytes } from '../bytes.js'
import type { LabelledData, Normalization, Split } from './dataset.js'

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
 *
 * @param from where `data/digits.csv.gz` of the package is, or its bytes; default: in the package
 */
export async function digits(from?: string | URL | Uint8Array): Promise<Split<LabelledData>> {
  const { name, bytes } = await read(copyOf(from))
  const text = new TextDecoder('latin1').decode(await gunzip(bytes, name, MOST))
  const make = () => ({ images: [] as number[], labels: [] as number[] })
  const parts = { train: make(), test: make() }
  const seen = new Array<number>(CLASSES).fill(0)
  for (const [index, line] of text.trimEnd().split('\n').entries()) {
    const numbers = line.split(',').map(Number)
    const label = numbers.pop()!
    const valid =
      numbers.length === SIDE * SIDE &&
      numbers.every((value) => Number.isInteger(value) && value >= 0 && value <= 16)
    if (!valid || !(label in seen)) {
      fail(
        `${name}: line ${index + 1} must hold 64 integers from 0 to 16 and a digit, got ` +
          `"${line}"; install the package again`,
      )
    }
    const part = ++seen[label] % 5 === 0 ? parts.test : parts.train
    part.images.push(...numbers)
    part.labels.push(label)
  }
  const toDataset = (part: keyof typeof parts): LabelledData =>
    fromBytes({
      name: `digits ${part}`,
      images: Uint8Array.from(parts[part].images),
      labels: parts[part].labels,
      shape: [1, SIDE, SIDE],
      classes: CLASSES,
      normalization: digitsNormalization,
    })
  return { train: toDataset('train'), test: toDataset('test') }
}

/** Far more than it unpacks to. */
const MOST = 1 << 20

const MEND =
  'give datasets.digits its address: with Vite, ' +
  "import digits from 'spikewasm/digits.csv.gz?url'; " +
  'elsewhere copy it from node_modules/spikewasm/data'

/** Servers may unpack it. */
const isDigits = (bytes: Uint8Array): boolean =>
  isGzip(bytes) || /^[\d,]{20}/.test(new TextDecoder().decode(bytes.subarray(0, 64)))

async function read(from: string | URL | Uint8Array | undefined) {
  if (from instanceof Uint8Array) return { name: 'the digits', bytes: from }
  if (from !== undefined && typeof from !== 'string' && !(from instanceof URL))
    fail(
      'datasets.digits must be given nothing, the address of its file or its bytes, got ' +
        describe(from),
    )
  const { url, bytes } =
    from === undefined
      ? await readOwn('data/digits.csv.gz', isDigits, MEND)
      : await readFirst([platform().address(from)], isDigits, MEND)
  return { name: url.protocol === 'file:' ? decodeURIComponent(url.pathname) : url.href, bytes }
}
