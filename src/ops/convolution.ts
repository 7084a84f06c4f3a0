/** What the ops of convolutions and linear layers share: sizes, checks, and their tensors. */

import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../errors.js'
import { pair, type Size } from '../nn/kind.js'
import type { Geometry } from '../plan/convolution/geometry.js'
import { cheapest, type Strategy, type Task } from '../plan/convolution/strategy.js'
import {
  blockWidth,
  type Grouping,
  groupedLayout,
  type ParameterLayout,
  storedChannels,
  weightLayout,
} from '../plan/layout.js'
import { noPool, type Pool, usedStrides } from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import type { OpBuilder } from './builder.js'
import { given, needed } from './options.js'
import { checkShape, type Extent, extentOf, shapeLike, showShape } from './shapes.js'
import { imageOf, type WindowOptions, windowed, windowOptions } from './windows.js'

/** Shapes and windows of a convolution, as in PyTorch. */
export const convShape = {
  /** [B, C, H, W], or [B, T, C, H, W]. */
  input: needed<readonly number[]>(),
  /** [N, C / groups, kernelH, kernelW]. */
  weight: needed<readonly number[]>(),
  /** Default 1. */
  stride: given<Size>(),
  /** Default 0. */
  padding: given<Size>(),
  /** Default 1. */
  groups: given<number>(),
}

/** Shapes of a linear layer, as in PyTorch. */
export const linearShape = {
  /** [B, C], or an image [B, C, H, W] that stands for C·H·W features; or one of these behind T. */
  input: needed<readonly number[]>(),
  /** [N, C], or [N, C·H·W]. */
  weight: needed<readonly number[]>(),
}

/** What these options say. */
export interface Shapes {
  readonly input: readonly number[]
  readonly weight: readonly number[]
  readonly stride?: Size
  readonly padding?: Size
  readonly groups?: number
}

/** A convolution, or a linear layer, as ops plan it. */
export interface ConvSizes {
  readonly g: Geometry
  /** What the argument holds, in front of the pooling. */
  readonly source: Extent
  readonly pool: Pool
  /** What is convolved, behind the pooling. */
  readonly input: Extent
  readonly output: Extent
  readonly layout: ParameterLayout
  /** Output channels of the tensor. */
  readonly N: number
}

/** How an op reads its input. */
export interface Reading {
  /** The input is stored with its own channels, as a model's is; else with padded ones. */
  readonly image?: boolean
  readonly time?: 'maybe' | 'never' | 'always'
  readonly pool?: WindowOptions | undefined
}

/** The pooling that an option says, and the extent behind it. */
function pooled(op: string, source: Extent, window: WindowOptions | undefined) {
  if (window === undefined) return { pool: noPool, input: source }
  const name = `${op}.pool`
  checkOptions(name, window, windowOptions)
  const { pool, output } = windowed(name, window, source)
  return { pool, input: output }
}

/** Sizes by the options of a convolution, or of a linear layer. */
export type SizesOf = (op: string, options: Shapes, reading?: Reading) => ConvSizes

/** Sizes of a convolution. */
export const convSizes: SizesOf = (
  op,
  options,
  { image = false, time = 'maybe', pool: window } = {},
) => {
  const source = extentOf(`${op}.input`, options.input, time, 'always')
  const { pool, input } = pooled(op, source, window)
  checkShape(`${op}.weight`, options.weight, 'N C kH kW')
  const [N, channels, kernelH, kernelW] = Array.from(options.weight)
  const { groups = 1 } = options
  checkInteger(`${op}.groups`, groups, 1)
  const { stride: by = 1, padding: around = 0 } = options
  const stride = pair(`${op}.stride`, by, 1)
  const padding = pair(`${op}.padding`, around, 0)
  const [padH, padW] = padding
  expect(
    input.C === channels * groups && N % groups === 0,
    () =>
      `${op}: weight ${showShape(options.weight)} with groups ${groups} takes ` +
      `${channels * groups} channels and makes a multiple of ${groups}, but input ` +
      `${showShape(options.input)} has ${input.C} channels; change one of the shapes`,
  )
  const [strideH, strideW] = usedStrides(imageOf(input), padding, stride)
  const outH = Math.floor((input.H + 2 * padH - kernelH) / strideH) + 1
  const outW = Math.floor((input.W + 2 * padW - kernelW) / strideW) + 1
  expect(
    outH >= 1 && outW >= 1,
    () =>
      `${op}: a kernel of ${kernelH}×${kernelW} is larger than the padded input ` +
      `(${input.H}×${input.W}, padding ${padH}, ${padW}); make it smaller or pad more`,
  )
  expect(
    padH < kernelH && padW < kernelW,
    () =>
      `${op}.padding must be below the kernel's size (${kernelH}×${kernelW}), got ` +
      `${padH}, ${padW}`,
  )
  const inC = image ? input.C : storedChannels(input.C)
  const grouping = groupingOf(N, channels, groups, inC)
  const taps = kernelH * kernelW
  const shape = [N, channels, kernelH, kernelW]
  const layout = grouping
    ? groupedLayout(shape, taps, grouping)
    : weightLayout(shape, N, input.C, taps, inC)
  const output = extentOf(`${op}: the output`, shapeLike(input, { C: N, H: outH, W: outW }))
  const window2d = { kernelH, kernelW, strideH, strideW, padH, padW }
  const g: Geometry = { ...sidesOf(input, output, inC), ...window2d, ...(grouping && { grouping }) }
  return { g, source, pool, input, output, layout, N }
}

/** The parts of the channels; undefined where there is one. */
export function groupingOf(
  N: number,
  groupIn: number,
  groups: number,
  inC: number,
): Grouping | undefined {
  if (groups === 1) return undefined
  const groupOut = N / groups
  const single = groupIn === 1 && groupOut === 1
  return { groups, groupIn, groupOut, depthwise: single && inC === storedChannels(N) }
}

/** Sizes of a linear layer: a convolution whose kernel covers its whole input. */
export const linearSizes: SizesOf = (
  op,
  options,
  { image = false, time = 'maybe', pool: window } = {},
) => {
  const source = extentOf(`${op}.input`, options.input, time)
  const { pool, input } = pooled(op, source, window)
  checkShape(`${op}.weight`, options.weight, 'N C')
  const [N, features] = Array.from(options.weight)
  const { T, B, C, H, W, timed } = input
  expect(
    features === C * H * W,
    () =>
      `${op}: weight ${showShape(options.weight)} takes ${features} features, but input ` +
      `${showShape(options.input)} has ${C * H * W}` +
      `${window ? ' behind its pooling' : ''}; change one of the shapes`,
  )
  const inC = image ? C : storedChannels(C)
  const layout = weightLayout([N, features], N, C, H * W, inC)
  const shape = timed ? [B, T, N] : [B, N]
  const output = extentOf(`${op}: the output`, shape)
  const window2d = { kernelH: H, kernelW: W, strideH: 1, strideW: 1, padH: 0, padW: 0 }
  return {
    g: { ...sidesOf(input, output, inC), ...window2d },
    source,
    pool,
    input,
    output,
    layout,
    N,
  }
}

const sidesOf = (input: Extent, output: Extent, inC: number) => ({
  images: input.B,
  inH: input.H,
  inW: input.W,
  inC,
  outH: output.H,
  outW: output.W,
  outC: storedChannels(output.C),
  blockWidth: blockWidth(output.C),
})

/** Whether an input of floats is stored as a model's; by default if it has few channels. */
export function isImage(
  op: string,
  given: boolean | undefined,
  shape: readonly number[] | undefined,
  ofBytes: boolean,
): boolean {
  const few = Array.isArray(shape) && shape.length > 3 && (shape.at(-3) as number) < 4
  const image = checkBoolean(`${op}.image`, given, few && !ofBytes)
  expect(
    !image || !ofBytes,
    () => `${op}.image is of inputs of floats; leave it out for spikes and counts`,
  )
  return image
}

/** Constant zeros that dense kernels read beyond an image's edge. */
export const zerosOf = ({ b }: OpBuilder, { g }: ConvSizes): Buffer =>
  b.buffer('zeros', 4 * Math.max(g.kernelW * g.inC, g.outC), 'statistics')

/** One way to compute an op, by its name. */
export interface Way {
  readonly name: string
  readonly fits: boolean
  emit(): void
}

/** Ways to compute an op, and what a network would take, which says its name. */
export interface Ways {
  readonly ways: readonly Way[]
  automatic(): string
}

/** Strategies that do one job. */
export const waysOf = <J extends Task>(
  { b }: OpBuilder,
  list: readonly Strategy<J, J, unknown>[],
  job: J,
): Ways => ({
  ways: list.map((strategy) => ({
    name: strategy.name,
    fits: strategy.fits(job),
    emit: () => void strategy.emit(b, job),
  })),
  automatic() {
    const strategy = cheapest(list, job)
    strategy.emit(b, job)
    return strategy.name
  },
})

/**
 * Takes the way of a name, or what a network would.
 *
 * @param automatic emits what a network would, and says its name
 * @returns the name of what was taken
 */
export function takeWay(
  op: string,
  algorithm: string | undefined,
  ways: readonly Way[],
  automatic: () => string,
): string {
  if (algorithm === undefined || algorithm === 'auto') return automatic()
  const names = (some: readonly Way[]): string =>
    [...new Set(some.map(({ name }) => name))].join(', ')
  const named = ways.filter(({ name }) => name === algorithm)
  expect(
    named.length > 0,
    () => `${op}.algorithm must be one of auto, ${names(ways)}, got ${describe(algorithm)}`,
  )
  const fitting = ways.filter(({ fits }) => fits)
  const way = named.find(({ fits }) => fits)
  expect(
    way !== undefined,
    () =>
      `${op}.algorithm '${algorithm}' is not made for this convolution; those that are: ` +
      names(fitting),
  )
  way.emit()
  return way.name
}
