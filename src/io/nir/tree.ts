/**
 * What an HDF5 file holds, as plain data: groups of groups, numbers and texts. It goes between
 * threads.
 */

/** Numbers of any shape; integers of 64 bits as bigints. */
export interface NumbersLeaf {
  readonly kind: 'numbers'
  /** None for a single number. */
  readonly shape: readonly number[]
  readonly data: Numbers
}

/** Texts of any shape. */
export interface TextsLeaf {
  readonly kind: 'texts'
  /** None for a single text. */
  readonly shape: readonly number[]
  readonly data: readonly string[]
}

/** What no graph holds: references, compounds, links to other files. It is not read. */
export interface OtherLeaf {
  readonly kind: 'other'
  /** What it is, for messages. */
  readonly what: string
}

export interface Group {
  readonly kind: 'group'
  readonly members: ReadonlyMap<string, Tree>
}

export type Tree = Group | NumbersLeaf | TextsLeaf | OtherLeaf

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/** Bounds of a file, so that a hostile one cannot take all memory. */
export const most = {
  /** Bytes of the file. */
  file: 1 << 29,
  /** Bytes of all numbers and texts once they are unpacked. */
  unpacked: 1 << 30,
  /** Groups, numbers and texts. */
  members: 50_000,
  /** Groups within groups. */
  depth: 40,
  /** Numbers of sizes of an array. */
  dimensions: 8,
  /** Texts of an array. */
  texts: 200_000,
  /** Characters of a text or a name. */
  text: 1 << 20,
} as const

export const numbers = (data: Numbers, shape: readonly number[] = [data.length]): NumbersLeaf => ({
  kind: 'numbers',
  shape,
  data,
})

export const texts = (
  data: readonly string[],
  shape: readonly number[] = [data.length],
): TextsLeaf => ({ kind: 'texts', shape, data })

export const group = (members: Iterable<readonly [string, Tree]>): Group => ({
  kind: 'group',
  members: new Map(members),
})

/** The HDF5 library, which is an optional dependency. */
export const hdf5Package = 'h5wasm'
