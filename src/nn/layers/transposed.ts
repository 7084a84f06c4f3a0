/** Transposed convolutions: those whose gradient of the input is what they compute. */

import { checkOptions, fail } from '../../base/errors.js'
import { emitBiasGradient } from '../../compile/convolution/dense.js'
import { type Geometry, geometryOf, groupingOf } from '../../compile/convolution/geometry.js'
import {
  emitForwardOnFloats,
  emitTransposed,
  emitWeightGradient,
} from '../../compile/convolution/index.js'
import { type WeightGradient, withInput } from '../../compile/convolution/strategy.js'
import { countValues } from '../../compile/emit/activity.js'
import { emitTraceGradient } from '../../compile/emit/encode.js'
import { giveMadeGradient, withGradient } from '../../compile/emit/gradients.js'
import { plainFloat } from '../../compile/emit/materialise.js'
import {
  forImages,
  type Kept,
  keptForWeight,
  presynaptic,
  writtenPresynaptic,
} from '../../compile/emit/weighted.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { storedChannels, weightLayout } from '../../compile/layout.js'
import { defineLayer, type Pass, term } from '../../compile/pass.js'
import type { ProgramBuilder } from '../../compile/program.js'
import { type Expression, rowsOf } from '../../compile/tensors.js'
import type { Reference } from '../../kernels/records/words.js'
import {
  type Layer,
  layerOf,
  type OfKind,
  type Pair,
  type ParameterSpec,
  type Size,
} from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { show, sizeOf, type Value } from '../../network/value.js'
import {
  type Convolution,
  channelGroups,
  expectChannels,
  type LinearOptions,
  weightParameters,
  weights,
} from '../../network/weights.js'
import { dilationOf, images, type Space, series, spanOf } from '../../network/window.js'

/** What transposed convolutions have in common; `S`: a size, of an image or of a series. */
interface Transposed<S> extends Omit<Convolution<S>, 'standardise'> {
  /** Rows and columns more at the end of the output. */
  readonly outputPadding: S
}

/** What `convTranspose2d` makes; fields as in `ConvTransposeOptions`, completed. */
export interface ConvTranspose2d extends OfKind<'convTranspose2d'>, Transposed<Pair> {}

/** What `convTranspose1d` makes; fields as in `ConvTranspose1dOptions`, completed. */
export interface ConvTranspose1d extends OfKind<'convTranspose1d'>, Transposed<number> {}

/** Options of both; each has a default. `S`: a size. */
interface TransposedOptions<S extends Size> extends Omit<LinearOptions, 'standardise'> {
  /** Pixels of the output from one place of the kernel to the next, ≥ 1; default 1. */
  stride?: S
  /** Rows and columns of the output that are left out on every side, ≥ 0; default 0. */
  padding?: S
  /** Rows and columns more at the output's end, below the stride or the dilation; default 0. */
  outputPadding?: S
  /** Pixels from one place within the kernel to the next, ≥ 1; 1, the default: neighbours. */
  dilation?: S
  /** Equal parts of the channels, each of which goes by itself; it divides both. Default 1. */
  groups?: number
}

/** Options of `convTranspose2d`; each has a default. */
export interface ConvTransposeOptions extends TransposedOptions<Size> {}

/** Options of `convTranspose1d`; each has a default. */
export interface ConvTranspose1dOptions extends TransposedOptions<number> {}

const sizes = ['stride', 'padding', 'outputPadding', 'dilation'] as const

/** Checks and completes a transposed convolution. */
function transposed<In extends Size, S extends Size>(
  name: string,
  [inChannels, outChannels]: readonly [number, number],
  given: In,
  options: TransposedOptions<In>,
  { size }: Space<S, In>,
): Transposed<S> {
  checkOptions(name, options, [...sizes, 'groups', 'bias', 'init'])
  const sized = (of: (typeof sizes)[number], least: number): S =>
    size(`${name}.${of}`, (options[of] === undefined ? least : options[of]) as In, least)
  const kernelSize = size(`${name}.kernelSize`, given, 1)
  const groups = channelGroups(name, inChannels, outChannels, options.groups)
  const [stride, dilation] = [sized('stride', 1), sized('dilation', 1)]
  const [padding, outputPadding] = [sized('padding', 0), sized('outputPadding', 0)]
  const [by, apart] = [[stride].flat(), [dilation].flat()]
  if (![outputPadding].flat().every((n, i) => n < Math.max(by[i], apart[i])))
    fail(
      `${name}.outputPadding must be below the stride (${by}) or the dilation (${apart}), got ` +
        `${outputPadding}`,
    )
  const { standardise: _, ...own } = weights(name, 1, options)
  const fields = { inChannels, outChannels, kernelSize, stride, padding, outputPadding, groups }
  return { ...fields, ...dilationOf(dilation), ...own }
}

/**
 * Transposed 2-D convolution (PyTorch's ConvTranspose2d): [inChannels, H, W] → [outChannels, H',
 * W'] with H' = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1, W' alike.
 * Each input pixel adds the kernel times its value to the output, `stride` pixels apart: the
 * gradient of the input of a `conv2d` with these options. Parameters `weight` [inChannels,
 * outChannels / groups, kernel height, kernel width] and `bias` [outChannels], which start as
 * PyTorch's, within ±1/√(outChannels / groups · kernel height · kernel width).
 *
 * ```ts
 * convTranspose2d(16, 8, 4, { stride: 2, padding: 1 }) // [16, 7, 7] → [8, 14, 14]
 * ```
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize height and width in pixels, or one number for both
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, `outputPadding` is not below stride or dilation, or an option is unknown
 */
export function convTranspose2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options: ConvTransposeOptions = {},
  ...more: []
): ConvTranspose2d {
  const channels = [inChannels, outChannels] as const
  const fields = transposed('convTranspose2d', channels, kernelSize, options, images)
  return layerOf(convTranspose2dKind, fields, more)
}

/**
 * Transposed convolution of a series (PyTorch's ConvTranspose1d): [inChannels, L] → [outChannels,
 * L'] with L' = (L − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1. Parameters
 * `weight` [inChannels, outChannels / groups, kernel] and `bias` [outChannels], which start as
 * PyTorch's.
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize places of the kernel, an integer ≥ 1
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, `outputPadding` is not below stride or dilation, or an option is unknown
 */
export function convTranspose1d(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: ConvTranspose1dOptions = {},
  ...more: []
): ConvTranspose1d {
  const channels = [inChannels, outChannels] as const
  const fields = transposed('convTranspose1d', channels, kernelSize, options, series)
  return layerOf(convTranspose1dKind, fields, more)
}

type Windowed = Omit<Transposed<Pair>, 'bias' | 'init'>

/** Height and width of the output. */
function sizesOf(where: string, x: Value, layer: Windowed): Pair {
  const { stride, padding, outputPadding } = layer
  const span = spanOf(layer)
  const along = (axis: 0 | 1): number =>
    (x.shape[1 + axis] - 1) * stride[axis] - 2 * padding[axis] + span[axis] + outputPadding[axis]
  const out: Pair = [along(0), along(1)]
  if (!(out[0] >= 1 && out[1] >= 1))
    fail(
      `${where}: its padding ${padding.join('×')} leaves nothing of the output for the input ` +
        `${show(x)}; make padding smaller`,
    )
  return out
}

/** The convolution whose input gradient a layer computes: from its output to its input. */
const convolutionOf = ({ inChannels, outChannels, ...of }: Windowed) =>
  ({ ...of, kind: 'conv2d', inChannels: outChannels, outChannels: inChannels }) as const

/**
 * Weight [inChannels, outChannels / groups, …kernel], whose fan-in PyTorch takes from its second
 * size on; bias [outChannels].
 */
function parametersOf(layer: Transposed<Size>): ParameterSpec[] {
  const { inChannels, outChannels, groups, kernelSize } = layer
  const each = [outChannels / groups, ...[kernelSize].flat()]
  const own = { ...layer, standardise: false }
  return weightParameters(own, [inChannels, ...each], sizeOf(each)).map((spec) =>
    spec.name === 'bias' ? { ...spec, shape: [outChannels] } : spec,
  )
}

/** A kind of transposed convolution: its function, and what its kernel slides over. */
function transposedKind<S extends Size, L extends Layer & OfKind<Layer['kind']> & Transposed<S>>(
  name: L['kind'],
  make: (inChannels: number, outChannels: number, kernelSize: S, options: object) => L,
  over: Space<S, never>,
) {
  const windowed = (layer: L): Windowed => ({
    ...layer,
    ...over.windows(layer),
    outputPadding: over.windows({ ...layer, padding: layer.outputPadding }).padding,
    dilation: layer.dilation === undefined ? undefined : over.pair(layer.dilation),
  })
  return defineLayer<L>(name, {
    again: ({ inChannels, outChannels, kernelSize, ...options }: Omit<L, 'kind'>) =>
      make(inChannels, outChannels, kernelSize, options),
    output(layer, x, where) {
      over.expect(where, x)
      expectChannels(where, x, layer.inChannels)
      return [[layer.outChannels, ...sizesOf(where, x, windowed(layer))], false]
    },
    parameters: parametersOf,
    layout({ name, shape }, _graph, node) {
      if (name !== 'weight') return undefined
      const { outChannels } = node.layer as L
      const stored = storedChannels(outChannels)
      const grouping = groupingOf(convolutionOf(windowed(node.layer as L)), stored)
      const taps = sizeOf(shape.slice(2))
      return weightLayout(shape, shape[0], outChannels, taps, stored, grouping)
    },
    pixels: ({ kernelSize }) => over.pair(kernelSize)[1],
    lower: (pass, node, layer, x) => lowerTransposed(pass, node, windowed(layer), x),
  })
}

const convTranspose2dKind = transposedKind('convTranspose2d', convTranspose2d, images)
const convTranspose1dKind = transposedKind('convTranspose1d', convTranspose1d, series)

/**
 * Forward is the gradient of the input of the convolution from the output to the input; back, its
 * forward pass is the gradient of the input, and its weight's gradient has the two exchanged.
 */
function lowerTransposed(pass: Pass, node: GraphNode, layer: Windowed, x: Expression): Expression {
  const { b, context } = pass
  const { name, index } = node
  const { zeros } = context.buffers
  const input = floatsOf(pass, node, x)
  const { steps, stored } = input
  const g = geometryOf(
    convolutionOf(layer),
    node.shape,
    storedChannels(layer.outChannels),
    x.shape,
    pass.images,
  )
  const weight = context.parameter(index, 'weight') as Reference
  const bias = context.parameter(index, 'bias')
  const output = pass.floatTensor(`${name} current`, node.shape, steps)
  countValues(pass, node, 'input', x.shape, input)
  pass.make(output, { layers: 1, byImages: true }, () => {
    const job = { name, g, steps, delta: input.buffer, weight, out: output.buffer, zeros }
    emitTransposed(b, { ...forImages(pass, job), bias })
  })
  const kept = keptForWeight(pass, node, x, stored, input)
  withGradient(pass, node, output, (delta, steps) => {
    const job = { name, g, steps, delta }
    lowerWeightGradient(pass, node, x, kept, job, stored)
    const biasGradient = context.gradient(index, 'bias')
    if (biasGradient)
      emitBiasGradient(b, outputOf(g), steps, delta, biasGradient, context.accumulate)
    if (x.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return
    giveMadeGradient(pass, {
      name: `${name} input gradient`,
      from: delta,
      to: { shape: x.shape, terms: [term(input)] },
      steps,
      stored,
      emit: (out) =>
        emitForwardOnFloats(b, {
          ...forImages(pass, { name, g, steps, weight, bias: undefined, out, zeros }),
          input: rowsOf(delta, g.inC, steps),
        }),
    })
  })
  return { shape: node.shape, terms: [term(output)] }
}

/** Sizes by which δ of the layer goes: the convolution's input is its output. */
const outputOf = (g: Geometry): Geometry => ({ ...g, outH: g.inH, outW: g.inW, outC: g.inC })

/** Its two factors exchanged: δ is the convolution's input, what the layer reads its δ. */
function lowerWeightGradient(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { trace, mean }: Pick<Kept, 'trace' | 'mean'>,
  { g, ...job }: Pick<WeightGradient, 'name' | 'g' | 'steps' | 'delta'>,
  inC: number,
): void {
  const { b, context } = pass
  const out = context.gradient(node.index, 'weight') as Reference
  const whole = { ...job, g: outputOf(g), out, accumulate: context.accumulate }
  const exchanged = (b: ProgramBuilder, given: WeightGradient): void => {
    const { input, delta, ...rest } = withInput(given)
    const read = { ...rowsOf(delta, g.inC, rest.steps), scale: input.scale }
    const { buffer } = input.address as Reference
    emitWeightGradient(b, { ...rest, g, input: read, delta: buffer })
  }
  // The model's input has no address before a program runs: it is written out once more.
  const activity = plainFloat(x)?.input ? writtenPresynaptic : presynaptic
  const byStep = (delta: WeightGradient['delta']): void => {
    const read = mean ?? activity(pass, node, x, inC, job.steps)
    exchanged(b, { ...whole, delta, ...read })
  }
  if (trace) emitTraceGradient(pass, node, x, whole, trace, byStep, exchanged)
  else byStep(job.delta)
}
