/** Arrays of an .npz archive: a ZIP whose files NumPy has stored or deflated. */

import { refuse } from '../recordings/recording.js'

const END = 0x06054b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
/** The comment behind the end may be as long. */
const LONGEST_COMMENT = 65_535
/** Events take a half to a tenth when they are deflated; more than this may be made to harm. */
const FREE = 64_000_000
const RATIO = 50

/**
 * The entries of `wanted` arrays; others are left out.
 *
 * @throws SpikewasmError when the archive is damaged or unpacks to far more than its size
 */
export function npzEntries(bytes: Uint8Array, name: string, wanted: readonly string[]) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const damaged = (why: string): never => refuse(name, 'be a valid .npz archive', why)
  let end = bytes.length - 22
  const least = Math.max(0, end - LONGEST_COMMENT)
  while (end >= least && view.getUint32(end, true) !== END) end--
  if (end < least) damaged('one without a directory; is it truncated?')
  const count = view.getUint16(end + 10, true)
  let at = view.getUint32(end + 16, true)
  let left = FREE + RATIO * bytes.length
  /** Bytes as they lie there, whether they are deflated, and how many they unpack to. */
  const found: { key: string; data: Uint8Array; isPacked: boolean; size: number }[] = []
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== ENTRY) damaged('a damaged directory')
    const [nameLength, extra, comment] = [28, 30, 32].map((place) =>
      view.getUint16(at + place, true),
    )
    const method = view.getUint16(at + 10, true)
    const packed = view.getUint32(at + 20, true)
    const size = view.getUint32(at + 24, true)
    const local = view.getUint32(at + 42, true)
    const file = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
    at += 46 + nameLength + extra + comment
    const key = file.replace(/\.npy$/, '')
    if (!wanted.includes(key)) continue
    if (local + 30 > bytes.length || view.getUint32(local, true) !== LOCAL)
      damaged(`no data of ${key}`)
    const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
    if (begin + packed > bytes.length) damaged(`data of ${key} that end behind the file`)
    if (size > left) refuse(name, `unpack to at most ${left} bytes more`, `${size} for ${key}`)
    const data = bytes.subarray(begin, begin + packed)
    left -= size
    if (method !== 0 && method !== 8)
      damaged(`method ${method} for ${key}; save it with numpy.savez`)
    found.push({ key, data, size, isPacked: method === 8 })
  }
  return found
}
