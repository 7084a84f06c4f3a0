/**
 * AutoAugment with the policy found on CIFAR-10 (Cubuk et al., arXiv 1805.09501, table 7), on byte
 * images [C][H][W] of 1 or 3 channels.
 *
 * The paper's policy names operations of the Python image library Pillow, so each function here
 * computes what Pillow does, to the bit. Each reads `input`, writes (=) all of `out`, which must be
 * another array. Background that a geometric operation uncovers is grey.
 */

import type { RandomStream } from '../base/random.js'

// Planes of pixels, moved and mirrored as one.

/** Sizes of an image [C][H][W]. */
export interface ImageSize {
  readonly channels: number
  readonly height: number
  readonly width: number
}

/** How planes move, and what lies beyond their edges. */
interface Move {
  readonly dx: number
  readonly dy: number
  /** Left and right, once the window is cut out. */
  readonly mirror: boolean
  /** A value, the plane mirrored at its edge (which is not repeated), or its other side. */
  readonly beyond: number | 'reflected' | 'other side'
}

/**
 * out(x, y) = input(x' + dx, y + dy) in each plane, with x' = x, or width − 1 − x if `mirror`.
 *
 * @param out another array than `input`
 */
export function move<A extends Uint8Array | Float32Array>(
  out: A,
  input: A,
  { height, width }: Omit<ImageSize, 'channels'>,
  { dx, dy, mirror, beyond }: Move,
): void {
  const [start, step, by] = mirror ? [width - 1 + dx, -1, -dx] : [dx, 1, dx]
  const [first, end] = [Math.max(0, -by), Math.min(width, width - by)]
  const inside = Math.max(0, end - first)
  const outside = typeof beyond === 'number' ? 0 : width - inside
  if (typeof beyond === 'number') out.fill(beyond)
  for (let plane = 0; plane < out.length; plane += height * width)
    for (let y = 0; y < height; y++) {
      const row = placeOf(y + dy, height, beyond)
      if (row < 0) continue
      const [to, from] = [plane + y * width, plane + row * width]
      let at = from + start + step * first
      for (let x = first; x < end; x++, at += step) out[to + x] = input[at]
      for (let i = 0; i < outside; i++) {
        const x = i < first ? i : i + inside
        out[to + x] = input[from + placeOf(start + step * x, width, beyond)]
      }
    }
}

/** What a place along an axis shows; −1 where nothing lies. */
function placeOf(at: number, size: number, beyond: Move['beyond']): number {
  if (at >= 0 && at < size) return at
  if (beyond === 'reflected') return at < 0 ? -at : 2 * size - 2 - at
  return beyond === 'other side' ? ((at % size) + size) % size : -1
}

/** Grey of uncovered background. */
const FILL = 128

/** What most operations are. */
type Change = (out: Uint8Array, input: Uint8Array, size: ImageSize, amount: number) => void

/** out(x, y) = input(x + amount, y), or input(x, y + amount), by whole pixels. */
const translate =
  (isAcross: boolean): Change =>
  (out, input, size, amount) => {
    const [dx, dy] = isAcross ? [amount, 0] : [0, amount]
    move(out, input, size, { dx, dy, mirror: false, beyond: FILL })
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

/**
 * out(x, y) = input(x + amount · y, y), or input(x, y + amount · x); centres at half integers,
 * bicubic.
 */
const shear =
  (isAcross: boolean): Change =>
  (out, input, { height, width }, amount) => {
    const [step, side] = isAcross ? [1, width] : [width, height]
    for (let plane = 0, o = 0; plane < out.length; plane += height * width)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const [along, by] = isAcross ? [x, y] : [y, x]
          const position = along + 0.5 + amount * (by + 0.5)
          const line = plane + (isAcross ? y * width : x)
          const inside = position >= 0 && position < side
          out[o++] = inside ? interpolate(input, line, step, side - 1, position - 0.5) : FILL
        }
  }

/**
 * Rotation about the centre by `degrees`, counter-clockwise as seen, nearest neighbour in 16.16
 * fixed point.
 */
const rotate: Change = (out, input, { height, width }, degrees) => {
  const angle = (-degrees * Math.PI) / 180
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  const centreX = width / 2
  const centreY = height / 2
  const stepCos = fixed(cos)
  const stepSin = fixed(sin)
  const stepMinusSin = fixed(-sin)
  // Source of the centre of the first pixel.
  const firstX = fixed(centreX - cos * centreX - sin * centreY + 0.5 * cos + 0.5 * sin)
  const firstY = fixed(centreY + sin * centreX - cos * centreY - 0.5 * sin + 0.5 * cos)
  for (let plane = 0, o = 0; plane < out.length; plane += height * width)
    for (let y = 0; y < height; y++) {
      let sourceX = firstX + y * stepSin
      let sourceY = firstY + y * stepCos
      for (let x = 0; x < width; x++) {
        const column = sourceX >> 16
        const row = sourceY >> 16
        const inside = row >= 0 && row < height && column >= 0 && column < width
        out[o++] = inside ? input[plane + row * width + column] : FILL
        sourceX += stepCos
        sourceY += stepMinusSin
      }
    }
}

const fixed = (value: number): number => Math.floor(value * 65536 + 0.5)

/**
 * from + factor · (value − from) in float32, cut to a byte: towards `from` for factors below 1,
 * away from it above.
 */
function blend(from: number, value: number, factor: number): number {
  const mixed = Math.fround(from + Math.fround(factor * (value - from)))
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed)
}

/** Luma of ITU-R 601 as Pillow rounds it. */
export const luma = (r: number, g: number, b: number): number =>
  (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16

/** What a change blends with: black, the mean of the pixels' greys, or each pixel's own grey. */
type Enhancement = 'brightness' | 'contrast' | 'saturation'

/**
 * Pillow's ImageEnhance; factor 1 changes nothing. `out` may be `input`.
 *
 * @param across from a pixel to the next, `apart` from a channel of it to the next
 */
export function enhance(
  kind: Enhancement,
  out: Uint8Array,
  input: Uint8Array,
  [channels, across, apart]: readonly [number, number, number],
  factor: number,
): void {
  const f = Math.fround(factor)
  const greyAt = (at: number): number =>
    channels === 1 ? input[at] : luma(input[at], input[at + apart], input[at + 2 * apart])
  const end = (input.length / channels) * across
  if (kind === 'saturation') {
    for (let at = 0; at < end; at += across) {
      const grey = greyAt(at)
      for (let i = at, c = 0; c < channels; c++, i += apart) out[i] = blend(grey, input[i], f)
    }
    return
  }
  let sum = 0
  if (kind === 'contrast') for (let at = 0; at < end; at += across) sum += greyAt(at)
  const mean = Math.floor((sum * channels) / input.length + 0.5)
  for (let v = 0; v < 256; v++) lut[v] = blend(mean, v, f)
  for (let i = 0; i < input.length; i++) out[i] = lut[input[i]]
}

const enhancing =
  (kind: Enhancement): Change =>
  (out, input, { height, width, channels }, factor) =>
    enhance(kind, out, input, [channels, 1, height * width], factor)

/**
 * Blend with the image smoothed by the kernel [1 1 1; 1 5 1; 1 1 1] / 13, its border left as it is;
 * factor 1 changes nothing.
 */
const sharpness: Change = (out, input, { height, width }, factor) => {
  const f = Math.fround(factor)
  out.set(input)
  for (let plane = 0; plane < input.length; plane += height * width)
    for (let y = 1; y < height - 1; y++) {
      const end = plane + (y + 1) * width - 1
      for (let i = plane + y * width + 1; i < end; i++) {
        const above = input[i - width - 1] + input[i - width] + input[i - width + 1]
        const beside = input[i - 1] + 5 * input[i] + input[i + 1]
        const below = input[i + width - 1] + input[i + width] + input[i + width + 1]
        const smooth = Math.floor((2 * (above + beside + below) + 13) / 26)
        out[i] = blend(smooth, input[i], f)
      }
    }
}

/** Each value by itself. */
const byValue =
  (change: (value: number, amount: number) => number): Change =>
  (out, input, _size, amount) => {
    for (let v = 0; v < 256; v++) lut[v] = change(v, amount)
    for (let i = 0; i < input.length; i++) out[i] = lut[input[i]]
  }

/** Each channel by a table that is filled for it. */
const byChannel =
  (fillTable: (plane: Uint8Array) => void): Change =>
  (out, input, { height, width }) => {
    for (let at = 0; at < input.length; at += height * width) {
      const plane = input.subarray(at, at + height * width)
      fillTable(plane)
      for (let i = 0; i < plane.length; i++) out[at + i] = lut[plane[i]]
    }
  }

/** Stretches each channel to 0 … 255. */
const autocontrast = byChannel((plane) => {
  let low = 255
  let high = 0
  for (let i = 0; i < plane.length; i++) {
    low = Math.min(low, plane[i])
    high = Math.max(high, plane[i])
  }
  const scale = high > low ? 255 / (high - low) : 1
  const offset = high > low ? -low * scale : 0
  for (let v = low; v <= high; v++)
    lut[v] = Math.min(Math.max(Math.trunc(v * scale + offset), 0), 255)
})

/** Makes the histogram of each channel as flat as a table of values can. */
const equalize = byChannel((plane) => {
  histogram.fill(0)
  let highest = 0
  for (let i = 0; i < plane.length; i++) {
    histogram[plane[i]]++
    highest = Math.max(highest, plane[i])
  }
  // Pixels below the highest value, shared out over 255 steps: 0 if there are too few to shift
  // anything.
  const step = Math.floor((plane.length - histogram[highest]) / 255)
  let count = step >> 1
  for (let v = 0; v <= highest; v++) {
    lut[v] = step === 0 ? v : Math.min(Math.floor(count / step), 255)
    count += histogram[v]
  }
})

/** Scratch of the operations that work by table; they run to their end on one thread. */
const lut = new Uint8Array(256)
const histogram = new Int32Array(256)

export type Operation = keyof typeof operations

/** How much an operation changes at a level 0 … 9 of the policy; s is −1 or +1. */
type Amount = (level: number, s: number, size: ImageSize) => number

const sheared: Amount = (level, s) => (s * 0.3 * level) / 9
const blended: Amount = (level, s) => 1 + s * 0.1 * level
const always: Amount = () => 1

/** What each operation of the policy does, and how much. */
export const operations = {
  shearX: [shear(true), sheared],
  shearY: [shear(false), sheared],
  translateX: [translate(true), (level, s, { width }) => wholePixels(s, level, width)],
  translateY: [translate(false), (level, s, { height }) => wholePixels(s, level, height)],
  // Always counter-clockwise, as in the code of the paper on rate-based backpropagation.
  rotate: [rotate, (level) => (30 * level) / 9],
  color: [enhancing('saturation'), blended],
  contrast: [enhancing('contrast'), blended],
  brightness: [enhancing('brightness'), blended],
  sharpness: [sharpness, blended],
  /** Keeps so many upper bits. */
  posterize: [
    byValue((value, bits) => value & (256 - (1 << (8 - bits)))),
    (level) => Math.round(8 - (4 * level) / 9),
  ],
  /** Inverts the values at or above a threshold. */
  solarize: [
    byValue((value, threshold) => (value < threshold ? value : 255 - value)),
    (level) => 256 - (256 * level) / 9,
  ],
  autocontrast: [autocontrast, always],
  equalize: [equalize, always],
  invert: [byValue((value) => 255 - value), always],
} satisfies Record<string, readonly [Change, Amount]>

/** Shift of a translation: up to 150/331 of the side, to the nearest pixel. */
const wholePixels = (sign: number, level: number, side: number): number =>
  Math.floor((sign * level * 150 * side) / (9 * 331) + 0.5)

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
  let [from, to] = [image, scratch]
  for (const [operation, probability, level] of POLICY[random.below(POLICY.length)]) {
    if (random.uniform() >= probability) continue
    const [change, amount] = operations[operation]
    change(to, from, size, amount(level, random.sign(), size))
    ;[from, to] = [to, from]
  }
  return from
}
