/** Files made by hand, right or wrong, for those who read them. */

import { readFileSync } from 'node:fs'
import { text } from '../support/event-files.js'

/** A safetensors file with any header. @param length what the file says of its header's length */
export function withHeader(header: string, dataBytes = 0, length?: number): Uint8Array {
  const json = text(header)
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? json.length), true)
  bytes.set(json, 8)
  return bytes
}

/** A file in an archive of tar: its head, then its content in blocks of 512 bytes. */
export function tarMember(name: string, size: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(512 * (1 + Math.ceil(content.length / 512)))
  out.set(text(name))
  out.set(text(size), 124)
  out.set(text('        0'), 148)
  const sum = out.reduce((a, b) => a + b, 0)
  out.set(text(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  out.set(content, 512)
  return out
}

/** Two empty blocks. */
export const tarEnd = new Uint8Array(1024)

/** A picture of the fixtures. */
export const picture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../test/fixtures/pictures/${name}`, import.meta.url)))
