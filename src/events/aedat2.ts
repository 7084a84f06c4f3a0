/**
 * AEDAT 2 of the DVS128, as CIFAR10-DVS has it: lines that begin with `#`, then for each event a
 * big-endian u32 address and a big-endian u32 time in µs.
 *
 * Source: SpikingJelly's `cifar10_dvs.py`
 */

import { type EventRecording, Events, refuse, type Sensor } from './recording.js'

const HASH = 0x23
const NEWLINE = 0x0a
const BYTES = 8
const SIDE = 128

/** Where the lines that begin with `#` end. */
export function endOfHeader(bytes: Uint8Array): number {
  let at = 0
  while (bytes[at] === HASH) {
    const end = bytes.indexOf(NEWLINE, at)
    if (end < 0) return bytes.length
    at = end + 1
  }
  return at
}

/**
 * As SpikingJelly reads them: x = 127 − ((a ≫ 8) & 127), y = 127 − ((a ≫ 1) & 127),
 * p = 1 − (a & 1).
 *
 * @param name what error messages call the file
 * @throws SpikewasmError for addresses of another camera, and when bytes are left over
 */
export function parseAedat2(bytes: Uint8Array, name: string, sensor?: Sensor): EventRecording {
  const begin = endOfHeader(bytes)
  const header = new TextDecoder('latin1').decode(bytes.subarray(0, Math.min(begin, 1 << 16)))
  const chip = /^#\s*AEChip:\s*(.{1,100})$/im.exec(header)?.[1] ?? ''
  if (/davis/i.test(chip))
    refuse(name, 'be of a DVS128, whose addresses have 15 bits', 'a recording of a DAVIS')
  const size = bytes.length - begin
  if (size % BYTES !== 0)
    refuse(
      name,
      `have ${BYTES} bytes for each event behind its header`,
      `${size} bytes; is it truncated?`,
    )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const events = new Events(size / BYTES)
  for (let at = begin; at < bytes.length; at += BYTES) {
    const address = view.getUint32(at)
    const [x, y] = [(address >>> 8) & 127, (address >>> 1) & 127]
    events.add(127 - x, 127 - y, view.getUint32(at + 4), 1 - (address & 1))
  }
  return events.done(name, sensor, [SIDE, SIDE])
}
