/** Recordings as files, made by hand. */

import { readFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'

/** [x, y, t, p] */
export type Event = readonly [number, number, number, number]

export const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../test/fixtures/events/${name}`, import.meta.url)))

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const joined = (parts: readonly Bytes[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]))

export const nmnistFile = (events: readonly Event[]): Uint8Array =>
  joined(events.map(([x, y, t, p]) => [x, y, (p << 7) | (t >> 16), (t >> 8) & 255, t & 255]))

function words(values: readonly number[], little: boolean): Uint8Array {
  const bytes = new Uint8Array(4 * values.length)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, little)
  return bytes
}

export const aedat2File = (
  events: readonly Event[],
  header = '#!AER-DAT2.0\r\n# a line\r\n',
): Uint8Array => {
  const address = ([x, y, , p]: Event): number => ((127 - x) << 8) | ((127 - y) << 1) | (1 - p)
  return joined([text(header), ...events.map((each) => words([address(each), each[2]], false))])
}

/** A packet of another type comes first. */
export const aedat3File = (events: readonly Event[], overflow = 0): Uint8Array => {
  const head = (type: number, count: number): Uint8Array =>
    words([type | (1 << 16), 8, 4, overflow, count, count, count], true)
  const data = ([x, y, , p]: Event): number => (x << 17) | (y << 2) | (p << 1) | 1
  return joined([
    ...[text('#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n'), head(2, 1), words([0, 0], true)],
    ...[head(1, events.length), ...events.map((each) => words([data(each), each[2]], true))],
  ])
}

type Bytes = Uint8Array | readonly number[]

/** NumPy's header of an array. */
export const npyHeader = (descr: string, shape: string, isFortran = 'False'): string =>
  `{'descr': ${descr}, 'fortran_order': ${isFortran}, 'shape': (${shape}), }`

/** A .npy file of any header; its length takes two bytes in version 1, then four. */
export const npyOf = (header: string, data: Bytes, version = 1): Uint8Array => {
  const length = [header.length & 255, header.length >> 8, 0, 0].slice(0, version === 1 ? 2 : 4)
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
  return joined([magic, [version, 0], length, text(header), data])
}

export const npyFile = (descr: string, shape: string, data: Bytes): Uint8Array =>
  npyOf(npyHeader(descr, shape), data)

/** Tonic's structured array: x, y int16, t int64, p bool. */
export function structuredNpy(events: readonly Event[]): Uint8Array {
  const data = new Uint8Array(13 * events.length)
  const view = new DataView(data.buffer)
  for (const [i, [x, y, t, p]] of events.entries()) {
    view.setInt16(13 * i, x, true)
    view.setInt16(13 * i + 2, y, true)
    view.setBigInt64(13 * i + 4, BigInt(t), true)
    data[13 * i + 12] = p
  }
  const descr = "[('x', '<i2'), ('y', '<i2'), ('t', '<i8'), ('p', '|b1')]"
  return npyFile(descr, `${events.length},`, data)
}

/** SpikingJelly's archive. */
export function npzFile(events: readonly Event[], packed = true): Uint8Array {
  const locals: Uint8Array[] = []
  const entries: Uint8Array[] = []
  let at = 0
  for (const [i, key] of ['x', 'y', 't', 'p'].entries()) {
    const values = events.map((event) => event[i])
    const plain = npyFile("'<u4'", `${events.length},`, words(values, true))
    const data = packed ? new Uint8Array(deflateRawSync(plain)) : plain
    const name = text(`${key}.npy`)
    const method = packed ? 8 : 0
    const sizes = [...words([0, data.length, plain.length], true), name.length, 0, 0, 0]
    const common = [20, 0, 0, 0, method, 0, 0, 0, 0, 0, ...sizes]
    const local = joined([[0x50, 0x4b, 3, 4], common, name, data])
    const rest = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...words([at], true)]
    entries.push(joined([[0x50, 0x4b, 1, 2, 20, 0], common, rest, name]))
    locals.push(local)
    at += local.length
  }
  const directory = joined(entries)
  const counts = [4, 0, 4, 0]
  const end = [...words([directory.length, at], true), 0, 0]
  return joined([...locals, directory, [0x50, 0x4b, 5, 6, 0, 0, 0, 0], counts, end])
}
