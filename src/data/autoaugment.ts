/**
 * AutoAugment with the policy found on CIFAR-10 (Cubuk et al., arXiv 1805.09501, table 7), on byte
 * images [H][W][C] of 1 or 3 channels.
 *
 * The paper's policy names operations of the Python image library Pillow, so each function here
 * computes what Pillow does, to the bit. Each reads `input`, writes (=) all of `out`, which must be
 * another array, and allocates nothing. Background that a geometric operation uncovers is grey.
 */
import type { RandomStream } from '../random.js'
import { copyRow } from './rows.js'

/** Grey of uncovered background. */
const FILL = 128

/** Sizes of an image [H][W][C]. */
export interface ImageSize {
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** out(x, y) = input(x + dx, y + dy), by whole pixels. */
export function translate(
  out: Uint8Array,
  input: Uint8Array,
  { height, width, channels }: ImageSize,
  dx: number,
  dy: number,
): void {
  out.fill(FILL)
  const first = Math.max(0, -dx) * channels
  const end = Math.min(width, width - dx) * channels
  for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
    const from = ((y + dy) * width + dx) * channels
    copyRow(out, input, y * width * channels, from, first, end)
  }
}

/**
 * Bicubic interpolation (a = −1) along a line of pixels whose edges repeat: its elements are
 * input[base + step · i], i = 0 … last, and `position` is in units of i.
 */
function interpolate(
  input: Uint8Array,
  base: number,
  step: number,
  last: number,
  position: number,
): number {
  const cell = Math.floor(position)
  const d = position - cell
  const a = input[base + step * Math.min(Math.max(cell - 1, 0), last)]
  const b = input[base + step * Math.min(Math.max(cell, 0), last)]
  const c = input[base + step * Math.min(Math.max(cell + 1, 0), last)]
  const e = input[base + step * Math.min(Math.max(cell + 2, 0), last)]
  const value = b + d * (c - a + d * (2 * (a - b) + c - e + d * (b - a - c + e)))
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value)
}

/** out(x, y) = input(x + amount · y, y) with pixel centres at half integers, bicubic. */
export function shearX(
  out: Uint8Array,
  input: Uint8Array,
  { height, width, channels }: ImageSize,
  amount: number,
): void {
  let o = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const position = x + 0.5 + amount * (y + 0.5)
      const inside = position >= 0 && position < width
      for (let c = 0; c < channels; c++) {
        out[o++] = inside
          ? interpolate(input, y * width * channels + c, channels, width - 1, position - 0.5)
          : FILL
      }
    }
  }
}

/** out(x, y) = input(x, y + amount · x) with pixel centres at half integers, bicubic. */
export function shearY(
  out: Uint8Array,
  input: Uint8Array,
  { height, width, channels }: ImageSize,
  amount: number,
): void {
  let o = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const position = amount * (x + 0.5) + (y + 0.5)
      const inside = position >= 0 && position < height
      for (let c = 0; c < channels; c++) {
        out[o++] = inside
          ? interpolate(input, x * channels + c, width * channels, height - 1, position - 0.5)
          : FILL
      }
    }
  }
}

/**
 * Rotation about the centre by `degrees`, counter-clockwise as seen, nearest neighbour in 16.16
 * fixed point.
 */
export function rotate(
  out: Uint8Array,
  input: Uint8Array,
  { height, width, channels }: ImageSize,
  degrees: number,
): void {
  const angle = (-degrees * Math.PI) / 180
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  const centreX = width / 2
  const centreY = height / 2
  const stepCos = fixed(cos)
  const stepSin = fixed(sin)
  const stepMinusSin = fixed(-sin)
  // Source of the centre of the first pixel of the current row.
  let rowX = fixed(centreX - cos * centreX - sin * centreY + 0.5 * cos + 0.5 * sin)
  let rowY = fixed(centreY + sin * centreX - cos * centreY - 0.5 * sin + 0.5 * cos)
  let o = 0
  for (let y = 0; y < height; y++) {
    let sourceX = rowX
    let sourceY = rowY
    for (let x = 0; x < width; x++) {
      const column = sourceX >> 16
      const row = sourceY >> 16
      const inside = row >= 0 && row < height && column >= 0 && column < width
      const from = (row * width + column) * channels
      for (let c = 0; c < channels; c++) out[o++] = inside ? input[from + c] : FILL
      sourceX += stepCos
      sourceY += stepMinusSin
    }
    rowX += stepSin
    rowY += stepCos
  }
}

function fixed(value: number): number {
  return Math.floor(value * 65536 + 0.5)
}

/**
 * from + factor · (value − from) in float32, cut to a byte: towards `from` for factors below 1,
 * away from it above.
 */
function blend(from: number, value: number, factor: number): number {
  const mixed = Math.fround(from + Math.fround(factor * (value - from)))
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed)
}

/** Luma of the pixel at `at`: ITU-R 601 in 16-bit fixed point. */
function grey(input: Uint8Array, at: number, channels: number): number {
  return channels === 1
    ? input[at]
    : (19595 * input[at] + 38470 * input[at + 1] + 7471 * input[at + 2] + 0x8000) >> 16
}

/** Saturation: each pixel is blended with its grey value; factor 1 changes nothing. */
export function color(
  out: Uint8Array,
  input: Uint8Array,
  { channels }: ImageSize,
  factor: number,
): void {
  const f = Math.fround(factor)
  for (let i = 0; i < input.length; i += channels) {
    const luma = grey(input, i, channels)
    for (let c = 0; c < channels; c++) out[i + c] = blend(luma, input[i + c], f)
  }
}

/** Blend with the image's mean grey value; factor 1 changes nothing. */
export function contrast(
  out: Uint8Array,
  input: Uint8Array,
  { channels }: ImageSize,
  factor: number,
): void {
  let sum = 0
  for (let i = 0; i < input.length; i += channels) sum += grey(input, i, channels)
  const mean = Math.floor((sum * channels) / input.length + 0.5)
  const f = Math.fround(factor)
  for (let v = 0; v < 256; v++) lut[v] = blend(mean, v, f)
  for (let i = 0; i < input.length; i++) out[i] = lut[input[i]]
}

/** Blend with black; factor 1 changes nothing. */
export function brightness(
  out: Uint8Array,
  input: Uint8Array,
  _size: ImageSize,
  factor: number,
): void {
  const f = Math.fround(factor)
  for (let v = 0; v < 256; v++) lut[v] = blend(0, v, f)
  for (let i = 0; i < input.length; i++) out[i] = lut[input[i]]
}

/**
 * Blend with the image smoothed by the kernel [1 1 1; 1 5 1; 1 1 1] / 13, its border left as it is;
 * factor 1 changes nothing.
 */
export function sharpness(
  out: Uint8Array,
  input: Uint8Array,
  { height, width, channels }: ImageSize,
  factor: number,
): void {
  const f = Math.fround(factor)
  const row = width * channels
  out.set(input)
  for (let y = 1; y < height - 1; y++) {
    const end = (y + 1) * row - channels
    for (let i = y * row + channels; i < end; i++) {
      const above = input[i - row - channels] + input[i - row] + input[i - row + channels]
      const beside = input[i - channels] + 5 * input[i] + input[i + channels]
      const below = input[i + row - channels] + input[i + row] + input[i + row + channels]
      const smooth = Math.floor((2 * (above + beside + below) + 13) / 26)
      out[i] = blend(smooth, input[i], f)
    }
  }
}

/** Keeps the upper `bits` bits. */
export function posterize(
  out: Uint8Array,
  input: Uint8Array,
  _size: ImageSize,
  bits: number,
): void {
  const mask = 256 - (1 << (8 - bits))
  for (let i = 0; i < input.length; i++) out[i] = input[i] & mask
}

/** Inverts the values at or above `threshold`. */
export function solarize(
  out: Uint8Array,
  input: Uint8Array,
  _size: ImageSize,
  threshold: number,
): void {
  for (let i = 0; i < input.length; i++) out[i] = input[i] < threshold ? input[i] : 255 - input[i]
}

export function invert(out: Uint8Array, input: Uint8Array): void {
  for (let i = 0; i < input.length; i++) out[i] = 255 - input[i]
}

/** Stretches each channel to 0 … 255. */
export function autocontrast(out: Uint8Array, input: Uint8Array, { channels }: ImageSize): void {
  for (let c = 0; c < channels; c++) {
    let low = 255
    let high = 0
    for (let i = c; i < input.length; i += channels) {
      low = Math.min(low, input[i])
      high = Math.max(high, input[i])
    }
    const scale = high > low ? 255 / (high - low) : 1
    const offset = high > low ? -low * scale : 0
    for (let v = low; v <= high; v++)
      lut[v] = Math.min(Math.max(Math.trunc(v * scale + offset), 0), 255)
    for (let i = c; i < input.length; i += channels) out[i] = lut[input[i]]
  }
}

/** Makes the histogram of each channel as flat as a table of values can. */
export function equalize(out: Uint8Array, input: Uint8Array, { channels }: ImageSize): void {
  for (let c = 0; c < channels; c++) {
    histogram.fill(0)
    let highest = 0
    for (let i = c; i < input.length; i += channels) {
      histogram[input[i]]++
      highest = Math.max(highest, input[i])
    }
    // Pixels below the highest value, shared out over 255 steps: 0 if there are too few to shift
    // anything.
    const step = Math.floor((input.length / channels - histogram[highest]) / 255)
    let count = step >> 1
    for (let v = 0; v <= highest; v++) {
      lut[v] = step === 0 ? v : Math.min(Math.floor(count / step), 255)
      count += histogram[v]
    }
    for (let i = c; i < input.length; i += channels) out[i] = lut[input[i]]
  }
}

/** Scratch of the operations that work by table; they run to their end on one thread. */
const lut = new Uint8Array(256)
const histogram = new Int32Array(256)

export type Operation = keyof typeof operations

/** What each operation does at a level 0 … 9 of the policy; s is −1 or +1. */
export const operations = {
  shearX: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    shearX(out, input, size, (s * 0.3 * level) / 9),
  shearY: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    shearY(out, input, size, (s * 0.3 * level) / 9),
  translateX: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    translate(out, input, size, wholePixels(s, level, size.width), 0),
  translateY: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    translate(out, input, size, 0, wholePixels(s, level, size.height)),
  // Always counter-clockwise, as in the code of the paper on rate-based backpropagation.
  rotate: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number) =>
    rotate(out, input, size, (30 * level) / 9),
  color: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    color(out, input, size, 1 + s * 0.1 * level),
  contrast: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    contrast(out, input, size, 1 + s * 0.1 * level),
  brightness: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    brightness(out, input, size, 1 + s * 0.1 * level),
  sharpness: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number, s: number) =>
    sharpness(out, input, size, 1 + s * 0.1 * level),
  posterize: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number) =>
    posterize(out, input, size, Math.round(8 - (4 * level) / 9)),
  solarize: (out: Uint8Array, input: Uint8Array, size: ImageSize, level: number) =>
    solarize(out, input, size, 256 - (256 * level) / 9),
  autocontrast: (out: Uint8Array, input: Uint8Array, size: ImageSize) =>
    autocontrast(out, input, size),
  equalize: (out: Uint8Array, input: Uint8Array, size: ImageSize) => equalize(out, input, size),
  invert: (out: Uint8Array, input: Uint8Array) => invert(out, input),
}

/** Shift of a translation: up to 150/331 of the side, to the nearest pixel. */
function wholePixels(sign: number, level: number, side: number): number {
  return Math.floor((sign * level * 150 * side) / (9 * 331) + 0.5)
}

type Step = readonly [operation: Operation, probability: number, level: number]

/**
 * The 25 sub-policies: one is chosen per image, its two steps are applied in turn with their
 * probabilities.
 */
// biome-ignore format: one sub-policy a line
const POLICY: readonly (readonly [Step, Step])[] = [
  [['invert', 0.1, 7], ['contrast', 0.2, 6]],
  [['rotate', 0.7, 2], ['translateX', 0.3, 9]],
  [['sharpness', 0.8, 1], ['sharpness', 0.9, 3]],
  [['shearY', 0.5, 8], ['translateY', 0.7, 9]],
  [['autocontrast', 0.5, 8], ['equalize', 0.9, 2]],
  [['shearY', 0.2, 7], ['posterize', 0.3, 7]],
  [['color', 0.4, 3], ['brightness', 0.6, 7]],
  [['sharpness', 0.3, 9], ['brightness', 0.7, 9]],
  [['equalize', 0.6, 5], ['equalize', 0.5, 1]],
  [['contrast', 0.6, 7], ['sharpness', 0.6, 5]],
  [['color', 0.7, 7], ['translateX', 0.5, 8]],
  [['equalize', 0.3, 7], ['autocontrast', 0.4, 8]],
  [['translateY', 0.4, 3], ['sharpness', 0.2, 6]],
  [['brightness', 0.9, 6], ['color', 0.2, 8]],
  [['solarize', 0.5, 2], ['invert', 0, 3]],
  [['equalize', 0.2, 0], ['autocontrast', 0.6, 0]],
  [['equalize', 0.2, 8], ['equalize', 0.8, 4]],
  [['color', 0.9, 9], ['equalize', 0.6, 6]],
  [['autocontrast', 0.8, 4], ['solarize', 0.2, 8]],
  [['brightness', 0.1, 3], ['color', 0.7, 0]],
  [['solarize', 0.4, 5], ['autocontrast', 0.9, 3]],
  [['translateY', 0.9, 9], ['translateY', 0.7, 9]],
  [['autocontrast', 0.9, 2], ['solarize', 0.8, 3]],
  [['equalize', 0.8, 8], ['invert', 0.1, 3]],
  [['translateY', 0.7, 9], ['autocontrast', 0.9, 1]],
]

/**
 * Applies the policy once, with random numbers from `random`.
 *
 * @param image the image; overwritten
 * @param scratch as long as the image; overwritten
 * @returns the one of the two arrays that holds the result
 */
export function autoAugment(
  image: Uint8Array,
  scratch: Uint8Array,
  size: ImageSize,
  random: RandomStream,
): Uint8Array {
  const steps = POLICY[random.below(POLICY.length)]
  let from = image
  let to = scratch
  for (let i = 0; i < 2; i++) {
    const [operation, probability, level] = steps[i]
    if (random.uniform() >= probability) continue
    operations[operation](to, from, size, level, random.sign())
    const previous = from
    from = to
    to = previous
  }
  return from
}
