/** Windows that slide over images, and over series: images of one row. */

import { checkOptions, fail } from '../base/errors.js'
import { expectImage, expectSeries, integer, type Pair, pair, type Size } from './kind.js'
import { show, type Value } from './value.js'

/** Windows that slide over an image. */
export interface Windows {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
  /** Pixels from one place of the kernel to the next; absent: neighbours. */
  readonly dilation?: Pair | undefined
}

/** What windows slide over, images or series; `S`: their sizes, `In`: as users write them. */
export interface Space<S extends Size, In extends Size = S> {
  /** Checks a size. */
  size(name: string, value: In, minimum: number): S
  /** @throws SpikewasmError unless a value is such a one */
  expect(where: string, x: Value): void
  /** Height and width; a series has one row. */
  pair(size: S): Pair
  windows(
    of: Readonly<Record<'kernelSize' | 'stride' | 'padding', S>> & {
      readonly dilation?: S | undefined
    },
  ): Windows & { readonly dilation: Pair | undefined }
}

/** Windows over a series as over an image of one row. */
export const windowsOfSeries: Space<number>['windows'] = ({ kernelSize, dilation, ...of }) => ({
  kernelSize: [1, kernelSize],
  stride: [1, of.stride],
  padding: [0, of.padding],
  dilation: dilation === undefined ? undefined : [1, dilation],
})

/** A dilation as a layer keeps it: none where places of the kernel are neighbours. */
export const dilationOf = <S extends Size>(dilation: S): { readonly dilation?: S } =>
  [dilation].flat().every((n) => n === 1) ? {} : { dilation }

/** Pixels from the first place of a kernel to its last along an axis, both included. */
export const spanOf = ({ kernelSize, dilation }: Omit<Windows, 'stride' | 'padding'>): Pair => {
  const along = (axis: 0 | 1): number => (kernelSize[axis] - 1) * (dilation?.[axis] ?? 1) + 1
  return [along(0), along(1)]
}

export const images: Space<Pair, Size> = {
  size: pair,
  expect: expectImage,
  pair: (size) => size,
  windows: (of) => ({ ...of, dilation: of.dilation }),
}

export const series: Space<number> = {
  size: integer,
  expect: expectSeries,
  pair: (length) => [1, length],
  windows: windowsOfSeries,
}

/**
 * Height and width of the output of sliding windows.
 * @throws SpikewasmError when a window is larger than the padded input
 */
export function windows(where: string, x: Value, of: Windows): Pair {
  const { kernelSize, stride, padding, dilation } = of
  const span = spanOf(of)
  const sizeOf = (axis: 0 | 1): number =>
    Math.floor((x.shape[1 + axis] + 2 * padding[axis] - span[axis]) / stride[axis]) + 1
  const out: Pair = [sizeOf(0), sizeOf(1)]
  if (!(out[0] >= 1 && out[1] >= 1))
    fail(
      `${where}: its kernel ${kernelSize.join('×')} ` +
        (dilation ? `with dilation ${dilation.join('×')} ` : '') +
        `is larger than the padded input of ${show(x)}`,
    )
  return out
}

/** Places and padding are numbered by 32 bits. */
const MOST = 2 ** 30

/**
 * Checks and completes the windows of a pooling layer.
 * @param size checks a size: `pair` of images, `integer` of series
 */
export function pooling<In extends Size, S extends Size>(
  name: string,
  kernelSize: In,
  options: { readonly stride?: In; readonly padding?: In },
  size: Space<S, In>['size'],
): { kernelSize: S; stride: S; padding: S } {
  checkOptions(name, options, ['stride', 'padding'])
  const { stride = kernelSize, padding: around = 0 as In } = options
  const kernel = size(`${name}.kernelSize`, kernelSize, 1)
  const sizes: readonly number[] = [kernel].flat()
  if (!sizes.every((n) => n < MOST)) fail(`${name}.kernelSize must be below 2³⁰, got ${kernel}`)
  const padding = size(`${name}.padding`, around, 0)
  if (![padding].flat().every((n, i) => n * 2 <= sizes[i]))
    fail(`${name}.padding must be at most half the kernel (${kernel}), got ${padding}`)
  return { kernelSize: kernel, stride: size(`${name}.stride`, stride, 1), padding }
}
