/** Data sets from plain data, as another thread has sent it. */

import { ofSamples, type PlainArrays } from './arrays.js'
import { augment, type PlainAugmented } from './augment.js'
import { fromBytes, type PlainBytes } from './bytes.js'
import { type Dataset, type PlainSubset, slice } from './dataset.js'
import { encoded, type PlainEncoded } from './encoders.js'
import { makerOf } from './makers.js'
import type { Plain } from './plain.js'

type Known = PlainArrays | PlainBytes | PlainSubset | PlainAugmented | PlainEncoded

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
    case 'encoded':
      return encoded(known.encoder, openPlain(known.of), known.options)
    default:
      known satisfies never
      return makerOf(plain).open(plain)
  }
}

const bytesOptions = ({ kind: _, ...options }: PlainBytes) => options

/** About how many nanoseconds a number of a sample takes in training. */
export function readingNs(plain: Plain): number {
  const known = plain as Known
  if (known.kind === 'subset') return readingNs(known.of)
  if (known.kind === 'encoded') return 10 + readingNs(known.of)
  if (known.kind === 'augmented') return 5 + readingNs(known.of)
  return known.kind === 'arrays' || known.kind === 'bytes' ? 1 : makerOf(plain).readingNs(plain)
}

/** Files of makers that a page does not have, by the kinds of data sets that they make. */
const files: Readonly<Record<string, () => Promise<unknown>>> = {
  events: () => import('./events/source.js'),
  async pictures() {
    await import('./pictures/dataset.js')
    await (await import('./pictures/decode.js')).loadCodecs()
  },
}

/** Whether its samples are read from files when they are asked for. */
export function isOfFiles(plain: Plain): boolean {
  const { kind, of } = plain as Plain & { readonly of?: Plain }
  return of === undefined ? Object.hasOwn(files, kind) : isOfFiles(of)
}

/** Loads what `openPlain` needs, in a thread. */
export async function loadMaker(plain: Plain): Promise<void> {
  const { kind, of } = plain as Plain & { readonly of?: Plain }
  if (of !== undefined) return loadMaker(of)
  await files[kind]?.()
}
