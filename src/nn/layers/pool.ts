/** Pooling over windows of images, and of series: images of one row. */

import { checkOptions, describe, fail } from '../../base/errors.js'
import { emitMaxPool, emitMaxPoolBackward, emitMaxPoolFloats } from '../../compile/emit/activity.js'
import { handBack } from '../../compile/emit/gradients.js'
import { floatsOf, pooled, spikesOrFloats } from '../../compile/emit/write-out.js'
import { checkSteps } from '../../compile/methods.js'
import { defineLayer, type Pass, term } from '../../compile/pass.js'
import { type Expression, usedWindow } from '../../compile/tensors.js'
import {
  type Layer,
  labelOf,
  layerOf,
  type OfKind,
  type Pair,
  type Size,
} from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { images, pooling, type Space, series, type Windows, windows } from '../../network/window.js'

/** Options of `avgPool2d`, `sumPool2d` and `maxPool2d`; each has a default. `S`: a size. */
export interface PoolOptions<S extends Size = Size> {
  /** Pixels, or places of a series, between two windows, ≥ 1; default: the kernel's size. */
  stride?: S
  /** Rows and columns, or places, added on every side, at most half the kernel; default 0. */
  padding?: S
}

/** Options of pooling of series; each has a default. */
export interface Pool1dOptions extends PoolOptions<number> {}

/** What makers of pooling layers give; `S`: a size, of an image or of a series. */
interface Pooling<K, S> extends OfKind<K> {
  /** Height and width of a window, in pixels, or places of a series. */
  readonly kernelSize: S
  /** Pixels between two windows, down and across, or places of a series. */
  readonly stride: S
  /** Rows and columns, or places of a series, added on every side: zeros, or never the largest. */
  readonly padding: S
}

/** What `avgPool2d` makes. */
export interface AvgPool2d extends Pooling<'avgPool2d', Pair> {}

/** What `sumPool2d` makes. */
export interface SumPool2d extends Pooling<'sumPool2d', Pair> {}

/** What `maxPool2d` makes. */
export interface MaxPool2d extends Pooling<'maxPool2d', Pair> {
  /** In method rate, what a weight behind it multiplies its gradient with; absent: 'pooled'. */
  readonly rate?: MaxPoolRate
}

/** What `avgPool1d` makes. */
export interface AvgPool1d extends Pooling<'avgPool1d', number> {}

/** What `sumPool1d` makes. */
export interface SumPool1d extends Pooling<'sumPool1d', number> {}

/** What `maxPool1d` makes. */
export interface MaxPool1d extends Pooling<'maxPool1d', number> {}

/**
 * What a weight behind max pooling of spikes multiplies its gradient with in method rate.
 * `'pooled'`: the mean of the pooled spikes, what the weight has read. `'official'`: the highest
 * mean of a window, as in the official code of the paper, which pools the rates once more.
 */
export type MaxPoolRate = 'pooled' | 'official'

/** Options of `maxPool2d`; each has a default. */
export interface MaxPoolOptions extends PoolOptions {
  /** For method rate, on spikes; default 'pooled'. */
  rate?: MaxPoolRate
}

/**
 * Mean over windows: [C, H, W] → [C, H', W'] with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1, W'
 * alike. Padded zeros count, as is PyTorch's default.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}, ...more: []): AvgPool2d {
  return layerOf(avgPool2dKind, pooling('avgPool2d', kernelSize, options, images.size), more)
}

/**
 * Sum over windows: [C, H, W] → [C, H', W'], sizes as for `avgPool2d`. It is what networks for
 * event cameras pool with (NIR's SumPool2d, sinabs' SumPool2d).
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function sumPool2d(kernelSize: Size, options: PoolOptions = {}, ...more: []): SumPool2d {
  return layerOf(sumPool2dKind, pooling('sumPool2d', kernelSize, options, images.size), more)
}

/**
 * Maximum over windows: [C, H, W] → [C, H', W'], sizes as for `avgPool2d`. Of a neuron layer's
 * spikes, a window spikes when any of its neurons does; currents are compared step by step. With
 * method rate the gradient goes to the place with the highest rate or mean current, the first of
 * equal ones.
 *
 * A window's mean of pooled spikes is at least its highest rate, and higher where its neurons spike
 * at different steps. `rate: 'official'` has weights behind it learn from the highest rate, as the
 * official code of the paper does (Yu et al., NeurIPS 2024); the forward pass and the gradient that
 * goes on to the layer before are the same.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function maxPool2d(kernelSize: Size, options: MaxPoolOptions = {}, ...more: []): MaxPool2d {
  checkOptions('maxPool2d', options, ['stride', 'padding', 'rate'])
  const { rate = 'pooled', ...others } = options
  if (rate !== 'pooled' && rate !== 'official')
    fail(`maxPool2d.rate must be 'pooled' or 'official', got ${describe(rate)}`)
  const own = pooling('maxPool2d', kernelSize, others, images.size)
  return layerOf(maxPool2dKind, rate === 'official' ? { ...own, rate } : own, more)
}

/**
 * Mean over windows of a series; padded zeros count, as is PyTorch's default: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function avgPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): AvgPool1d {
  return layerOf(avgPool1dKind, pooling('avgPool1d', kernelSize, options, series.size), more)
}

/**
 * Sum over windows of a series: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function sumPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): SumPool1d {
  return layerOf(sumPool1dKind, pooling('sumPool1d', kernelSize, options, series.size), more)
}

/**
 * Maximum over windows of a series, as `maxPool2d`: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function maxPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): MaxPool1d {
  return layerOf(maxPool1dKind, pooling('maxPool1d', kernelSize, options, series.size), more)
}

type Lowered = (pass: Pass, node: GraphNode, x: Expression, layer: Windows) => Expression

/** A kind of layer over images or series: its function, and how it runs. */
const poolKind = <S extends Size, L extends Layer & Pooling<Layer['kind'], S>>(
  name: L['kind'],
  make: (kernelSize: S, options: object) => L,
  lower: Lowered,
  over: Space<S, never>,
) => {
  const windowsOf = (layer: Pooling<L['kind'], S>): Windows => over.windows(layer)
  return defineLayer<L>(name, {
    again: ({ kernelSize, ...options }: Omit<L, 'kind'>) => make(kernelSize, options),
    output(layer, x, where) {
      over.expect(where, x)
      return [[x.shape[0], ...windows(where, x, windowsOf(layer))], false]
    },
    lower: (pass, node, layer, x) => lower(pass, node, x, windowsOf(layer)),
  })
}

const summed: Lowered = (...of) => pooled(...of, 1)

const avgPool2dKind = poolKind('avgPool2d', avgPool2d, pooled, images)
const sumPool2dKind = poolKind('sumPool2d', sumPool2d, summed, images)
const maxPool2dKind = poolKind('maxPool2d', maxPool2d, maxPooled, images)
const avgPool1dKind = poolKind('avgPool1d', avgPool1d, pooled, series)
const sumPool1dKind = poolKind('sumPool1d', sumPool1d, summed, series)
const maxPool1dKind = poolKind('maxPool1d', maxPool1d, maxPooled, series)

/** Max pooling of one layer's spikes, which stay spikes, or of anything else as currents. */
function maxPooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  layer: Windows & Pick<MaxPool2d, 'rate'>,
): Expression {
  const { b, context, images, training, callSteps, options } = pass
  const [{ scale }] = x.terms
  const input = scale > 0 ? spikesOrFloats(pass, node, x).input : floatsOf(pass, node, x)
  const { stored } = input
  const isSpikes = input.kind === 'spikes'
  const output = isSpikes
    ? pass.spikeTensor(node.name, node.shape, input.lambda)
    : pass.floatTensor(node.name, node.shape, input.steps)
  // Where time means are differentiated, the gradient goes where the mean is largest.
  const perStep = context.method.presynaptic !== 'mean'
  const steps = isSpikes ? pass.gradientSteps : input.steps
  const choices = images * node.shape[1] * node.shape[2] * stored * (perStep ? steps : 1)
  const choice = training ? b.buffer(`${node.name} choice`, choices, 'kept') : undefined
  const windows = { window: usedWindow(x.shape, layer), images, stored, from: input, to: node }
  if (input.kind === 'spikes' && output.kind === 'spikes') {
    const countsOfRates = layer.rate === 'official' && training && !perStep
    const sums = choice && !perStep && !input.counts ? pass.spikeSums(input).buffer : undefined
    const official = `${node.name} (${labelOf(node)}): timeSteps with rate 'official'`
    if (countsOfRates)
      checkSteps('officialRate', official, options.timeSteps, "rate 'pooled', or fewer steps")
    const of = { choice, perStep, loop: context.outer, countsOfRates, sums }
    emitMaxPool(b, { ...windows, steps: callSteps }, input, output, of)
  } else if (input.kind === 'float' && output.kind === 'float') {
    const isChosen = training && !perStep && (context.outer || steps > 1)
    const chooser = isChosen ? pass.timeSum(node, input) : undefined
    const places = { in: input.buffer, out: output.buffer }
    pass.make(output, { layers: 0, byImages: false }, (again) =>
      emitMaxPoolFloats(b, { ...windows, steps }, again ? places : { ...places, choice, chooser }),
    )
  }
  if (choice)
    handBack(pass, node, output, input, false, (delta, out, steps) => {
      const back = { ...windows, steps, from: output, to: input }
      emitMaxPoolBackward(b, back, delta, { buffer: choice, perStep }, out)
    })
  return { shape: node.shape, terms: [term(output, isSpikes ? scale : 1)] }
}
