/**
 * Bilinear resizing with antialiasing, in the arithmetic of Pillow (`Image.resize` with a box,
 * src/libImaging/Resample.c): weights of a triangle that is as wide as the scale, rounded to 22
 * bits; first along rows, rounded to bytes, then along columns. So results are Pillow's, byte for
 * byte.
 */

const BITS = 22
const HALF = 1 << (BITS - 1)

/**
 * Which inputs an output reads, along one axis of so many.
 *
 * @param begin, end what of the input axis is resized; may lie between pixels
 * @returns the first input of each output, how many it reads, and their weights, [output][most]
 */
export function tapsOf(input: number, begin: number, end: number, output: number) {
  const scale = (end - begin) / output
  const support = Math.max(1, scale)
  const most = Math.ceil(support) * 2 + 1
  const first = new Int32Array(output)
  const count = new Int32Array(output)
  const weights = new Int32Array(output * most)
  const row = new Float64Array(most)
  for (let o = 0; o < output; o++) {
    const center = begin + (o + 0.5) * scale
    const low = Math.max(0, Math.trunc(center - support + 0.5))
    const high = Math.min(input, Math.trunc(center + support + 0.5))
    let sum = 0
    for (let i = 0; i < high - low; i++) {
      const distance = Math.abs((i + low - center + 0.5) / support)
      row[i] = distance < 1 ? 1 - distance : 0
      sum += row[i]
    }
    first[o] = low
    count[o] = high - low
    for (let i = 0; i < high - low; i++)
      weights[o * most + i] = Math.trunc(0.5 + (row[i] / sum) * (1 << BITS))
  }
  return { input, first, count, weights, most }
}

export type Taps = Readonly<ReturnType<typeof tapsOf>>

/** What of a picture is resized, in its pixels. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** A picture, [height][width][channels]. */
export interface Bytes {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
  readonly channels: number
}

const byte = (sum: number): number => Math.min(255, Math.max(0, sum >> BITS))

/**
 * A part of a picture, resized.
 *
 * @param data [H][W][stride]; the first `channels` of each pixel count
 * @returns [height][width][channels]
 */
export function resize(
  picture: Bytes,
  box: Box,
  [height, width]: readonly [number, number],
  channels: number,
): Uint8Array {
  const across = tapsOf(picture.width, box.left, box.right, width)
  const down = tapsOf(picture.height, box.top, box.bottom, height)
  return resizeBy(picture, across, down, channels)
}

/** The same by weights that are known. */
export function resizeBy(
  picture: Omit<Bytes, 'height'>,
  across: Taps,
  down: Taps,
  channels: number,
): Uint8Array {
  const { data, channels: stride } = picture
  const [width, height] = [across.first.length, down.first.length]
  const top = down.first[0]
  const bottom = down.first[height - 1] + down.count[height - 1]
  const rows = new Uint8Array((bottom - top) * width * channels)
  for (let y = top; y < bottom; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * picture.width + across.first[x]) * stride
      const to = ((y - top) * width + x) * channels
      for (let c = 0; c < channels; c++)
        rows[to + c] = byte(
          weigh(data, from + c, stride, across.weights, x * across.most, across.count[x]),
        )
    }
  const out = new Uint8Array(height * width * channels)
  const pitch = width * channels
  for (let y = 0; y < height; y++) {
    const from = (down.first[y] - top) * pitch
    for (let i = 0; i < pitch; i++)
      out[y * pitch + i] = byte(
        weigh(rows, from + i, pitch, down.weights, y * down.most, down.count[y]),
      )
  }
  return out
}

function weigh(
  data: Uint8Array | Uint8ClampedArray,
  from: number,
  step: number,
  weights: Int32Array,
  at: number,
  count: number,
): number {
  let sum = HALF
  for (let i = 0, o = from; i < count; i++, o += step) sum += data[o] * weights[at + i]
  return sum
}
