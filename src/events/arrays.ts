/** Events in NumPy's files: structured arrays, [N, 4] arrays, and archives of t, x, y and p. */

import { quote } from '../errors.js'
import { type EventRecording, Events, expectEvent, refuse, type Sensor } from './recording.js'

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const LONGEST_HEADER = 10_000

/** Reads one number, by the letter and bytes of NumPy's type. */
type Read = (view: DataView, at: number) => number

const readers: Readonly<Record<string, Read>> = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at) => view.getUint16(at, true),
  i2: (view, at) => view.getInt16(at, true),
  u4: (view, at) => view.getUint32(at, true),
  i4: (view, at) => view.getInt32(at, true),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
}

interface Column {
  readonly read: Read
  readonly offset: number
}

interface Rows {
  readonly columns: ReadonlyMap<string, Column>
  readonly view: DataView
  readonly start: number
  readonly stride: number
  readonly count: number
}

/** Whether bytes are those of a .npy file. */
export const isNpy = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte)

/** Whether a .npy file holds events, by its header: fields of a structure, or rows of four. */
export function isEventArray(bytes: Uint8Array): boolean {
  const header = new TextDecoder().decode(bytes.subarray(8, LONGEST_HEADER))
  return /^[^}]*'descr'\s*:\s*\[/.test(header) || /'shape'\s*:\s*\(\d+,\s*4\)/.test(header)
}

/**
 * A .npy file of events: a structured array with fields x, y, t and p (Tonic), or numbers [N, 4].
 *
 * @param order of the four columns, such as 'xytp'; default 'xypt' as in Tonic's DVSGesture
 * @throws SpikewasmError when it holds something else
 */
export function parseEventNpy(
  bytes: Uint8Array,
  name: string,
  sensor?: Sensor,
  order = 'xypt',
): EventRecording {
  const rows = rowsOf(bytes, name, [...order])
  const [x, y, t, p] = ['x', 'y', 't', 'p'].map((key) => columnOf(rows, key, name))
  return gather(name, sensor, rows.count, [x, y, t, p])
}

/**
 * The arrays t, x, y and p of an .npz archive (SpikingJelly's `events_np`), unpacked.
 *
 * @param files content of each array's .npy by its key
 * @throws SpikewasmError when one is missing, or they are not of one length
 */
export function parseEventArchive(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  sensor?: Sensor,
): EventRecording {
  let count: number | undefined
  const columns = ['x', 'y', 't', 'p'].map((key) => {
    const bytes = files.get(key)
    if (!bytes) return refuse(name, 'have the arrays t, x, y and p', `none of the name ${key}`)
    const rows = rowsOf(bytes, `${name}: ${key}`, [''])
    count ??= rows.count
    if (rows.count !== count)
      refuse(name, `have ${count} numbers in each`, `${rows.count} in ${key}`)
    return columnOf(rows, '', name)
  })
  return gather(name, sensor, count ?? 0, columns)
}

function gather(
  name: string,
  sensor: Sensor | undefined,
  count: number,
  [x, y, t, p]: readonly ((row: number) => number)[],
): EventRecording {
  const events = new Events(count)
  for (let i = 0; i < count; i++) {
    const event = { x: x(i), y: y(i), t: t(i), p: p(i) }
    expectEvent(name, event, i)
    events.add(event.x, event.y, event.t, event.p)
  }
  return events.done(name, sensor, [0, 0])
}

function columnOf(rows: Rows, key: string, name: string): (row: number) => number {
  const { view, start, stride } = rows
  const column = rows.columns.get(key)
  if (!column) return refuse(name, 'have the fields x, y, t and p', `none of the name ${key}`)
  const { read, offset } = column
  return (row) => read(view, start + row * stride + offset)
}

/** @param names of the columns of an array that is not structured; one: it has one dimension */
function rowsOf(bytes: Uint8Array, name: string, names: readonly string[]): Rows {
  if (!isNpy(bytes) || bytes.length < 12) refuse(name, 'begin with \\x93NUMPY', 'other bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const short = bytes[6] === 1
  const start = short ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true)
  if (start > bytes.length || start > LONGEST_HEADER)
    refuse(name, 'have its header within the file', `one of ${start} bytes`)
  const header = new TextDecoder().decode(bytes.subarray(short ? 10 : 12, start))
  const descr = /'descr'\s*:\s*('[^']{0,20}'|\[[^\]]{0,2000}\])/.exec(header)?.[1]
  const shape = /'shape'\s*:\s*\(([\d\s,]{0,100})\)/.exec(header)?.[1]
  if (descr === undefined || shape === undefined || /'fortran_order'\s*:\s*True/.test(header))
    return refuse(name, 'have a header of an array in C order', quote(header.trim()))
  const sizes = shape.split(',').filter((size) => size.trim() !== '')
  const [count, across] = [Number(sizes[0]), Number(sizes[1] ?? 1)]
  const structured = descr.startsWith('[')
  const wanted = structured || names.length === 1 ? 1 : names.length
  if (sizes.length !== (wanted === 1 ? 1 : 2) || across !== wanted || !Number.isSafeInteger(count))
    refuse(name, wanted === 1 ? 'be a list' : `have the shape [N, ${wanted}]`, `(${shape})`)
  const columns = new Map<string, Column>()
  let stride = 0
  const add = (key: string, type: string): void => {
    const [, letters] = /^[<|=]?([a-z]\d)$/.exec(type) ?? []
    const read = letters !== undefined && Object.hasOwn(readers, letters) && readers[letters]
    const rule = 'hold little-endian numbers'
    columns.set(key, {
      read: read || refuse(name, rule, `${quote(type)}; use astype`),
      offset: stride,
    })
    stride += Number(letters[1])
  }
  if (structured)
    for (const [, key, type] of descr.matchAll(/\('(\w{1,40})',\s*'([^']{1,20})'\)/g))
      add(key, type)
  else for (const key of names) add(key, descr.slice(1, -1))
  if (bytes.length - start !== count * stride)
    refuse(name, `hold ${count * stride} bytes, as its shape says`, `${bytes.length - start}`)
  return { columns, view, start, stride, count }
}
