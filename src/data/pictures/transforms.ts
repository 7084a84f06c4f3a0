/** What is done to a picture: as torchvision does it to one of Pillow. */

import { roundToEven } from '../../base/numbers.js'
import type { RandomStream } from '../../base/random.js'
import { enhance, luma } from '../autoaugment.js'
import type { Picture } from './decode.js'

// Bilinear resizing with antialiasing, in the arithmetic of Pillow (`Image.resize` with a box,
// src/libImaging/Resample.c): weights of a triangle that is as wide as the scale, rounded to 22
// bits; first along rows, rounded to bytes, then along columns. So results are Pillow's, byte for
// byte.

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
export type Box = Readonly<ReturnType<typeof cropBox>>

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

/** Red, green and blue, or their grey as in Pillow (ITU-R 601). */
export function toChannels({ data, width, height, channels }: Picture, wanted: 1 | 3): Bytes {
  const out = new Uint8Array(width * height * wanted)
  if (wanted === 3)
    for (let p = 0, from = 0, to = 0; p < width * height; p++, from += channels, to += 3) {
      out[to] = data[from]
      out[to + 1] = data[from + 1]
      out[to + 2] = data[from + 2]
    }
  else
    for (let p = 0, from = 0; p < width * height; p++, from += channels)
      out[p] = luma(data[from], data[from + 1], data[from + 2])
  return { data: out, width, height, channels: wanted }
}

/** The whole picture, resized; a number is its shorter side. */
export function resizeTo(picture: Bytes, size: number | readonly [number, number]): Bytes {
  const { width, height, channels } = picture
  const [h, w] = typeof size === 'number' ? shorterSide(width, height, size) : size
  if (h === height && w === width) return picture
  const box = { left: 0, top: 0, right: width, bottom: height }
  return { data: resize(picture, box, [h, w], channels), width: w, height: h, channels }
}

const shorterSide = (width: number, height: number, size: number): [number, number] =>
  height <= width
    ? [size, Math.trunc((size * width) / height)]
    : [Math.trunc((size * height) / width), size]

/** The middle of a picture; black where it is smaller. */
export function centreCrop(picture: Bytes, [height, width]: readonly [number, number]): Bytes {
  const { channels } = picture
  if (picture.height === height && picture.width === width) return picture
  const at = (has: number, wanted: number): number =>
    has < wanted ? -Math.floor((wanted - has) / 2) : roundToEven((has - wanted) / 2)
  const [top, left] = [at(picture.height, height), at(picture.width, width)]
  const out = new Uint8Array(height * width * channels)
  const first = Math.max(0, -left)
  const end = Math.min(width, picture.width - left)
  for (let y = Math.max(0, -top); y < Math.min(height, picture.height - top); y++) {
    const from = ((y + top) * picture.width + left + first) * channels
    const part = picture.data.subarray(from, from + (end - first) * channels)
    out.set(part, (y * width + first) * channels)
  }
  return { data: out, width, height, channels }
}

/** How a random-resized crop is drawn. */
export interface ResizedCrop {
  /** Share of the area, from and to; default [0.08, 1]. */
  readonly scale?: readonly [number, number]
  /** Width by height, from and to; default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number]
}

/** A random part, resized to a size; torchvision's RandomResizedCrop. */
export function randomResizedCrop(
  picture: Bytes,
  size: readonly [number, number],
  { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] }: ResizedCrop,
  random: RandomStream,
): Bytes {
  const box = cropBox(picture, scale, ratio, random)
  const [height, width] = size
  const { channels } = picture
  return { data: resize(picture, box, size, channels), width, height, channels }
}

function cropBox(
  { width, height }: Bytes,
  scale: readonly [number, number],
  ratio: readonly [number, number],
  random: RandomStream,
) {
  const between = (low: number, high: number): number => low + (high - low) * random.uniform()
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(...scale)
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])))
    const w = roundToEven(Math.sqrt(area * aspect))
    const h = roundToEven(Math.sqrt(area / aspect))
    if (w < 1 || h < 1 || w > width || h > height) continue
    const [top, left] = [random.below(height - h + 1), random.below(width - w + 1)]
    return { left, top, right: left + w, bottom: top + h }
  }
  // The middle, as large as the ratio allows.
  const given = width / height
  const aspect = Math.min(ratio[1], Math.max(ratio[0], given))
  const w = given < ratio[0] ? width : Math.min(width, roundToEven(height * aspect))
  const h = given < ratio[0] ? Math.min(height, roundToEven(width / aspect)) : height
  const [top, left] = [Math.floor((height - h) / 2), Math.floor((width - w) / 2)]
  return { left, top, right: left + w, bottom: top + h }
}

/** Mirrors in place: left and right, or top and bottom. */
export function flip({ data, width, height, channels }: Bytes, axis: 'across' | 'down'): void {
  const [rows, columns] = axis === 'across' ? [height, width >> 1] : [height >> 1, width]
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const a = (y * width + x) * channels
      const [otherY, otherX] = axis === 'across' ? [y, width - 1 - x] : [height - 1 - y, x]
      const b = (otherY * width + otherX) * channels
      for (let c = 0; c < channels; c++) {
        const kept = data[a + c]
        data[a + c] = data[b + c]
        data[b + c] = kept
      }
    }
}

/** How far colours may change: factors from 1 − x to 1 + x; the hue by −x … x turns, x ≤ 0.5. */
export interface ColorJitter {
  /** Brightness changes by a factor from max(0, 1 − x) to 1 + x. */
  readonly brightness?: number
  /** Contrast likewise. */
  readonly contrast?: number
  /** Saturation likewise. */
  readonly saturation?: number
  /** The hue is turned by −x to x of its circle, x ≤ 0.5. */
  readonly hue?: number
}

/**
 * Changes brightness, contrast, saturation and hue in place, in a random order: torchvision's
 * ColorJitter, whose factors are even in [max(0, 1 − x), 1 + x], that of the hue in [−x, x].
 */
export function colorJitter(picture: Bytes, jitter: ColorJitter, random: RandomStream): void {
  const order = (['brightness', 'contrast', 'saturation', 'hue'] as const).slice()
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  for (const kind of order) {
    const most = jitter[kind] ?? 0
    if (most === 0) continue
    const [low, high] = kind === 'hue' ? [-most, most] : [Math.max(0, 1 - most), 1 + most]
    adjust(picture, kind, low + (high - low) * random.uniform())
  }
}

/** One change, by torchvision's factor, with the bytes that its functions give by Pillow. */
export function adjust(picture: Bytes, kind: keyof ColorJitter, factor: number): void {
  const { data, channels } = picture
  if (kind === 'hue') turnHue(picture, factor)
  else enhance(kind, data, data, [channels, channels, 1], factor)
}

/** Turns the circle of colours as Pillow does it: hue and saturation are bytes in between. */
function turnHue({ data, channels }: Bytes, turns: number): void {
  // What is grey has none.
  if (channels !== 3) return
  const f = Math.fround
  const steps = Math.trunc(255 * turns)
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]]
    const v = Math.max(r, g, b)
    const spread = v - Math.min(r, g, b)
    if (spread === 0) continue
    const [rc, gc, bc] = [f((v - r) / spread), f((v - g) / spread), f((v - b) / spread)]
    const sector = v === r ? f(bc - gc) : v === g ? f(2 + rc - bc) : f(4 + gc - rc)
    const hue = (Math.trunc(255 * f((sector / 6 + 1) % 1)) + steps) & 255
    const saturation = Math.trunc(255 * f(spread / v))
    const at = f((hue * 6) / 255)
    const part = f(at - Math.floor(at))
    const s = f(saturation / 255)
    const p = Math.round(v * (1 - s))
    const q = Math.round(v * (1 - f(s * part)))
    const t = Math.round(v * (1 - f(s * (1 - part))))
    const colours = [
      [v, t, p],
      [q, v, p],
      [p, v, t],
      [p, q, v],
      [t, p, v],
      [v, p, q],
    ]
    data.set(colours[Math.floor(at) % 6], i)
  }
}
