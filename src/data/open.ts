/** Data sets from plain data, as another thread has sent it. */

import { ofSamples, type PlainArrays } from './arrays.js'
import { augment, type PlainAugmented } from './augment.js'
import { fromBytes, type PlainBytes } from './bytes.js'
import { type Dataset, openers, type PlainSubset, slice } from './dataset.js'
import { encoded, type PlainEncoded } from './encoders.js'
import type { Plain } from './plain.js'

type Known = PlainArrays | PlainBytes | PlainSubset | PlainAugmented | PlainEncoded

/** The data set that `plainOf` gave this of. */
export function openPlain(plain: Plain): Dataset {
  const known = plain as Known
  switch (known.kind) {
    case 'arrays':
      return ofSamples(optionsOf(known))
    case 'bytes':
      return fromBytes(optionsOf(known))
    case 'subset':
      return slice(openPlain(known.of), known.first, known.limit)
    case 'augmented':
      return augment(openPlain(known.of), known.options)
    case 'encoded':
      return encoded(known.encoder, openPlain(known.of), known.options)
    default:
      known satisfies never
  }
  const open = openers.get(plain.kind)
  if (open === undefined) throw new Error(`unknown kind of data set: ${plain.kind}`)
  return open(plain)
}

const optionsOf = <P extends Plain>({ kind: _, ...options }: P) => options

type Made = Plain & { readonly of?: Plain }

/** Nanoseconds for a number of a sample, beside those of the data set that it is made of. */
const nanoseconds: Readonly<Record<string, number>> = {
  ...{ arrays: 1, bytes: 1, subset: 0, augmented: 5, encoded: 10, events: 30 },
  // Decoding takes some 20 to 30 on one processor.
  pictures: 25,
}

/** About how many nanoseconds a number of a sample takes in training. */
export const readingNs = ({ kind, of }: Made): number =>
  nanoseconds[kind] + (of === undefined ? 0 : readingNs(of))

/** Files of makers that a page does not have, by the kinds of data sets that they make. */
const files: Readonly<Record<string, () => Promise<unknown>>> = {
  events: () => import('./events/source.js'),
  async pictures() {
    await import('./pictures/dataset.js')
    await (await import('./pictures/decode.js')).loadCodecs()
  },
}

/** Whether its samples are read from files when they are asked for. */
export const isOfFiles = ({ kind, of }: Made): boolean =>
  of === undefined ? Object.hasOwn(files, kind) : isOfFiles(of)

/** Loads what `openPlain` needs, in a thread. */
export async function loadMaker({ kind, of }: Made): Promise<void> {
  if (of !== undefined) return loadMaker(of)
  await files[kind]?.()
}
