/**
 * Records by name: a schema says which word a field fills and how a kernel uses it; fields become
 * words, and words can be read again by name.
 */

import {
  type Buffer,
  f32 as float,
  type Reference,
  ref,
  type Table,
  type Words,
  type WordValue,
} from '../program.js'

/** How a kernel uses a word. */
export type Use = 'reads' | 'writes' | 'updates' | 'number' | 'float' | 'flag' | 'table'

export interface Field<W extends number, V> {
  readonly word: W
  readonly use: Use
  /** Type alone. */
  readonly value?: V
}

/** A buffer or a place in one. */
export type Place = Buffer | Reference

const field =
  <V>(use: Use) =>
  <W extends number>(word: W): Field<W, V> => ({ word, use })

export const reads = field<Place>('reads')
export const readsIf = field<Place | undefined>('reads')
export const writes = field<Place>('writes')
export const writesIf = field<Place | undefined>('writes')
/** Adds to what is there, or goes on from it. */
export const updatesIf = field<Place | undefined>('updates')
export const number = field<number>('number')
export const numberIf = field<number | undefined>('number')
export const f32 = field<number>('float')
export const f32If = field<number | undefined>('float')
export const flag = field<boolean>('flag')
export const table = field<Table>('table')

export type Schema = Readonly<Record<string, Field<number, unknown>>>

type ValueOf<F> = F extends Field<number, infer V> ? V : never
/** What a schema's record must name. */
export type Fields<S extends Schema> = {
  readonly [K in keyof S as undefined extends ValueOf<S[K]> ? never : K]: ValueOf<S[K]>
} & {
  readonly [K in keyof S as undefined extends ValueOf<S[K]> ? K : never]?: ValueOf<S[K]>
}

/** Words of an enum that a schema leaves out; `never` where it is complete. */
export type Missing<E extends number, S extends Schema> = Exclude<E, S[keyof S]['word']>

export function wordsOf<S extends Schema>(schema: S, fields: Fields<S>): Words {
  const words: Record<number, WordValue> = {}
  for (const [name, value] of Object.entries(fields)) {
    const { word, use } = schema[name]
    if (value === undefined) continue
    words[word] =
      use === 'float'
        ? float(value as number)
        : use === 'flag'
          ? Number(value)
          : place(value as WordValue | Buffer)
  }
  return words
}

const place = (value: WordValue | Buffer): WordValue =>
  typeof value === 'object' && 'purpose' in value ? ref(value) : value
