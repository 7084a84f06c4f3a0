/** Data sets from plain data, as another thread has sent it. */

import { ofSamples, type PlainArrays } from './arrays.js'
import { augment, type PlainAugmented } from './augment.js'
import { fromBytes, type PlainBytes } from './bytes.js'
import { type Dataset, type PlainSubset, slice } from './dataset.js'
import type { Plain } from './plain.js'

type Known = PlainArrays | PlainBytes | PlainSubset | PlainAugmented

/** The data set that `plainOf` gave this of. */
export function openPlain(plain: Plain): Dataset {
  const known = plain as Known
  switch (known.kind) {
    case 'arrays':
      return ofSamples(known, known.samples, known.labels, known.targets)
    case 'bytes':
      return fromBytes(bytesOptions(known))
    case 'subset':
      return slice(openPlain(known.of), known.first, known.limit)
    case 'augmented':
      return augment(openPlain(known.of), known.options)
    default:
      known satisfies never
      throw new Error(`unknown kind of data set: ${plain.kind}`)
  }
}

const bytesOptions = ({ kind: _, ...options }: PlainBytes) => options

/** About how many nanoseconds a number of a sample takes in training. */
export function readingNs(plain: Plain): number {
  const known = plain as Known
  if (known.kind === 'subset') return readingNs(known.of)
  return known.kind === 'augmented' ? 5 : 1
}
