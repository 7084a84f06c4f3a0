/**
 * Between PyTorch's order [B][T][C][H·W] and the engine's [B][H·W][T][C′], whose channels may be
 * more than the tensor's. Channels behind them are left as they are: zeros. Functions for floats
 * and for bytes are apart, as V8's code for both would be slower.
 */

import { fail } from '../base/errors.js'
import { type Extent, sizeOf } from './shapes.js'

/** Pixels that are moved together: as many lines of cache stay in use. */
const TILE = 64

/**
 * Calls back with pixels in a row.
 *
 * @param move is told where channel 0 of the first one lies in PyTorch's order, its number among
 *   the pixels of all images, the step, and how many they are
 */
function eachRun(
  { T, B, C, H, W }: Extent,
  move: (torch: number, pixel: number, t: number, count: number) => void,
): void {
  const P = H * W
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let from = 0; from < P; from += TILE)
        move((b * T + t) * C * P + from, b * P + from, t, Math.min(TILE, P - from))
}

type To<A> = (of: Extent, stored: number, values: A, own: A) => void
type From<A> = (of: Extent, stored: number, own: A) => A

export const toEngine: To<Float32Array> = (of, stored, values, own) => {
  const [C, P, step] = [of.C, of.H * of.W, of.T * stored]
  eachRun(of, (torch, pixel, t, count) => {
    for (let c = 0; c < C; c++) {
      let [from, to] = [torch + c * P, pixel * step + t * stored + c]
      for (const end = from + count; from < end; from++, to += step) own[to] = values[from]
    }
  })
}

export const fromEngine: From<Float32Array> = (of, stored, own) => {
  const [C, P, step] = [of.C, of.H * of.W, of.T * stored]
  const values = new Float32Array(sizeOf(of.shape))
  eachRun(of, (torch, pixel, t, count) => {
    for (let c = 0; c < C; c++) {
      let [to, from] = [torch + c * P, pixel * step + t * stored + c]
      for (const end = to + count; to < end; to++, from += step) values[to] = own[from]
    }
  })
  return values
}

/** Where channel 0 of a pixel lies at a step, how far the next pixel is from it, and which bit. */
const bytesAt = (
  { T, B, H, W }: Extent,
  stored: number,
  asBits: boolean,
  pixel: number,
  t: number,
) =>
  asBits
    ? [((t >> 3) * B * H * W + pixel) * stored, stored, t & 7]
    : [(pixel * T + t) * stored, T * stored, 0]

/**
 * Bytes in the order of floats, such as counts, and choices at each step; or `asBits` spikes as
 * masks [plane][B][H·W][C′], bit t & 7 of plane t >> 3.
 */
export const bytesTo =
  (asBits: boolean): To<Uint8Array> =>
  (of, stored, values, own) => {
    const [C, P] = [of.C, of.H * of.W]
    own.fill(0)
    eachRun(of, (torch, pixel, t, count) => {
      const [first, step, bit] = bytesAt(of, stored, asBits, pixel, t)
      for (let c = 0; c < C; c++) {
        let [from, to] = [torch + c * P, first + c]
        for (const end = from + count; from < end; from++, to += step)
          own[to] |= values[from] << bit
      }
    })
  }

export const bytesFrom =
  (asBits: boolean): From<Uint8Array> =>
  (of, stored, own) => {
    const [C, P, mask] = [of.C, of.H * of.W, asBits ? 1 : 255]
    const values = new Uint8Array(sizeOf(of.shape))
    eachRun(of, (torch, pixel, t, count) => {
      const [first, step, bit] = bytesAt(of, stored, asBits, pixel, t)
      for (let c = 0; c < C; c++) {
        let [to, from] = [torch + c * P, first + c]
        for (const end = to + count; to < end; to++, from += step)
          values[to] = (own[from] >> bit) & mask
      }
    })
    return values
  }

/** @throws SpikewasmError for a byte that is neither 0 nor 1 */
export function checkSpikes(what: string, spikes: Uint8Array): void {
  let all = 0
  for (let i = 0; i < spikes.length; i++) all |= spikes[i]
  if (all <= 1) return
  const at = spikes.findIndex((spike) => spike > 1)
  fail(`${what} must hold 0 (no spike) or 1, got ${spikes[at]} at index ${at}`)
}
