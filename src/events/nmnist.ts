/**
 * N-MNIST's `.bin` and SLAYER's `.bs2`, and N-Caltech101: five bytes an event.
 *
 * ```
 * x | y | p (1 bit) t (23 bits, µs, big-endian)
 * ```
 *
 * Source: https://www.garrickorchard.com/datasets/n-mnist; Tonic's `read_mnist_file`
 */

import { type EventRecording, Events, refuse, type Sensor } from './recording.js'

const BYTES = 5
/** A row that no pixel has: not an event, the clock has gone round. */
const OVERFLOW_ROW = 240
const OVERFLOW = 2 ** 13

/**
 * As Tonic reads them: an event with y = 240 is none; it adds 2¹³ µs to the times behind it.
 *
 * @param name what error messages call the file
 * @throws SpikewasmError when bytes are left over, or an event is outside of the sensor
 */
export function parseNmnist(bytes: Uint8Array, name: string, sensor?: Sensor): EventRecording {
  if (bytes.length % BYTES !== 0)
    refuse(name, `have ${BYTES} bytes for each event`, `${bytes.length} bytes; is it truncated?`)
  const events = new Events(bytes.length / BYTES)
  let late = 0
  for (let at = 0; at < bytes.length; at += BYTES) {
    const [x, y, high] = [bytes[at], bytes[at + 1], bytes[at + 2]]
    if (y === OVERFLOW_ROW) {
      late += OVERFLOW
      continue
    }
    const t = ((high & 127) << 16) | (bytes[at + 3] << 8) | bytes[at + 4]
    events.add(x, y, t + late, high >> 7)
  }
  return events.done(name, sensor, [34, 34])
}
