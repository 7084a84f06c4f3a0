/** Data sets from plain data, as another thread has sent it. */

import { ofSamples, type Samples } from './arrays.js'
import { type AugmentOptions, augment } from './augment.js'
import { type BytesOptions, fromBytes } from './bytes.js'
import { type Dataset, openers, taken } from './datasets/dataset.js'
import { type EncoderName, encoded } from './encoders.js'
import type { Plain } from './plain.js'

/** What opens data sets whose samples lie in memory, or are made of another one. */
const makers = {
  arrays: ({ kind: _, ...samples }: Plain & Samples) => ofSamples(samples),
  bytes: ({ kind: _, ...options }: Plain & BytesOptions) => fromBytes(options),
  subset: ({ of, ...which }: { of: Plain } & Parameters<typeof taken>[1]) =>
    taken(openPlain(of), which),
  augmented: ({ of, options }: { of: Plain; options: AugmentOptions }) =>
    augment(openPlain(of), options),
  encoded: ({ of, encoder, options }: { of: Plain; encoder: EncoderName; options: object }) =>
    encoded(encoder, openPlain(of), options),
}

/** The data set that `plainOf` gave this of. */
export function openPlain(plain: Plain): Dataset {
  const open = openers.get(plain.kind) ?? makers[plain.kind as keyof typeof makers]
  if (open === undefined) throw new Error(`unknown kind of data set: ${plain.kind}`)
  return open(plain as never)
}

type Made = Plain & { readonly of?: Plain }

/** Nanoseconds for a number of a sample, beside those of the data set that it is made of. */
const nanoseconds: Readonly<Record<string, number>> = {
  arrays: 1,
  bytes: 1,
  subset: 0,
  augmented: 5,
  encoded: 10,
  events: 30,
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
