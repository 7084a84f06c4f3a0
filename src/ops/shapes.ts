/** Shapes as PyTorch writes them, and what their axes mean. */

import { describe, fail } from '../base/errors.js'
import { storedChannels } from '../compile/layout.js'

/** The axes of a tensor of activities. An axis that a shape does not have counts 1. */
export interface Extent {
  /** PyTorch's shape. */
  readonly shape: readonly number[]
  /** Whether the shape has time steps, behind the batch. */
  readonly timed: boolean
  /** Time steps. */
  readonly T: number
  /** Samples. */
  readonly B: number
  /** Channels. */
  readonly C: number
  /** Rows of pixels. */
  readonly H: number
  /** Pixels of a row. */
  readonly W: number
}

/** Most elements of one tensor: addresses of bytes of float32 have 32 bits. */
const MOST = 2 ** 30
/** Most time steps: counts are bytes. */
export const MOST_STEPS = 255

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export const showShape = (shape: readonly unknown[]): string =>
  `[${shape.map(describe).join(', ')}]`

/** A list of positive integers. `named`: what messages call them; with none, however many. */
export function checkShape(
  what: string,
  shape: unknown,
  ...named: readonly string[]
): asserts shape is readonly number[] {
  const isList = Array.isArray(shape) || ArrayBuffer.isView(shape)
  const list: readonly unknown[] = isList ? Array.from(shape as readonly unknown[]) : []
  const all = Array.from({ length: Math.max(1, list.length) }, (_, i) => `axis${i}`)
  const axes = named.length > 0 ? named : [all.join(' ')]
  const rank = (names: string): number => names.split(' ').length
  const wanted = axes.map((names) => `[${names.replaceAll(' ', ', ')}]`).join(' or ')
  if (!isList || !axes.some((names) => rank(names) === list.length))
    fail(`${what} must be a shape ${wanted}, got ${isList ? showShape(list) : describe(shape)}`)
  if (!list.every((n) => Number.isSafeInteger(n) && (n as number) >= 1))
    fail(`${what} must hold integers >= 1 (a shape ${wanted}), got ${showShape(list)}`)
  const size = sizeOf(list as readonly number[])
  if (!(size <= MOST))
    fail(`${what} ${showShape(list)} has ${size} elements, more than the ${MOST} that fit`)
}

/**
 * The axes of `[B, C]`, `[B, C, H, W]`, and of these with T behind B. The number of axes decides.
 *
 * @param time 'never': without T; 'always': with it
 */
export function extentOf(
  what: string,
  shape: readonly number[],
  time: 'maybe' | 'never' | 'always' = 'maybe',
  spatial: 'maybe' | 'never' | 'always' = 'maybe',
): Extent {
  const still = [
    ...(spatial === 'always' ? [] : ['B C']),
    ...(spatial === 'never' ? [] : ['B C H W']),
  ]
  const timed = still.map((axes) => axes.replace('B', 'B T'))
  const axes = time === 'never' ? still : time === 'always' ? timed : [...timed, ...still]
  checkShape(what, shape, ...axes)
  const sizes = Array.from(shape)
  const isTimed = sizes.length % 2 === 1
  const [B, T, C, H = 1, W = 1] = isTimed ? sizes : [sizes[0], 1, ...sizes.slice(1)]
  if (!(T <= MOST_STEPS))
    fail(`${what} ${showShape(sizes)} has ${T} time steps, at most ${MOST_STEPS} are possible`)
  return { shape: sizes, timed: isTimed, T, B, C, H, W }
}

/** The same with other sizes, on the axes that there are. */
export function resized(like: Extent, sizes: Partial<Extent>): Extent {
  const all = { ...like, ...sizes }
  const { timed, B, T, C, H, W } = all
  const image = like.shape.length > 3 ? [H, W] : []
  return { ...all, shape: [B, ...(timed ? [T] : []), C, ...image] }
}

/** The same tensor without time steps. */
export function still(extent: Extent): Extent {
  if (!extent.timed) return extent
  // Neurons [T, N] alone have time first.
  const time = extent.shape.length === 2 ? 0 : 1
  return { ...extent, shape: extent.shape.filter((_, i) => i !== time), timed: false, T: 1 }
}

/** The same tensor at so many time steps, [B, T, …]. */
export const withSteps = (extent: Extent, T: number): Extent => resized(extent, { timed: true, T })

/** [C, H, W], as the planner has it. */
export const imageOf = ({ C, H, W }: Extent): [number, number, number] => [C, H, W]
/** Images of steps, as the planner has them. */
export const imagesOf = (extent: Extent) => ({
  images: extent.B,
  shape: imageOf(extent),
  stored: storedChannels(extent.C),
  steps: extent.T,
})
