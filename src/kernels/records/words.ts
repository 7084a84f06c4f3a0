/** Buffers with a purpose and a lifetime, and the words of records that point to them. */

/** What memory is for, as `model.summary()` groups it. */
export type MemoryKind =
  | 'parameters'
  | 'gradients'
  | 'optimizer'
  | 'statistics'
  | 'recorded'
  | 'input'
  | 'kept'
  | 'scratch'

export interface Buffer {
  readonly name: string
  readonly bytes: number
  readonly purpose: MemoryKind
  /** Lives from compilation to disposal: read or written by the host, or kept between runs. */
  readonly persistent: boolean
  /** First and last record (over all programs) that touches it. */
  first: number
  last: number
  /** Set by `assignAddresses`. */
  address: number
}

/** An address inside a buffer, read, written or both by the record that holds it. */
export interface Reference {
  readonly buffer: Buffer
  readonly offset: number
}
export interface Float {
  readonly f32: number
}
/** Constant data that a record points to: entries of words. */
export interface Table {
  readonly table: ReadonlyArray<Words>
  readonly entryBytes: number
}
/** Constant bytes that a record points to. */
export interface Data {
  readonly data: Uint8Array
}
export type WordValue = number | Float | Reference | Table | Data
export type Words = { readonly [word: number]: WordValue | undefined }

export const ref = (buffer: Buffer, offset = 0): Reference => ({ buffer, offset })
export const f32 = (value: number): Float => ({ f32: value })

export const isReference = (value: WordValue): value is Reference =>
  typeof value === 'object' && 'buffer' in value

/** Buffers that a record's words and tables point to. */
export function* buffersOf(words: Words): Generator<Buffer> {
  for (const value of Object.values(words)) {
    if (value === undefined || typeof value === 'number') continue
    if (isReference(value)) yield value.buffer
    else if ('table' in value) for (const entry of value.table) yield* buffersOf(entry)
  }
}
