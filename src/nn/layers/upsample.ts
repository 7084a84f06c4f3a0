/** Images and series of another size, by the nearest pixel or between pixels. */

import { fail } from '../../base/errors.js'
import { complete, oneOf, optional, type Rule, type Rules, such, truth } from '../../base/rules.js'
import { inUnits } from '../../compile/budgets.js'
import { handBack } from '../../compile/emit/gradients.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { defineLayer } from '../../compile/pass.js'
import type { ProgramBuilder } from '../../compile/program.js'
import { resample } from '../../kernels/records/activity.js'
import type { Buffer } from '../../kernels/records/words.js'
import {
  expectImage,
  expectSeries,
  layerOf,
  type OfKind,
  type Pair,
  type Size,
} from '../../network/kind.js'
import { type Shape, show, type Value } from '../../network/value.js'

/** How `upsample` finds what lies between pixels; 'linear' is of series, 'bilinear' of images. */
export type UpsampleMode = 'nearest' | 'linear' | 'bilinear'

/** Options of `upsample`: `size` or `scale`. */
export interface UpsampleOptions {
  /** Height and width of the output, or one number for both; the length of a series. */
  size?: Size | undefined
  /** The output's sizes by those of the input, rounded down: > 0, one number or one for each. */
  scale?: Size | undefined
  /** Default 'nearest'. */
  mode?: UpsampleMode
  /**
   * Between pixels: the first and last pixels of input and output lie at the same place; else, as
   * by default, their outer edges do.
   */
  alignCorners?: boolean
}

/** What `upsample` makes. */
export interface Upsample extends OfKind<'upsample'>, Readonly<UpsampleOptions> {
  readonly mode: UpsampleMode
  readonly alignCorners: boolean
}

/** Sizes for which tables have room. */
const MOST = 2 ** 20

/** A number, or two. */
const sizeRule = (words: string, fits: (n: number) => boolean): Rule<Size | undefined> =>
  optional(
    such<Size | undefined>(`${words} or a pair of them`, (value) => {
      const all: readonly unknown[] = Array.isArray(value) ? value : [value, value]
      return all.length === 2 && [...all].every((n) => typeof n === 'number' && fits(n))
    }),
  )

const rules: Rules<Omit<Upsample, 'kind'>> = {
  size: sizeRule('an integer ≥ 1', (n) => Number.isInteger(n) && n >= 1 && n <= MOST),
  scale: sizeRule('a number > 0', (n) => n > 0 && n <= MOST),
  mode: oneOf(['nearest', 'linear', 'bilinear'] as const, 'nearest'),
  alignCorners: truth(false),
}

/**
 * Images or series of another size (PyTorch's Upsample): [C, H, W] → [C, H', W'] and [C, L] →
 * [C, L'], where `size` gives the sizes, or `scale` what to multiply them with. By 'nearest' each
 * pixel repeats one of the input, by 'bilinear' (of a series 'linear') it lies between four of
 * them (two). It gives numbers: spikes repeated by 'nearest' are the numbers 0 and 1.
 *
 * ```ts
 * upsample({ scale: 2 }) // [16, 7, 7] → [16, 14, 14]
 * ```
 * @throws SpikewasmError unless it has one of `size` and `scale`, for a number that does not fit,
 *   and for `alignCorners` with 'nearest'
 */
export function upsample(options: UpsampleOptions, ...more: []): Upsample {
  const { size, scale, ...how } = complete('upsample', rules, options, more)
  if ((size === undefined) === (scale === undefined))
    fail(
      `upsample needs one of size (of the output) and scale, got ` +
        `${size === undefined ? 'none' : 'both'}; write upsample({ scale: 2 })`,
    )
  if (how.mode === 'nearest' && how.alignCorners)
    fail(`upsample.alignCorners is of the modes 'linear' and 'bilinear'; leave it out, or set mode`)
  const given = size === undefined ? { scale: copied(scale as Size) } : { size: copied(size) }
  return layerOf(upsampleKind, { ...given, ...how })
}

const copied = (size: Size): Size => (typeof size === 'number' ? size : [size[0], size[1]])

const both = (size: Size): Pair => (typeof size === 'number' ? [size, size] : size)

/** The sizes of the output. */
export function upsampled({ size, scale, mode }: Upsample, x: Value, where: string): Shape {
  if (x.series) expectSeries(where, x)
  else expectImage(where, x)
  const other = x.series ? 'bilinear' : 'linear'
  if (mode === other)
    fail(
      `${where}: mode '${mode}' is of ${x.series ? 'images' : 'series'}, got ${show(x)}; use ` +
        `'${x.series ? 'linear' : 'bilinear'}'`,
    )
  const given = size ?? scale
  if (x.series && typeof given !== 'number')
    fail(`${where}: a series ${show(x)} has one size, got [${given}]; give one number`)
  const [c, ...from] = x.shape
  const to = from.map((n, i) => {
    if (x.series && i === 0) return 1
    return size === undefined ? Math.floor(n * both(scale as Size)[i]) : both(size)[i]
  })
  if (!to.every((n) => n >= 1 && n <= MOST))
    fail(
      `${where}: sizes of the output must be from 1 to ${MOST}, got ${to.join('×')} of ` +
        `${show(x)}; choose another scale`,
    )
  return [c, to[0], to[1]]
}

const upsampleKind = defineLayer<Upsample>('upsample', {
  again: (fields: Omit<Upsample, 'kind'>) => upsample(fields),
  output: (layer, x, where) => [upsampled(layer, x, where), false],
  lower(pass, node, layer, x) {
    const { b, images } = pass
    const tensor = floatsOf(pass, node, x)
    const { steps, stored: channels, buffer } = tensor
    const out = pass.floatTensor(node.name, node.shape, steps)
    const axes = axesOf(layer, [x.shape[1], x.shape[2]], [node.shape[1], node.shape[2]])
    pass.make(out, { layers: 0, byImages: true }, () =>
      emitResample(b, axes, { images: pass.images, channels, steps }, buffer, out.buffer),
    )
    return handBack(pass, node, out, tensor, false, (delta, gradient, rows) =>
      emitResample(b, exchanged(axes), { images, channels, steps: rows }, delta, gradient),
    )
  },
})

// Which places of the input a place of the output reads, along an axis.

/** A place of the output, one of the input that it reads, and the factor. */
type Entry = readonly [to: number, from: number, factor: number]

/** Places of an axis of the input and of the output, and what these read, one after the other. */
interface Axis {
  readonly from: number
  readonly to: number
  readonly entries: readonly Entry[]
}
type Axes = readonly [Axis, Axis]

/** How an axis is resampled; `scale` is absent where the output's size was given. */
interface Resampling {
  readonly scale?: number | undefined
  readonly mode: UpsampleMode
  readonly alignCorners: boolean
}

/** An axis as PyTorch reads it (aten/src/ATen/native/UpSample.h), places in float32 as there. */
function axisOf(from: number, to: number, { scale, mode, alignCorners }: Resampling): Axis {
  const { fround } = Math
  const step = fround(scale === undefined ? from / to : 1 / scale)
  const nearest = (i: number): number => {
    if (to === from) return i
    if (to === 2 * from) return i >> 1
    return Math.min(from - 1, Math.floor(fround(i * step)))
  }
  const between = alignCorners ? fround(to > 1 ? (from - 1) / (to - 1) : 0) : step
  const entriesOf = (i: number): Entry[] => {
    if (mode === 'nearest' || to === from) return [[i, nearest(i), 1]]
    const middle = fround(fround(between * fround(i + 0.5)) - 0.5)
    const at = alignCorners ? fround(between * i) : Math.max(0, middle)
    const low = Math.min(from - 1, Math.floor(at))
    const share = fround(Math.min(1, at - low))
    if (share === 0 || low === from - 1) return [[i, low, 1]]
    return [
      [i, low, fround(1 - share)],
      [i, low + 1, share],
    ]
  }
  return { from, to, entries: Array.from({ length: to }, (_, i) => entriesOf(i)).flat() }
}

/** The axes of images of a size. */
export function axesOf(
  { scale, mode, alignCorners }: Omit<Upsample, 'kind'>,
  from: Pair,
  to: Pair,
): Axes {
  const axis = (i: 0 | 1): Axis => {
    const by = scale === undefined ? undefined : both(scale)[i]
    return axisOf(from[i], to[i], { scale: by, mode, alignCorners })
  }
  return [axis(0), axis(1)]
}

/** The same the other way round: what each place of the input is read by. */
export function exchanged([rows, columns]: Axes): Axes {
  const back = ({ from, to, entries }: Axis): Axis => ({
    from: to,
    to: from,
    entries: entries.map(([i, place, f]): Entry => [place, i, f]).sort(([a], [b]) => a - b),
  })
  return [back(rows), back(columns)]
}

/** The table of an axis as the kernel reads it. */
function tableOf({ to, entries }: Axis): Uint8Array {
  const head = 4 * (to + 1)
  const view = new DataView(new ArrayBuffer(head + 8 * entries.length))
  for (let i = 0, next = 0; i <= to; i++) {
    while (next < entries.length && entries[next][0] < i) next++
    view.setUint32(4 * i, head + 8 * next, true)
  }
  for (const [i, [, place, factor]] of entries.entries()) {
    view.setUint32(head + 8 * i, place, true)
    view.setFloat32(head + 8 * i + 4, factor, true)
  }
  return new Uint8Array(view.buffer)
}

/** Emits the resampling of images by their axes. */
export function emitResample(
  b: ProgramBuilder,
  [rows, columns]: Axes,
  of: { readonly images: number; readonly channels: number; readonly steps: number },
  input: Buffer,
  out: Buffer,
): void {
  const [outH, outW] = [rows.to, columns.to]
  const { units, pixelsPerUnit } = inUnits(of.images * outH * outW, of.channels * of.steps)
  const sizes = { inH: rows.from, inW: columns.from, outH, outW, pixelsPerUnit }
  const tables = { rows: tableOf(rows), columns: tableOf(columns) }
  b.emit(resample, units, { ...of, ...sizes, ...tables, in: input, out })
}
