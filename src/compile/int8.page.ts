/** In a page this stands for `int8.ts`: only `exportWasm` plans weights of one byte. */

import type { Int8 } from './int8.js'

let made: Int8 | undefined

export function registerInt8(parts: Int8): void {
  made = parts
}

export function int8(): Int8 {
  if (made) return made
  throw new Error('weights of one byte need exportWasm()')
}
