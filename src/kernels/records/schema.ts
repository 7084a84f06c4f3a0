/**
 * Records by name. A schema names the words of an operation's record and says what the kernel does
 * with each. From it follow the types of the fields, the words themselves, lifetimes, the check for
 * uninitialised reads, the printed program, and the class by which the kernel reads the record
 * (tools/records.mjs writes it to assembly/generated/records.ts).
 *
 * Legend of shapes: B images, H, W, C channels as stored (padded), T time steps of one call, P =
 * B·H·W pixels, N output channels as stored. Tensors are [B][H][W][T][C] float32 (currents),
 * [B][H][W][C] float32 (means, gradients in rate mode), or [plane][B][H][W][C] bytes (spike masks:
 * bit t & 7 of plane t >> 3).
 */

import {
  type Buffer,
  type Data,
  f32 as float,
  type Reference,
  ref,
  type Table,
  type Words,
  type WordValue,
} from './words.js'

/**
 * What a kernel does with a word.
 *
 * - `reads`, `writes`: an address that is only read, or wholly written.
 * - `updates`: an address that is read and written; something must be there before.
 * - `carries`: state of a loop over t. The kernel sets it at the first step and goes on from it.
 * - `number`, `size`, `float`, `flag`: the value itself. A size is added to addresses.
 * - `entries`: a table whose entries have a schema of their own.
 * - `data`: constant bytes.
 */
export type Use =
  | 'reads'
  | 'writes'
  | 'updates'
  | 'carries'
  | 'number'
  | 'size'
  | 'float'
  | 'flag'
  | 'entries'
  | 'data'

/** A word of a record. `V`: what a field of this name takes. */
export interface Field<V> {
  readonly word: number
  readonly use: Use
  /** Name of a flag: when it is set the kernel adds to what it otherwise writes. */
  readonly addsWith?: string
  /** What a table of `entries` is made of. */
  readonly entry?: Entry
  /** Type alone. */
  readonly value?: V
}

/** A buffer, or a place in one. */
export type Place = Buffer | Reference
/** A place, or the address of a control word that holds the address (the input). */
export type Source = Place | number

type Word<V> = (word: number) => Field<V>

const field =
  <V>(use: Use): Word<V> =>
  (word) => ({ word, use })

// With If: records may lack it.
export const reads = field<Place>('reads')
export const readsIf: Word<Place | undefined> = reads
/** Reads a place, or what a control word points to. */
export const readsInput: Word<Source> = reads
export const readsInputIf: Word<Source | undefined> = reads
export const writes = field<Place>('writes')
export const writesIf: Word<Place | undefined> = writes
export const updates = field<Place>('updates')
export const updatesIf: Word<Place | undefined> = updates
export const carries = field<Place>('carries')
export const carriesIf: Word<Place | undefined> = carries
export const number = field<number>('number')
export const numberIf: Word<number | undefined> = number
export const size = field<number>('size')
export const sizeIf: Word<number | undefined> = size
export const f32 = field<number>('float')
export const f32If: Word<number | undefined> = f32
export const flag = field<boolean>('flag')
export const flagIf: Word<boolean | undefined> = flag
/** A flag, or a number of 2 or more: so many bytes less one lie before what is meant. */
export const behind = field<boolean | number>('flag')
export const behindIf: Word<boolean | number | undefined> = behind
export const data = field<Uint8Array>('data')
export const dataIf: Word<Uint8Array | undefined> = data

/** Writes; adds to what is there when the flag of this name is set. */
export const writesOrAdds = (word: number, addsWith: string): Field<Place> => ({
  word,
  use: 'writes',
  addsWith,
})
export const writesOrAddsIf: (word: number, addsWith: string) => Field<Place | undefined> =
  writesOrAdds

/** An entry of a table, of so many bytes. Its class in the engine has the name of its constant. */
export interface Entry<S extends Schema = Schema> {
  readonly bytes: number
  readonly schema: S
}
export const entry = <S extends Schema>(bytes: number, schema: S): Entry<S> => ({ bytes, schema })

/** A table: the word holds its address. */
export const entries = <S extends Schema>(
  word: number,
  entry: Entry<S>,
): Field<readonly Fields<S>[]> => ({ word, use: 'entries', entry })

export type Schema = Readonly<Record<string, Field<unknown>>>

type ValueOf<F> = F extends Field<infer V> ? V : never
/** What a schema's record must name. */
export type Fields<S extends Schema> = {
  readonly [K in keyof S as undefined extends ValueOf<S[K]> ? never : K]: ValueOf<S[K]>
} & {
  readonly [K in keyof S as undefined extends ValueOf<S[K]> ? K : never]?: ValueOf<S[K]>
}

/** How a record runs, and about how many nanoseconds that takes (compile/budgets.ts). */
export interface Work {
  /** For one multiplication and addition of the dense product; on spikes most are left out. */
  readonly product?: number
  /** Taps of a kernel whose record does not say. */
  readonly taps?: number
  /** For a parameter of the optimizer. */
  readonly parameter?: number
  /** For a byte that it reads or writes, where it does more than copy. */
  readonly byte?: number
  /** The kernel's function, where it has not the operation's name. */
  readonly kernel?: string
}
export const copies: Work = {}
export const perProduct = (product: number, taps?: number): Work => ({ product, taps })
export const perParameter = (parameter: number): Work => ({ parameter })
export const perByte = (byte: number): Work => ({ byte })
export const runsAs = (kernel: string): Work => ({ kernel })

/** An operation: its name, its number, the schema of its records, and how they run. */
export interface RecordKind<S extends Schema = Schema> {
  readonly name: string
  readonly op: number
  readonly work: Work
  readonly schema: S
  /** Bytes of scratch that each worker needs for such a record; undefined: none. */
  scratchOf?(fields: Fields<S>): number
}

/** What a record, or an entry, of this kind must name. */
export type FieldsOf<K> = K extends { readonly schema: infer S extends Schema } ? Fields<S> : never

export const record = <S extends Schema>(
  name: string,
  op: number,
  work: Work,
  schema: S,
  scratchOf?: (fields: Fields<S>) => number,
): RecordKind<S> => ({ name, op, work, schema, scratchOf })

/** The engine's function that runs an operation. */
export const kernelOf = ({ name, work }: Pick<RecordKind, 'name' | 'work'>): string =>
  work.kernel ?? name[0].toLowerCase() + name.slice(1)

/** Fields of any schema, once their types have been checked. */
export type AnyFields = Readonly<Record<string, unknown>>

export const isBuffer = (value: unknown): value is Buffer =>
  typeof value === 'object' && value !== null && 'purpose' in value

const isReference = (value: unknown): value is Reference =>
  typeof value === 'object' && value !== null && 'buffer' in value

/** The same fields with other places, those of its tables included. */
export function withPlaces<F extends object>(
  schema: Schema,
  fields: F,
  placeOf: (place: Reference, use: Access['use']) => Reference,
): F {
  const placed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    const { use, entry } = schema[name]
    if (use === 'entries')
      placed[name] = (value as AnyFields[]).map((of) =>
        withPlaces((entry as Entry).schema, of, placeOf),
      )
    else if (use === 'reads' || use === 'writes' || use === 'updates' || use === 'carries') {
      const place = isBuffer(value) ? ref(value) : value
      placed[name] = isReference(place) ? placeOf(place, use) : value
    } else placed[name] = value
  }
  return placed as F
}

/**
 * The words of a record, or of a table's entry.
 *
 * @param touch told of each buffer that they point to
 */
export function wordsOf<S extends Schema>(
  schema: S,
  fields: Fields<S>,
  touch?: (buffer: Buffer) => void,
): Words {
  const words: Record<number, WordValue> = {}
  const values: AnyFields = fields
  for (const name in values) {
    const value = values[name]
    if (value === undefined) continue
    const of = schema[name]
    if (!of) throw new Error(`a record has no field ${name}`)
    words[of.word] = wordOf(of, value, touch)
  }
  return words
}

function wordOf(
  { use, entry }: Field<unknown>,
  value: unknown,
  touch?: (buffer: Buffer) => void,
): WordValue {
  if (use === 'float') return float(value as number)
  if (use === 'flag') return Number(value)
  if (use === 'data') return { data: value as Uint8Array } satisfies Data
  if (use === 'entries') {
    const { schema, bytes } = entry as Entry
    const table = (value as AnyFields[]).map((fields) => wordsOf(schema, fields, touch))
    return { table, entryBytes: bytes } satisfies Table
  }
  if (typeof value === 'number') return value
  const place = isBuffer(value) ? ref(value) : (value as Reference)
  touch?.(place.buffer)
  return place
}

/** A use of a buffer by a record. */
export interface Access {
  readonly name: string
  readonly buffer: Buffer
  readonly offset: number
  readonly use: 'reads' | 'writes' | 'updates' | 'carries'
}

/** What a record does to which buffers, its tables' entries included. */
export function accesses(schema: Schema, fields: AnyFields): readonly Access[] {
  const found: Access[] = []
  addAccesses(schema, fields, '', found)
  return found
}

/** No generator: plans ask for each record several times. */
function addAccesses(schema: Schema, fields: AnyFields, within: string, found: Access[]): void {
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined) continue
    const { use, addsWith, entry } = schema[name]
    if (use === 'entries') {
      const table = value as AnyFields[]
      for (let i = 0; i < table.length; i++)
        addAccesses((entry as Entry).schema, table[i], `${within}${name}[${i}].`, found)
    } else if (use === 'reads' || use === 'writes' || use === 'updates' || use === 'carries') {
      const isWhole = isBuffer(value)
      if (!isWhole && !isReference(value)) continue
      const buffer = isWhole ? value : value.buffer
      const offset = isWhole ? 0 : value.offset
      const adds = addsWith !== undefined && Boolean(fields[addsWith])
      found.push({ name: within + name, buffer, offset, use: adds ? 'updates' : use })
    }
  }
}

// The choice between kernels by how many spikes there are.

/** The spikes of one tensor. */
export const spikeSum = entry(8, {
  /** u32 [Units]: `countPartials`. */
  sums: reads(0),
  units: size(1),
})

/** Chooses between kernels by how many spikes there are; one unit. */
export const choose = record('Choose', 55, copies, {
  /** u32 [2]: 1, 0 when the sources have at most Limit spikes, else 0, 1. */
  out: writes(4),
  /** Table of sourceCount entries: see `spikeSum`. */
  sources: entries(5, spikeSum),
  sourceCount: number(6),
  /** Spikes of one call. */
  limit: size(7),
  /** Steps of a call of a loop over t outside, whose counts add up; else 0. */
  callSteps: sizeIf(8),
})
