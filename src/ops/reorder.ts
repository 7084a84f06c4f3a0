/**
 * Between PyTorch's order [B][T][C][H·W] and the engine's [B][H·W][T][C′], whose channels may be
 * more than the tensor's. Channels behind them are left as they are: zeros.
 */

import { expect } from '../errors.js'
import type { Extent } from './shapes.js'

/** Pixels that are moved together: as many lines of cache stay in use. */
const TILE = 64

/** Calls back with the places of C numbers of a pixel: in PyTorch's order, and in the engine's. */
function eachRun(
  { T, B, C, H, W }: Extent,
  stored: number,
  move: (torch: number, engine: number, torchStride: number, pixels: number, step: number) => void,
): void {
  const P = H * W
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let from = 0; from < P; from += TILE) {
        const pixels = Math.min(TILE, P - from)
        const engine = ((b * P + from) * T + t) * stored
        move((b * T + t) * C * P + from, engine, P, pixels, T * stored)
      }
}

export function toEngine(
  extent: Extent,
  stored: number,
  values: Float32Array,
  own: Float32Array,
): void {
  const { C } = extent
  eachRun(extent, stored, (torch, engine, stride, pixels, step) => {
    for (let c = 0; c < C; c++) {
      let [from, to] = [torch + c * stride, engine + c]
      for (const end = from + pixels; from < end; from++, to += step) own[to] = values[from]
    }
  })
}

export function fromEngine(extent: Extent, stored: number, own: Float32Array): Float32Array {
  const { C } = extent
  const values = new Float32Array(extent.T * extent.B * C * extent.H * extent.W)
  eachRun(extent, stored, (torch, engine, stride, pixels, step) => {
    for (let c = 0; c < C; c++) {
      let [to, from] = [torch + c * stride, engine + c]
      for (const end = to + pixels; to < end; to++, from += step) values[to] = own[from]
    }
  })
  return values
}

/** Spikes, a byte each, as bits: masks [plane][B][H·W][C′], bit t & 7 of plane t >> 3. */
export function toMasks(
  { T, B, C, H, W }: Extent,
  stored: number,
  spikes: Uint8Array,
  masks: Uint8Array,
): void {
  const P = H * W
  const plane = B * P * stored
  masks.fill(0)
  let from = 0
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++) {
      const [base, bit] = [(t >> 3) * plane, t & 7]
      for (let c = 0; c < C; c++) {
        let to = b * P * stored + c
        for (const end = from + P; from < end; from++, to += stored)
          masks[base + to] |= spikes[from] << bit
      }
    }
}

/** @throws SpikewasmError for a byte that is neither 0 nor 1 */
export function checkSpikes(what: string, spikes: Uint8Array): void {
  let all = 0
  for (let i = 0; i < spikes.length; i++) all |= spikes[i]
  if (all <= 1) return
  const at = spikes.findIndex((spike) => spike > 1)
  expect(false, () => `${what} must hold 0 (no spike) or 1, got ${spikes[at]} at index ${at}`)
}

export function fromMasks(
  { T, B, C, H, W }: Extent,
  stored: number,
  masks: Uint8Array,
): Uint8Array {
  const P = H * W
  const plane = B * P * stored
  const spikes = new Uint8Array(T * B * C * P)
  let to = 0
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++) {
      const [base, bit] = [(t >> 3) * plane, t & 7]
      for (let c = 0; c < C; c++) {
        let from = base + b * P * stored + c
        for (const end = to + P; to < end; to++, from += stored)
          spikes[to] = (masks[from] >> bit) & 1
      }
    }
  return spikes
}

/** Bytes in the order of floats, such as counts, and choices at each step. */
export function bytesToEngine(
  { T, B, C, H, W }: Extent,
  stored: number,
  values: Uint8Array,
  own: Uint8Array,
): void {
  const P = H * W
  let from = 0
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) {
        let to = (b * P * T + t) * stored + c
        for (const end = from + P; from < end; from++, to += T * stored) own[to] = values[from]
      }
}

export function bytesFromEngine(
  { T, B, C, H, W }: Extent,
  stored: number,
  own: Uint8Array,
): Uint8Array {
  const P = H * W
  const values = new Uint8Array(T * B * C * P)
  let to = 0
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) {
        let from = (b * P * T + t) * stored + c
        for (const end = to + P; to < end; to++, from += T * stored) values[to] = own[from]
      }
  return values
}
