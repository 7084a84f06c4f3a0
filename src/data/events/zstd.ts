/** Zstandard, by an optional package, with bounds on what it may allocate. */

import { createRequire } from 'node:module'
import { SpikewasmError } from '../../errors.js'
import type { Unpack } from '../../events/aedat4.js'
import { refuse } from '../../events/recording.js'

const zstdPackage = 'fzstd'
const MAGIC = 0xfd2fb528
/** What every decoder must be able to keep (RFC 8878, 3.1.1.1.2). */
const MOST_WINDOW = 1 << 23

/** The decoder; undefined where the package is not installed. */
export function loadZstd(): Unpack | undefined {
  let fzstd: typeof import('fzstd')
  try {
    fzstd = createRequire(import.meta.url)(zstdPackage)
  } catch {
    return undefined
  }
  return (bytes, most, name) => {
    expectFrames(bytes, most, name)
    const chunks: Uint8Array[] = []
    let length = 0
    const stream = new fzstd.Decompress((chunk) => {
      length += chunk.length
      if (length > most) refuse(name, `unpack to at most ${most} bytes`, 'more')
      chunks.push(chunk.slice())
    })
    try {
      stream.push(bytes, true)
    } catch (error) {
      if (error instanceof SpikewasmError) throw error
      return refuse(name, 'hold valid Zstandard data', `an error: ${(error as Error).message}`)
    }
    return new Uint8Array(Buffer.concat(chunks))
  }
}

/** Walks over frames and blocks (RFC 8878, 3.1.1): the decoder allocates what headers claim. */
function expectFrames(bytes: Uint8Array, most: number, name: string): void {
  const damaged = (why: string): never =>
    refuse(name, 'hold valid Zstandard data', `an error: ${why}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const need = (end: number): void => {
    if (end > bytes.length) damaged('it is cut off')
  }
  if (bytes.length === 0) damaged('it is empty')
  for (let at = 0; at < bytes.length; ) {
    need(at + 8)
    if (view.getUint32(at, true) >>> 4 === 0x184d2a5) {
      at += 8 + view.getUint32(at + 4, true)
      need(at)
      continue
    }
    if (view.getUint32(at, true) !== MAGIC) damaged('no frame begins there')
    const flags = bytes[at + 4]
    const [single, sizeFlag, dictionary] = [(flags >> 5) & 1, flags >> 6, flags & 3]
    if (dictionary !== 0) damaged('it needs a dictionary')
    const sizeBytes = sizeFlag > 0 ? 1 << sizeFlag : single
    const content = at + 6 - single
    need(content + sizeBytes + 3)
    let size = 0
    for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + bytes[content + i]
    const base = 2 ** (10 + (bytes[at + 5] >> 3))
    const window = single ? size : base + (base / 8) * (bytes[at + 5] & 7)
    if (size + 256 > most) refuse(name, `unpack to at most ${most} bytes`, `${size}`)
    if (!single && window > MOST_WINDOW)
      refuse(name, `have a window of at most ${MOST_WINDOW} bytes`, `${window}`)
    at = content + sizeBytes
    for (let last = false; !last; ) {
      need(at + 3)
      const head = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
      last = (head & 1) === 1
      const type = (head >> 1) & 3
      if (type === 3) damaged('a block of no known type')
      at += 3 + (type === 1 ? 1 : head >> 3)
      need(at)
    }
    at += 4 * ((flags >> 2) & 1)
    need(at)
  }
}
