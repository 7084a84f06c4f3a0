/** Windows that slide over images, and gradients that come back through them. */

import { fail } from '../errors.js'
import { pair, type Size } from '../nn/kind.js'
import { pooling, windows } from '../nn/window.js'
import { type Contribution, noPool, usedWindow } from '../plan/tensors.js'
import { type Planning, takes } from './op.js'
import * as is from './options.js'
import { type Extent, imageOf, resized, showShape, still } from './shapes.js'
import { floats, type OpTensor } from './tensor.js'

/** Options of windows. */
export const windowOf = {
  /** Height and width of a window in pixels, or one number for both. */
  kernelSize: is.needed<Size>(),
  /** Pixels between two windows; default: the kernel's size. */
  stride: is.given<Size>(),
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  padding: is.given<Size>(),
}
/**
 * Options of windows, as `avgPool2d` and `maxPool2d` take them.
 * @interface
 */
export type WindowOptions = is.OptionsIn<typeof windowOf>

/** A window, and what an extent becomes behind it. */
export type Windowed = ReturnType<typeof windowed>

export function windowed(
  op: string,
  { kernelSize, stride, padding }: WindowOptions,
  input: Extent,
) {
  pair(`${op}.kernelSize`, kernelSize, 1)
  const shape = imageOf(input)
  const window = usedWindow(shape, pooling(op, kernelSize, { stride, padding }, pair))
  const [H, W] = windows(op, { shape, flat: false, node: 0 }, window)
  return { window, pool: window, output: resized(input, { H, W }) }
}

/** How a reader sees a tensor. */
export const termOf = {
  ...windowOf,
  /** Height and width of a window, over which means are seen. Default: the pixels are. */
  kernelSize: is.given<Size>(),
  /** The factor that the reader sees it times. Default 1. */
  scale: is.finite(1),
}
/**
 * Options of a term of a sum: a factor, and windows that it is seen through.
 * @interface
 */
export type TermWindow = is.OptionsIn<typeof termOf>

/** Checks them. `scale`: the factor of each number of a window. */
export function termWindow(where: string, term: TermWindow, input: Extent) {
  const { scale = 1, kernelSize, stride, padding } = term
  if (kernelSize === undefined && (stride !== undefined || padding !== undefined))
    fail(`${where}: stride and padding are of windows; give kernelSize too`)
  if (kernelSize === undefined) return { scale, pool: noPool, output: input }
  if (!(input.shape.length > 3))
    fail(`${where}: windows need an image [B, C, H, W], got ${showShape(input.shape)}`)
  const { pool, output } = windowed(where, { kernelSize, stride, padding }, input)
  return { scale: scale * (1 / (pool.kernelSize[0] * pool.kernelSize[1])), pool, output }
}

const gradientOf = {
  ...termOf,
  /** It is the same at every step and has no time axis. Default false. */
  still: is.flag(),
}
/**
 * One gradient of those that are added up: what a reader of the tensor hands back. A `kernelSize`
 * means that the reader saw means over windows.
 * @interface
 */
export type GradientTerm = is.OptionsIn<typeof gradientOf>

/** A gradient of so many pixels, as the planner's emit functions take it but for its place. */
type Arrival = ReturnType<typeof arrival>

/** Checks what a reader hands back; `where` begins messages. */
export function arrival(where: string, input: Extent, given: GradientTerm) {
  const { still: isStill, ...term } = is.checkAll(where, gradientOf, given)
  if (isStill && !input.timed)
    fail(`${where}.still is of inputs with T; leave it out for ${showShape(input.shape)}`)
  const { scale, pool, output: from } = termWindow(where, term, isStill ? still(input) : input)
  return { from, steps: from.T, outH: from.H, outW: from.W, pool, scale }
}

/** The name of one of several tensors, or of the only one. */
export const named = (role: string, i: number, numbered: boolean): string =>
  numbered ? `${role}${i}` : role

/** Tensors role0, role1 … */
export const numbered = <K extends string, Item, P>(
  role: K,
  items: readonly Item[],
  of: (item: Item) => P,
): Record<`${K}${number}`, P> =>
  Object.fromEntries(items.map((item, i) => [named(role, i, true), of(item)])) as Record<string, P>

const taken = ({ from }: Arrival) => takes(floats(from))

/** The arguments: delta, or delta0, delta1 … */
export const arriving = (all: readonly Arrival[], many: boolean) =>
  (many ? numbered('delta', all, taken) : { delta: taken(all[0]) }) as Record<
    'delta' | `delta${number}`,
    Planning<Float32Array>
  >

/** The same, once they are made. */
export const contributions = (
  all: readonly Arrival[],
  many: boolean,
  made: Readonly<Record<string, OpTensor>>,
): Contribution[] =>
  all.map(({ from: _, ...of }, i) => ({ ...of, buffer: made[named('delta', i, many)].buffer }))
