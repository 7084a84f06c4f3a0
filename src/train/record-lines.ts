/** Records of epochs as lines of JSON. */

import type { EpochRecord } from './records.js'

/** Lines of records that do not change any more: there may be ten thousands. */
const known = new WeakMap<EpochRecord, string>()

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export const lineOf = (record: EpochRecord): Uint8Array => encode(`${JSON.stringify(record)}\n`)

/** A JSON object a line; each record is written out once. */
export function linesOf(records: readonly EpochRecord[]): Uint8Array {
  const lines = records.map((record) => {
    const line = known.get(record) ?? `${JSON.stringify(record)}\n`
    known.set(record, line)
    return line
  })
  return encode(lines.join(''))
}

/** Bytes behind bytes. */
export function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
