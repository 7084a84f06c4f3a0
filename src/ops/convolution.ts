/** What the ops of convolutions and linear layers share: sizes, checks, ways, spikes as read. */

import { checkBoolean, checkInteger, describe, fail } from '../base/errors.js'
import { geometryOf, tapsOf } from '../compile/convolution/geometry.js'
import { emitEither, type Which } from '../compile/convolution/index.js'
import { emitSorted, readsLevels, readsSorted } from '../compile/convolution/sorted.js'
import { cheapest, type Strategy, type Task } from '../compile/convolution/strategy.js'
import { emitMaterialise } from '../compile/emit/materialise.js'
import { storedChannels, weightLayout } from '../compile/layout.js'
import {
  type Contribution,
  type Expression,
  noPool,
  type SpikeInput,
  type SpikeTensor,
  usedStrides,
  usedWindow,
} from '../compile/tensors.js'
import type { Buffer } from '../kernels/records/words.js'
import { pair, type Size } from '../network/kind.js'
import { pooling, spanOf, windows } from '../network/window.js'
import type { OpBuilder } from './builder.js'
import { type Planning, takes } from './op.js'
import * as is from './options.js'
import { checkShape, type Extent, extentOf, imageOf, resized, showShape, still } from './shapes.js'
import * as tensors from './tensor.js'
import { floats, type OpTensor } from './tensor.js'

// Windows that slide over images, and gradients that come back through them.

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

type Taken<A extends tensors.Values> = Planning<A, 'takes'>

/** The arguments: delta, or delta0, delta1 … */
export const arriving = (all: readonly Arrival[], many: boolean) =>
  (many ? numbered('delta', all, taken) : { delta: taken(all[0]) }) as {
    /** The gradient of the output; of several delta0, delta1 … */
    delta: Taken<Float32Array>
  } & Record<`delta${number}`, Taken<Float32Array>>

/** The same, once they are made. */
export const contributions = (
  all: readonly Arrival[],
  many: boolean,
  made: Readonly<Record<string, OpTensor>>,
): Contribution[] =>
  all.map(({ from: _, ...of }, i) => ({ ...of, buffer: made[named('delta', i, many)].buffer }))

/** Shapes and windows of a convolution, as in PyTorch. */
export const convShape = {
  /** [B, C, H, W], or [B, T, C, H, W]. */
  input: is.needed<readonly number[]>(),
  /** [N, C / groups, kernelH, kernelW]. */
  weight: is.needed<readonly number[]>(),
  /** Default 1. */
  stride: is.given<Size>(),
  /** Default 0. */
  padding: is.given<Size>(),
  /** Pixels from one place of the kernel to the next. Default 1. */
  dilation: is.given<Size>(),
  /** Default 1. */
  groups: is.given<number>(),
}

/** Shapes of a linear layer, as in PyTorch. */
export const linearShape = {
  /** [B, C], or an image [B, C, H, W] that stands for C·H·W features; or one of these behind T. */
  input: is.needed<readonly number[]>(),
  /** [N, C], or [N, C·H·W]. */
  weight: is.needed<readonly number[]>(),
}

export type Shapes = is.OptionsIn<typeof convShape>

/** How an op reads its input. */
export interface Reading {
  /** The input is stored with its own channels, as a model's is; else with padded ones. */
  readonly image?: boolean
  readonly time?: 'maybe' | 'never' | 'always'
  readonly pool?: WindowOptions | undefined
}

/** Checks the input, and the pooling in front of the weight. */
function inputOf(
  op: string,
  { input: shape }: Shapes,
  { time = 'maybe', pool: window }: Reading,
  spatial: 'maybe' | 'always',
) {
  const source = extentOf(`${op}.input`, shape, time, spatial)
  if (window === undefined) return { source, pool: noPool, input: source }
  is.checkAll(`${op}.pool`, windowOf, window)
  const { pool, output: input } = windowed(`${op}.pool`, window, source)
  return { source, pool, input }
}

/** What follows from sizes that fit: a convolution, or a linear layer, as ops plan it. */
function sized(
  op: string,
  reads: ReturnType<typeof inputOf>,
  { image = false }: Reading,
  shape: readonly number[],
  layer: Parameters<typeof geometryOf>[0],
  made: readonly number[],
) {
  const { input } = reads
  const inC = image ? input.C : storedChannels(input.C)
  const output = extentOf(`${op}: the output`, made)
  const g = geometryOf(layer, imageOf(input), inC, imageOf(output), input.B)
  const layout = weightLayout(shape, output.C, input.C, tapsOf(g), inC, g.grouping)
  return { ...reads, g, output, layout }
}
export type ConvSizes = ReturnType<typeof sized>

/** Sizes by the options of a convolution, or of a linear layer. */
export type SizesOf = (op: string, options: Shapes, reading?: Reading) => ConvSizes

/** Sizes of a convolution. */
export const convSizes: SizesOf = (op, options, reading = {}) => {
  const reads = inputOf(op, options, reading, 'always')
  const { input } = reads
  checkShape(`${op}.weight`, options.weight, 'N C kH kW')
  const shape = Array.from(options.weight)
  const [N, channels, kernelH, kernelW] = shape
  const { groups = 1, stride: by = 1, padding: around = 0, dilation: apart = 1 } = options
  checkInteger(`${op}.groups`, groups, 1)
  const stride = pair(`${op}.stride`, by, 1)
  const padding = pair(`${op}.padding`, around, 0)
  const dilation = pair(`${op}.dilation`, apart, 1)
  const [padH, padW] = padding
  const inChannels = channels * groups
  if (input.C !== inChannels || N % groups !== 0)
    fail(
      `${op}: weight ${showShape(options.weight)} with groups ${groups} takes ${inChannels} ` +
        `channels and makes a multiple of ${groups}, but input ` +
        `${showShape(options.input)} has ${input.C} channels; change one of the shapes`,
    )
  const [strideH, strideW] = usedStrides(imageOf(input), padding, stride)
  const windows = { kernelSize: [kernelH, kernelW], stride, padding, dilation } as const
  const [spanH, spanW] = spanOf(windows)
  const H = Math.floor((input.H + 2 * padH - spanH) / strideH) + 1
  const W = Math.floor((input.W + 2 * padW - spanW) / strideW) + 1
  if (!(H >= 1 && W >= 1))
    fail(
      `${op}: a kernel of ${spanH}×${spanW} is larger than the padded input ` +
        `(${input.H}×${input.W}, padding ${padH}, ${padW}); make it smaller or pad more`,
    )
  if (!(padH < spanH && padW < spanW))
    fail(
      `${op}.padding must be below the kernel's size (${spanH}×${spanW}), got ` +
        `${padH}, ${padW}`,
    )
  const layer = { kind: 'conv2d', ...windows, groups, inChannels, outChannels: N } as const
  return sized(op, reads, reading, shape, layer, resized(input, { C: N, H, W }).shape)
}

/** Sizes of a linear layer: a convolution whose kernel covers its whole input. */
export const linearSizes: SizesOf = (op, options, reading = {}) => {
  const reads = inputOf(op, options, reading, 'maybe')
  checkShape(`${op}.weight`, options.weight, 'N C')
  const shape = Array.from(options.weight)
  const [N, features] = shape
  const { T, B, C, H, W, timed } = reads.input
  if (features !== C * H * W)
    fail(
      `${op}: weight ${showShape(options.weight)} takes ${features} features, but input ` +
        `${showShape(options.input)} has ${C * H * W}` +
        `${reading.pool ? ' behind its pooling' : ''}; change one of the shapes`,
    )
  return sized(op, reads, reading, shape, { kind: 'linear' }, timed ? [B, T, N] : [B, N])
}

/** Whether an input of floats is stored as a model's; by default if it has few channels. */
export function isImage(
  op: string,
  given: boolean | undefined,
  shape: readonly number[] | undefined,
  ofBytes: boolean,
): boolean {
  const few = Array.isArray(shape) && shape.length > 3 && (shape.at(-3) as number) < 4
  const image = checkBoolean(`${op}.image`, given, few && !ofBytes)
  if (image && ofBytes)
    fail(`${op}.image is of inputs of floats; leave it out for spikes and counts`)
  return image
}

/** Constant zeros that dense kernels read beyond an image's edge. */
export const zerosOf = ({ b }: OpBuilder, { g }: ConvSizes): Buffer =>
  b.buffer('zeros', 4 * Math.max(g.kernelW * g.inC, g.outC), 'statistics')

/** Ways to compute an op, and what a network would take, which says its name. */
interface Ways {
  readonly ways: readonly {
    readonly name: string
    /** Asked only where somebody names a way. */
    fits(): boolean
    emit(): unknown
  }[]
  automatic(isAlone?: boolean): string
}

/**
 * Strategies that do one job.
 *
 * @param job what they do, if what they are chosen by is not all
 * @param made is told what one gives
 */
export function waysOf<J extends S, S extends Task, R>(
  { b }: OpBuilder,
  list: readonly Strategy<J, S, R>[],
  task: S,
  job: (isAlone: boolean) => J = () => task as J,
  made: (result: R) => void = () => {},
): Ways {
  const emit = (strategy: Strategy<J, S, R>, isAlone = true): string => {
    made(strategy.emit(b, job(isAlone)))
    return strategy.name
  }
  return {
    ways: list.map((one) => ({
      name: one.name,
      fits: () => one.fits(task),
      emit: () => emit(one),
    })),
    automatic: (isAlone) => emit(cheapest(list, task), isAlone),
  }
}

/** One way that always fits. */
export function onlyWay(name: string, emit: () => void): Ways {
  const automatic = (): string => {
    emit()
    return name
  }
  return { ways: [{ name, fits: () => true, emit }], automatic }
}

/** Two lists, of which a run takes one by its spikes, or `which` knows. */
export const eitherOf = ({ b }: OpBuilder, which: () => Which, few: Ways, many: Ways): Ways => ({
  ways: [...few.ways, ...many.ways],
  automatic: () => emitEither(b, which(), few.automatic, many.automatic).join(' | '),
})

/**
 * Takes the way of a name, or what a network would.
 *
 * @returns the name of what was taken
 */
export function takeWay(
  op: string,
  algorithm: string | undefined,
  { ways, automatic }: Ways,
): string {
  if (algorithm === undefined || algorithm === 'auto') return automatic()
  const names = (some: Ways['ways']): string => some.map(({ name }) => name).join(', ')
  const way = ways.find(({ name }) => name === algorithm)
  if (way === undefined)
    fail(`${op}.algorithm must be one of auto, ${names(ways)}, got ${describe(algorithm)}`)
  if (!way.fits())
    fail(
      `${op}.algorithm '${algorithm}' is not made for this convolution; those that are: ` +
        names(ways.filter(({ fits }) => fits())),
    )
  way.emit()
  return way.name
}

const MOST_SOURCES = 16

/** How an op reads spikes. */
export const spikeOptions = {
  /**
   * Tensors of spikes that are added up, as behind a residual addition, 1 to 16. Further ones are
   * the arguments `input2`, `input3` … behind `input`. Default 1.
   */
  sources: is.integerIf(1, MOST_SOURCES, undefined),
  /** Reads means over windows of the spikes, as behind `avgPool2d`. Default: the spikes. */
  pool: is.given<WindowOptions>(),
}

const namesOf = (sources = 1): string[] =>
  Array.from({ length: sources }, (_, i) => (i === 0 ? 'input' : `input${i + 1}`))

type Inputs<A extends tensors.Values> = {
  /** Floats, or with `spikes` bytes of 0 and 1; behind it input2 … of further `sources`. */
  input: Taken<A>
} & Record<`input${number}`, Taken<A>>

/** The input, and further sources behind it. */
export const inputs = <A extends tensors.Values>(
  sources: number | undefined,
  extent: Extent,
  make: (extent: Extent) => tensors.Make<A>,
) =>
  Object.fromEntries(
    namesOf(sources).map((name) => [name, takes(make(extent))]),
  ) as unknown as Inputs<A>

/** Lists have no room for more spikes than steps: they would be written beyond it. */
function failCounts(op: string, of: tensors.OpTensor, views: tensors.Views, steps: number): never {
  const counts = views(of.buffer, 'uint8', tensors.ownCount(of))
  fail(
    `${op}: ${of.name} must hold counts of spikes in ${steps} steps, got ` +
      counts.find((count) => count > steps),
  )
}

/**
 * Spikes while records are emitted.
 *
 * @param countSteps the arguments are counts of spikes in so many steps, [B, C, H, W]
 */
export function readSpikes(
  { b, op, made }: OpBuilder,
  { g, source: extent, pool, input }: ConvSizes,
  many: number | undefined,
  countSteps?: number,
) {
  const all = namesOf(many).map((name) => made[name])
  const sums = all.map(({ name }) => b.buffer(`${name} spikes`, 4, 'statistics'))
  const sources = all.map((tensor, i): SpikeTensor => {
    const { name, stored, buffer } = tensor
    // A kernel reads one of both.
    return {
      ...tensors.asSpikes({ name, stored, buffer, counts: tensor }, extent),
      sums: { buffer: sums[i], units: 1 },
    }
  })
  const scale = pool === noPool ? 1 : 1 / (pool.kernelSize[0] * pool.kernelSize[1])
  const terms = sources.map((tensor) => ({ tensor, pool, scale }))
  const expression: Expression = { shape: imageOf(input), terms }
  const refuse = (tensor: tensors.OpTensor, views: tensors.Views, most: number): void => {
    if (countSteps && most > countSteps) failCounts(op, tensor, views, countSteps)
  }
  return {
    spikes: { sources, pool, scale },
    /** The same as a sum that can be written out. */
    expression,
    /** Refuses counts above the steps, where no kernel is chosen by them. */
    check(views: tensors.Views, totals: tensors.Totals) {
      for (const tensor of all)
        refuse(tensor, views, totals.most(tensor.buffer, tensors.ownCount(tensor)))
    },
    /** Counts the spikes of a run, by which kernels are chosen; checks counts. */
    count(views: tensors.Views, totals: tensors.Totals) {
      for (const [i, tensor] of all.entries()) {
        const of = [tensor.buffer, tensors.ownCount(tensor)] as const
        const { sum, most } = countSteps
          ? totals.bytes(...of)
          : { sum: totals.bits(...of), most: 0 }
        refuse(tensor, views, most)
        views(sums[i], 'int32', 1)[0] = sum
      }
    },
    /**
     * Writes them out as floats [B][H][W][steps][C′] as a network does.
     *
     * @param totalSteps steps over which the means run; 0: each step
     */
    write(name: string, steps: number, totalSteps: number): Buffer {
      const out = b.buffer(name, g.images * g.inH * g.inW * steps * g.inC * 4)
      const over = totalSteps || steps
      const mean = totalSteps > 0
      emitMaterialise(b, expression, g.images, steps, over, mean, out, g.inC, tensors.denseRows)
      return out
    },
  }
}

export type SpikeReader = ReturnType<typeof readSpikes>

/** What lists are made of: the levels of a sum of spikes where a network would read these. */
export function listed(
  { b }: OpBuilder,
  { spikes }: SpikeReader,
  task: Task & { readonly name: string },
  ofIntegers = false,
): SpikeInput {
  const { name, g, steps } = task
  const reads = ofIntegers ? readsLevels : readsSorted
  if (!reads({ ...task, spikes })) return spikes
  const size = [g.inH, g.inW] as const
  return emitSorted(b, spikes, { name, images: g.images, steps, size })
}
