/** Records of epochs as lines of JSON. */

import type { EpochRecord } from './records.js'

interface Lines {
  /** How many records they are. */
  readonly count: number
  readonly bytes: Uint8Array
}

/** Lines of the records up to this one. */
const known = new WeakMap<EpochRecord, Lines>()

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export const lineOf = (record: EpochRecord): Uint8Array => encode(`${JSON.stringify(record)}\n`)

/**
 * A JSON object a line. Records do not change any more, and there may be ten thousands: only those
 * that are new are written out. The bytes must not be changed.
 */
export function linesOf(records: readonly EpochRecord[]): Uint8Array {
  let from = records.length
  let before: Lines | undefined
  while (from > 0 && !before) {
    const found = known.get(records[from - 1])
    if (found?.count === from) before = found
    else from--
  }
  if (before && from === records.length) return before.bytes
  const fresh = encode(
    records
      .slice(from)
      .map((record) => `${JSON.stringify(record)}\n`)
      .join(''),
  )
  const bytes = before ? joined(before.bytes, fresh) : fresh
  // Each is as long as all before it: one is enough.
  if (before) known.delete(records[from - 1])
  const last = records.at(-1)
  if (last) known.set(last, { count: records.length, bytes })
  return bytes
}

/** Bytes behind bytes. */
export function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
