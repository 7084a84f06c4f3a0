/** Average pooling to a given size. */

import { inUnits } from '../../compile/budgets.js'
import { handBack } from '../../compile/emit/gradients.js'
import { floatsOf, pooled } from '../../compile/emit/write-out.js'
import { defineLayer, type Pass } from '../../compile/pass.js'
import type { ProgramBuilder } from '../../compile/program.js'
import type { Expression } from '../../compile/tensors.js'
import { adaptivePool, adaptivePoolBackward } from '../../kernels/records/activity.js'
import type { Buffer } from '../../kernels/records/words.js'
import {
  type Layer,
  layerOf,
  noMore,
  type OfKind,
  type Pair,
  type Size,
} from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { images, type Space, series } from '../../network/window.js'

/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d extends OfKind<'adaptiveAvgPool2d'> {
  /** Height and width of the output, in pixels. */
  readonly outputSize: Pair
}

/** What `adaptiveAvgPool1d` makes. */
export interface AdaptiveAvgPool1d extends OfKind<'adaptiveAvgPool1d'> {
  /** Length of the output. */
  readonly outputSize: number
}

/**
 * Means over windows, so many as asked for: [C, H, W] → [C, H', W'], where `outputSize` gives H'
 * and W'. Row i of the output is the mean of the rows ⌊i·H/H'⌋ … ⌈(i + 1)·H/H'⌉ − 1, columns
 * alike, as in PyTorch. Where H' divides H these windows are equal and share no row; else
 * neighbours may share one. A size above the input's repeats rows.
 *
 * Where the windows are equal nothing runs for the layer, and spikes stay spikes for the layer
 * behind it. Where they are not, it gives numbers.
 * @param outputSize height and width of the output, or one number for both
 * @throws SpikewasmError when a size is not a positive integer
 */
export function adaptiveAvgPool2d(outputSize: Size, ...more: []): AdaptiveAvgPool2d {
  const size = images.size('adaptiveAvgPool2d.outputSize', outputSize, 1)
  return layerOf(adaptiveAvgPool2dKind, { outputSize: size }, more)
}

/**
 * Means over windows of a series, so many as asked for: [C, L] → [C, outputSize], by the rule of
 * `adaptiveAvgPool2d`.
 * @throws SpikewasmError when the size is not a positive integer
 */
export function adaptiveAvgPool1d(outputSize: number, ...more: []): AdaptiveAvgPool1d {
  const size = series.size('adaptiveAvgPool1d.outputSize', outputSize, 1)
  return layerOf(adaptiveAvgPool1dKind, { outputSize: size }, more)
}

/** A kind of such a layer: its function, and what it pools. */
const adaptiveKind = <S extends Size, L extends Layer & { readonly outputSize: S }>(
  name: L['kind'],
  make: (outputSize: S, ...more: []) => L,
  over: Space<S, never>,
) =>
  defineLayer<L>(name, {
    again: ({ outputSize, ...rest }: Omit<L, 'kind'>) => make(outputSize, ...noMore(name, rest)),
    output({ outputSize }, x, where) {
      over.expect(where, x)
      return [[x.shape[0], ...over.pair(outputSize)], false]
    },
    lower: (pass, node, { outputSize }, x) =>
      adaptivelyPooled(pass, node, x, over.pair(outputSize)),
  })

const adaptiveAvgPool2dKind = adaptiveKind('adaptiveAvgPool2d', adaptiveAvgPool2d, images)
const adaptiveAvgPool1dKind = adaptiveKind('adaptiveAvgPool1d', adaptiveAvgPool1d, series)

/** Images and their pooled ones, channels as stored. */
export interface AdaptiveSizes {
  readonly images: number
  readonly input: Pair
  readonly output: Pair
  readonly channels: number
  readonly steps: number
}

/** The record of the pooling, or of its gradient. */
export function emitAdaptive(
  b: ProgramBuilder,
  kind: typeof adaptivePool | typeof adaptivePoolBackward,
  { images, input, output, channels, steps }: AdaptiveSizes,
  places: { readonly in: Buffer; readonly out: Buffer },
): void {
  const [height, width] = kind === adaptivePool ? output : input
  const pixels = images * height * width
  const { units, pixelsPerUnit } = inUnits(pixels, channels * steps)
  const [inH, inW] = input
  const [outH, outW] = output
  const sizes = { images, inH, inW, outH, outW, channels, steps, pixelsPerUnit }
  b.emit(kind, units, { ...sizes, ...places })
}

/** Equal windows are those of average pooling; others are written out. */
function adaptivelyPooled(pass: Pass, node: GraphNode, x: Expression, output: Pair): Expression {
  const { b, images } = pass
  const input: Pair = [x.shape[1], x.shape[2]]
  if (input.every((n, i) => n % output[i] === 0)) {
    const kernelSize: Pair = [input[0] / output[0], input[1] / output[1]]
    return pooled(pass, node, x, { kernelSize, stride: kernelSize, padding: [0, 0] })
  }
  const tensor = floatsOf(pass, node, x)
  const { steps, stored, buffer } = tensor
  const out = pass.floatTensor(node.name, node.shape, steps)
  const sizes = { images, input, output, channels: stored }
  pass.make(out, { layers: 0, byImages: true }, () => {
    const part = { ...sizes, images: pass.images, steps }
    emitAdaptive(b, adaptivePool, part, { in: buffer, out: out.buffer })
  })
  return handBack(pass, node, out, tensor, false, (delta, gradient, rows) =>
    emitAdaptive(b, adaptivePoolBackward, { ...sizes, steps: rows }, { in: delta, out: gradient }),
  )
}
