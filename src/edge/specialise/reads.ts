/** Reads of constant memory. */

import type { Value } from './fold.js'

/** Loads by their names: bytes, and what they give. */
export const loads: Readonly<
  Record<string, readonly [bytes: number, read: (view: DataView, at: number) => Value]>
> = {
  'i32.load': [4, (view, at) => view.getInt32(at, true)],
  'i32.load8_u': [1, (view, at) => view.getUint8(at)],
  'i32.load8_s': [1, (view, at) => view.getInt8(at)],
  'i32.load16_u': [2, (view, at) => view.getUint16(at, true)],
  'i32.load16_s': [2, (view, at) => view.getInt16(at, true)],
  'i64.load32_u': [4, (view, at) => BigInt(view.getUint32(at, true))],
  'f32.load': [4, (view, at) => view.getFloat32(at, true)],
}
