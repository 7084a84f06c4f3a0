/** What `events.read` takes. */

import { type EventFormat, eventFormats } from '../../events/parse.js'
import { checkSensor, type Sensor } from '../../events/recording.js'
import type * as host from '../../host.js'
import { by, complete, oneOf, optional } from '../../rules.js'

/** Options of `events.read`; each has a default. */
export interface ReadEventsOptions {
  /** What the file is; default: what its first bytes or its ending say. */
  readonly format?: EventFormat
  /**
   * [width, height] of the sensor in pixels; default: what the file says, else 34 × 34 for N-MNIST,
   * 128 × 128 for AEDAT 2 and 3, or as large as the events need.
   */
  readonly sensor?: Sensor
}

/** @throws SpikewasmError when an option is wrong */
export function checkReading(name: string, options: ReadEventsOptions): ReadEventsOptions {
  const rules = { format: optional(oneOf(eventFormats)), sensor: optional(by(checkSensor)) }
  return complete(name, rules, options) as ReadEventsOptions
}

/** A recording's bytes, and what messages call it. */
export async function bytesOf(
  from: Uint8Array | host.Blob,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const name = (from as Partial<host.File>).name ?? 'the recording'
  if (from instanceof Uint8Array) return { name, bytes: from }
  return { name, bytes: new Uint8Array(await from.arrayBuffer()) }
}
