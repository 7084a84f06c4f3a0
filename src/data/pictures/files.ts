/** Names of many files with their labels, in memory that threads share. */

import { bytesToShare } from '../plain.js'

/** One file. */
export interface FileEntry {
  /** Path below the folder. */
  readonly path: string
  readonly label: number
  readonly bytes: number
  /** When it was changed, in milliseconds. */
  readonly changed: number
}

/** The same for all, as plain data: names lie one behind the other. */
export interface FileTable {
  readonly folder: string
  readonly names: Uint8Array
  /** [files + 1] */
  readonly starts: Float64Array
  readonly labels: Int32Array
  /** Bytes of each file. */
  readonly sizes: Float64Array
}

const shared = (bytes: number): SharedArrayBuffer => bytesToShare(bytes) as SharedArrayBuffer

export function tableOf(folder: string, entries: readonly FileEntry[]): FileTable {
  const encoded = entries.map(({ path }) => new TextEncoder().encode(path))
  const starts = new Float64Array(shared(8 * (entries.length + 1)))
  for (const [i, { length }] of encoded.entries()) starts[i + 1] = starts[i] + length
  const names = new Uint8Array(shared(starts[entries.length]))
  for (const [i, name] of encoded.entries()) names.set(name, starts[i])
  const labels = new Int32Array(shared(4 * entries.length))
  const sizes = new Float64Array(shared(8 * entries.length))
  for (const [i, { label, bytes }] of entries.entries()) {
    labels[i] = label
    sizes[i] = bytes
  }
  return { folder, names, starts, labels, sizes }
}

export const pathOf = ({ names, starts }: FileTable, index: number): string =>
  new TextDecoder().decode(names.slice(starts[index], starts[index + 1]))
