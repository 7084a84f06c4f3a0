/** What was recorded of layers of neurons in the last run, by name. */

import type { StateProbe } from '../../compile/plan.js'
import { sizeOf } from '../../network/value.js'
import type { Session } from '../session.js'

/** A value of each neuron at each step. */
export interface RecordedState {
  /** Sizes [T, B, C, H, W] of time steps, samples, channels, height, width. */
  readonly shape: readonly [number, number, number, number, number]
  /** The values, in the order of `shape`. */
  readonly data: Float32Array
}

/** Values by the names that a layer's equations have for them. */
export type RecordedStates = Readonly<Record<string, RecordedState>>

/** Room for a layer's values of so many samples. */
export const roomFor = ({ names, shape, steps }: StateProbe, samples: number): RecordedStates =>
  Object.fromEntries(
    names.map((name): [string, RecordedState] => [
      name,
      {
        shape: [steps, samples, ...shape],
        data: new Float32Array(steps * samples * sizeOf(shape)),
      },
    ]),
  )

/** Values [B][H][W][T][names][stored] of the first images, to sample `first` of `out` and on. */
export function statesOf(
  { memory }: Session,
  probe: StateProbe,
  images: number,
  out = roomFor(probe, images),
  first = 0,
): RecordedStates {
  const { buffer, names, stored } = probe
  const values = new Float32Array(memory.buffer, buffer.address, buffer.bytes / 4)
  for (const [row, name] of names.entries()) {
    const { data, shape } = out[name]
    const [T, samples, C, H, W] = shape
    const pixels = H * W
    for (let t = 0; t < T; t++)
      for (let b = 0; b < images; b++)
        for (let c = 0; c < C; c++)
          for (let p = 0; p < pixels; p++) {
            const from = (((b * pixels + p) * T + t) * names.length + row) * stored + c
            data[((t * samples + first + b) * C + c) * pixels + p] = values[from]
          }
  }
  return out
}
