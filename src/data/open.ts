/** Data sets from plain data, as another thread has sent it. */

import { augment, type PlainAugmented } from './augment.js'
import {
  type Dataset,
  fromBytes,
  ofSamples,
  type PlainArrays,
  type PlainBytes,
  type PlainSubset,
  subset,
} from './dataset.js'
import type { Plain } from './plain.js'

type Known = PlainArrays | PlainBytes | PlainSubset | PlainAugmented

/** The data set that `plainOf` gave this of. */
export function openPlain(plain: Plain): Dataset {
  const known = plain as Known
  switch (known.kind) {
    case 'arrays':
      return ofSamples(known.name, known.samples, known.labels, known)
    case 'bytes':
      return fromBytes(known)
    case 'subset':
      return subset(openPlain(known.of), known.limit)
    case 'augmented':
      return augment(openPlain(known.of), known.options)
    default:
      known satisfies never
      throw new Error(`unknown kind of data set: ${plain.kind}`)
  }
}

/** About how many nanoseconds a number of a sample takes in training. */
export function readingNs(plain: Plain): number {
  const known = plain as Known
  if (known.kind === 'subset') return readingNs(known.of)
  return known.kind === 'augmented' ? 5 : 1
}
