/** Unpacking of gzip, with bounds: a damaged or hostile file must not fill the memory. */

import { fail, SpikewasmError } from '../base/errors.js'
import { breathe } from '../engine/threads/breathe.js'

/**
 * Unpacking stops here. No data set is as large, and a damaged or hostile archive must not fill the
 * memory.
 */
const UNPACKED_LIMIT = 1 << 30

/**
 * Images take a half to a tenth when they are packed. What unpacks to much more may be made to fill
 * the memory, unless it is small all the same.
 */
const UNPACKED_RATIO = 4
const UNPACKED_FREE = 60_000_000

/** Tells from the first bytes of a file how many there are; undefined while they are too few. */
export type Measure = (head: Uint8Array) => number | undefined

/** Whether a file is packed, by its first bytes. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b

/** As `unpack` of `files.ts`, with what pages have too. */
export async function gunzip(
  bytes: Uint8Array,
  name: string,
  expected?: number | Measure,
): Promise<Uint8Array> {
  if (!isGzip(bytes)) return bytes
  return collectUnpacked(unpacking(bytes, 'gzip'), bytes.length, name, expected)
}

/** A page unpacks on its own thread: after so long it draws and answers in between. */
const BREATHE_MS = 8

/** Unpacks bytes in chunks. Streams of some browsers cannot be iterated. */
export async function* unpacking(
  bytes: Uint8Array,
  format: 'gzip' | 'deflate-raw',
): AsyncGenerator<Uint8Array> {
  const packed = new Blob([bytes as BlobPart]).stream()
  const reader = packed.pipeThrough(new DecompressionStream(format)).getReader()
  try {
    for (let due = performance.now() + BREATHE_MS; ; ) {
      if (performance.now() > due) {
        await breathe()
        due = performance.now() + BREATHE_MS
      }
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/**
 * The chunks that a packed file gives, put together.
 *
 * @param packed bytes of the file
 * @throws SpikewasmError for what is damaged, or too much
 */
export async function collectUnpacked(
  stream: AsyncIterable<Uint8Array>,
  packed: number,
  name: string,
  expected: number | Measure = UNPACKED_LIMIT,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let [length, most] = [0, typeof expected === 'number' ? expected : undefined]
  try {
    for await (const chunk of stream) {
      chunks.push(chunk)
      length += chunk.length
      if (typeof expected === 'function') most ??= expected(joined(chunks.slice(0, 1)))
      expectUnpacked(name, packed, length, most)
    }
    return joined(chunks)
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    fail(
      `${name}: must be valid gzip, got an error: ${(error as Error).message}; download it again`,
      error,
    )
  }
}

function expectUnpacked(name: string, packed: number, length: number, most = length): void {
  if (!(length <= Math.min(most, UNPACKED_LIMIT)))
    fail(
      `${name}: must unpack to at most ${Math.min(most, UNPACKED_LIMIT)} bytes, got more; ` +
        'download it again',
    )
  const usual = UNPACKED_FREE + UNPACKED_RATIO * packed
  if (!(length <= usual))
    fail(
      `${name}: must unpack to at most ${usual} bytes, ${UNPACKED_RATIO} times its size and ` +
        'some, got more; if you trust it, unpack it with gunzip',
    )
}

/** The chunks one behind the other; they are let go of. */
export function joined(chunks: Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return plain(chunks[0])
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const [i, chunk] of chunks.entries()) {
    out.set(chunk, offset)
    offset += chunk.length
    chunks[i] = new Uint8Array(0)
  }
  return out
}

/** The same bytes as a plain array: the `slice` of a Buffer of Node would not copy. */
export const plain = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)
