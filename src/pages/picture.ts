/** Samples as small pictures, inside the page. */

/** Pixels of a side, at most: pictures of the page are small, and so is the page. */
const MOST_SIDE = 40

/** A sample as numbers. */
export interface Sample {
  /** [T][C][H][W] */
  readonly values: ArrayLike<number>
  /** [C, H, W] */
  readonly shape: readonly [number, number, number]
  /** T; 1 for one image. */
  readonly frames: number
  /** What became of a byte by (byte / scale − mean[c]) / std[c]; absent: least to most. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] }
}

/** [H][W][3] */
export type Picture = ReturnType<typeof pictureOf>

/** Polarities of events: OFF and ON, apart for all eyes. */
const events = [
  [0, 114, 178],
  [230, 159, 0],
]

/**
 * One channel in grey, three as colours, two as events (OFF and ON on white), others by their mean.
 * Frames are shown together.
 */
export function pictureOf({ values, shape, frames, normalization }: Sample) {
  const [channels, h, w] = shape
  // A vector has no height: a series of channels is shown as rows.
  const isVector = h === 1
  const rows = w > 1 ? [1, channels, w] : [1, 1, channels]
  const [deep, tall, wide] = isVector ? rows : shape
  const factor = Math.max(1, Math.ceil(Math.max(tall, wide) / MOST_SIDE))
  const [height, width] = [Math.ceil(tall / factor), Math.ceil(wide / factor)]
  const small = new Float64Array(height * width * deep)
  const counts = new Float64Array(height * width)
  for (let t = 0; t < frames; t++)
    for (let y = 0; y < tall; y++)
      for (let x = 0; x < wide; x++) {
        const to = Math.floor(y / factor) * width + Math.floor(x / factor)
        counts[to]++
        for (let c = 0; c < deep; c++)
          small[to * deep + c] += values[((t * deep + c) * tall + y) * wide + x]
      }
  for (let i = 0; i < small.length; i++) small[i] /= counts[Math.floor(i / deep)]
  return { width, height, rgb: coloured(small, deep, isVector ? undefined : normalization) }
}

function coloured(
  small: Float64Array,
  deep: number,
  normalization: Sample['normalization'],
): Uint8Array {
  const pixels = small.length / deep
  const rgb = new Uint8Array(pixels * 3)
  if (deep === 2) {
    const most = Math.max(1e-12, ...small)
    for (let i = 0; i < pixels; i++) {
      const [less, more] = [Math.max(0, small[2 * i]), Math.max(0, small[2 * i + 1])]
      const sum = less + more
      const strength = sum === 0 ? 0 : Math.min(1, 0.35 + (0.65 * sum) / most)
      for (let c = 0; c < 3; c++) {
        const colour = sum === 0 ? 255 : (events[0][c] * less + events[1][c] * more) / sum
        rgb[3 * i + c] = 255 + (colour - 255) * strength
      }
    }
    return rgb
  }
  const shown = small.map((value, i) => {
    const { mean, std } = normalization ?? {}
    return mean && std ? value * std[i % deep] + mean[i % deep] : value
  })
  const [low, high] = normalization ? [0, 1] : [Math.min(...shown), Math.max(...shown)]
  const scale = high > low ? 255 / (high - low) : 0
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++) {
      let value = 0
      if (deep === 3) value = shown[3 * i + c]
      else for (let d = 0; d < deep; d++) value += shown[i * deep + d] / deep
      rgb[3 * i + c] = Math.max(0, Math.min(255, Math.round((value - low) * scale)))
    }
  return rgb
}

/** A BMP file as the address of an image: no packing is needed, and each browser shows it. */
export function pictureAddress({ width, height, rgb }: Picture): string {
  const row = Math.ceil((width * 3) / 4) * 4
  const bytes = new Uint8Array(54 + row * height)
  const view = new DataView(bytes.buffer)
  bytes.set([0x42, 0x4d])
  view.setUint32(2, bytes.length, true)
  view.setUint32(10, 54, true)
  view.setUint32(14, 40, true)
  view.setInt32(18, width, true)
  // Negative: the first row is the top one.
  view.setInt32(22, -height, true)
  view.setUint16(26, 1, true)
  view.setUint16(28, 24, true)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        bytes[54 + y * row + x * 3 + c] = rgb[(y * width + x) * 3 + (2 - c)]
  return `data:image/bmp;base64,${Buffer.from(bytes).toString('base64')}`
}
