/**
 * Binary PGM (P5, grey) and PPM (P6, colour), on bytes alone.
 *
 * ```
 * P5 or P6 | space | width | space | height | space | 255 | one space | bytes, row by row
 * ```
 * Between numbers may stand comments: from # to the end of the line.
 *
 * Source: https://netpbm.sourceforge.net/doc/ppm.html
 */

import { quote } from '../../errors.js'
import { refuse, type SampleArray } from './sample.js'

/** A header with its comments is looked for in the first bytes alone. */
const LONGEST_HEADER = 4096
const BREAK = '(?:\\s|#[^\\n\\r]*[\\n\\r])+'
const PATTERN = new RegExp(`^P([56])${BREAK}(\\d{1,9})${BREAK}(\\d{1,9})${BREAK}(\\d{1,5})\\s`)

/**
 * @param name what error messages call the file
 * @returns bytes [C, H, W]
 * @throws SpikewasmError for what is no P5 or P6 image of bytes up to 255
 */
export function parsePnm(bytes: Uint8Array, name: string): SampleArray {
  const head = Array.from(bytes.subarray(0, LONGEST_HEADER), (byte) => String.fromCharCode(byte))
  const text = head.join('')
  const found = PATTERN.exec(text)
  if (!found) return refuse(name, 'begin as a binary PGM or PPM (P5, P6)', quote(text.slice(0, 16)))
  const [header, kind, ...numbers] = found
  const [width, height, most] = numbers.map(Number)
  const channels = kind === '5' ? 1 : 3
  if (most < 1 || most > 255)
    refuse(name, 'have bytes up to 255 at most', `up to ${most}; convert it to 8 bits`)
  const data = bytes.subarray(header.length)
  const count = channels * width * height
  if (count === 0 || data.length !== count)
    refuse(
      name,
      `hold ${width} × ${height} × ${channels} = ${count} bytes, not 0`,
      `${data.length}`,
    )
  return { shape: [channels, height, width], data: planes(data, channels, width * height), most }
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
