/** Data sets from plain data, as another thread has sent it. */

import { ofSamples, type PlainArrays } from './arrays.js'
import { augment, type PlainAugmented } from './augment.js'
import { fromBytes, type PlainBytes } from './bytes.js'
import { type Dataset, type PlainSubset, slice } from './dataset.js'
import { encoded, type PlainEncoded } from './encoders.js'
import type { Plain } from './plain.js'

type Known = PlainArrays | PlainBytes | PlainSubset | PlainAugmented | PlainEncoded

interface Opener {
  readonly open: (plain: Plain) => Dataset
  readonly ns: number
}

const openers = new Map<string, Opener>()

/**
 * Has a kind of data set opened that needs Node: this file is for pages too, and cannot import its
 * maker.
 * @param ns about how many nanoseconds a number of a sample takes
 */
export function addOpener(kind: string, open: Opener['open'], ns: number): void {
  openers.set(kind, { open, ns })
}

/** The data set that `plainOf` gave this of. */
export function openPlain(plain: Plain): Dataset {
  const other = openers.get(plain.kind)
  if (other) return other.open(plain)
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
    case 'encoded':
      return encoded(known.encoder, openPlain(known.of), known.options)
    default:
      known satisfies never
      throw new Error(`unknown kind of data set: ${plain.kind}`)
  }
}

const bytesOptions = ({ kind: _, ...options }: PlainBytes) => options

/** About how many nanoseconds a number of a sample takes in training. */
export function readingNs(plain: Plain): number {
  const other = openers.get(plain.kind)
  if (other) return other.ns
  const known = plain as Known
  if (known.kind === 'subset') return readingNs(known.of)
  if (known.kind === 'encoded') return 10
  return known.kind === 'augmented' ? 5 : 1
}
