/** Pictures, on bytes alone: what their first bytes say, and how their pixels lie. */

/** [width, height] as a PNG's header says; undefined where the bytes are no PNG. */
export function pngSize(bytes: Uint8Array): readonly [number, number] | undefined {
  const magic = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
  if (bytes.length < 24 || magic.some((byte, i) => bytes[i] !== byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return [view.getUint32(16), view.getUint32(20)]
}

/**
 * [width, height] and colours (1 grey, 3, or 4 as for print), of the first frame header: SOF0 to
 * SOF15 without DHT, JPG and DAC.
 */
export function jpegHead(bytes: Uint8Array) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]
    // Markers may be padded.
    if (marker === 0xff) {
      at++
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame)
      return {
        size: [view.getUint16(at + 7), view.getUint16(at + 5)] as const,
        components: bytes[at + 9],
      }
    at += 2 + view.getUint16(at + 2)
  }
  return undefined
}

/** [H][W][C], of `stride` bytes a pixel → [C][H][W] */
export function planes(
  pixels: ArrayLike<number>,
  channels: number,
  count: number,
  stride = channels,
): Uint8Array {
  const out = new Uint8Array(channels * count)
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < count; p++) out[c * count + p] = pixels[p * stride + c]
  return out
}
