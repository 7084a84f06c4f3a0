/**
 * Data sets as plain data, so that another thread can make the same data set of it. Which these are
 * is noted beside their `read` functions, not in the objects: a copy of an object with a `read` of
 * its own, `{ ...data, read }`, is another data set, and nobody but its maker can read it.
 */

import { isNode } from '../engine/threads/processors.js'

/** What counts of a data set here. */
interface Readable {
  readonly read: (...args: never[]) => number
  readonly pixels?: { readonly read: (...args: never[]) => number }
  readonly targets?: { readonly read: (...args: never[]) => void }
  readonly weightOf?: (index: number) => number
}

/** A data set as its maker describes it: the kind says which maker. */
export interface Plain {
  readonly kind: string
}

interface Note {
  readonly own: readonly unknown[]
  readonly plain: () => Plain | undefined
  readonly changes: object | undefined
  readonly hash: (() => string) | undefined
}

const notes = new WeakMap<object, Note>()

const functionsOf = ({ pixels, targets, weightOf }: Readable): readonly unknown[] => [
  pixels?.read,
  targets?.read,
  weightOf,
]

/**
 * Notes how a data set can be made again.
 * @param plain is called when the data set is to be sent; undefined where what it reads from cannot
 * @param changes how samples change from epoch to epoch, as plain data; default: they do not
 * @param hash what stands for all samples, where reading them takes long; default: they themselves
 * @returns the data set
 */
export function withPlain<D extends Readable>(
  dataset: D,
  plain: Note['plain'],
  changes?: object,
  hash?: () => string,
): D {
  notes.set(dataset.read, { own: functionsOf(dataset), plain, changes, hash })
  return dataset
}

/**
 * How samples of a data set change from epoch to epoch; undefined where they do not, and where that
 * cannot be known.
 */
export const changesOf = ({ read }: Readable): object | undefined => notes.get(read)?.changes

/** What stands for all samples of a data set of this package; undefined where they do. */
export const hashOf = (dataset: Readable): (() => string) | undefined =>
  isOurs(dataset) ? notes.get(dataset.read)?.hash : undefined

/** Whether a data set is as its maker in this package has made it. */
export const isOurs = (dataset: Readable): boolean => {
  const now = functionsOf(dataset)
  return notes.get(dataset.read)?.own.every((made, i) => made === now[i]) ?? false
}

/** A data set as plain data; undefined if only this object can read it. */
export const plainOf = (dataset: Readable): Plain | undefined =>
  isOurs(dataset) ? notes.get(dataset.read)?.plain() : undefined

/** Memory for so many bytes, such that threads can share it where there are threads. */
export const bytesToShare = (length: number): ArrayBufferLike =>
  isNode() ? new SharedArrayBuffer(length) : new ArrayBuffer(length)

/** The bytes in memory that threads can share: they themselves, or a copy. */
export function sharedBytes(bytes: Uint8Array): Uint8Array {
  if (!isNode() || bytes.buffer instanceof SharedArrayBuffer) return bytes
  const copy = new Uint8Array(bytesToShare(bytes.length))
  copy.set(bytes)
  return copy
}
