/** Reads of constant memory. */

import type { Value } from './fold.js'

/** Bytes that a load reads, by its name. */
export const loadBytes: Readonly<Record<string, number>> = {
  'i32.load': 4,
  'i32.load8_u': 1,
  'i32.load8_s': 1,
  'i32.load16_u': 2,
  'i32.load16_s': 2,
  'i64.load32_u': 4,
  'f32.load': 4,
}

/** What a load of this name gives. */
export function read(name: string, view: DataView, at: number): Value {
  switch (name) {
    case 'i32.load':
      return view.getInt32(at, true)
    case 'i32.load8_u':
      return view.getUint8(at)
    case 'i32.load8_s':
      return view.getInt8(at)
    case 'i32.load16_u':
      return view.getUint16(at, true)
    case 'i32.load16_s':
      return view.getInt16(at, true)
    case 'i64.load32_u':
      return BigInt(view.getUint32(at, true))
    default:
      return view.getFloat32(at, true)
  }
}
