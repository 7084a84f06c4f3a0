/** Activations as texts say: a new one is a function here that calls `elementwise`. */

import { checkArguments, checkOptions, describe, fail } from '../../base/errors.js'
import { checkBy, range } from '../../base/rules.js'
import { inUnits } from '../../compile/budgets.js'
import { countValues } from '../../compile/emit/activity.js'
import { giveGradient, handBack, withGradient } from '../../compile/emit/gradients.js'
import { emitScaled, factorsOf } from '../../compile/emit/norm.js'
import { floatsOf, materialise, spikesOrFloats } from '../../compile/emit/write-out.js'
import { quoteMethodsWith } from '../../compile/methods.js'
import { defineLayer, type LayerPlan, type Pass, term } from '../../compile/pass.js'
import type { Expression } from '../../compile/tensors.js'
import { EquationError, MOST_TEXT, parse } from '../../kernels/equations/parse.js'
import * as records from '../../kernels/records/activity.js'
import { layerOf, noMore, type OfKind, sameShape } from '../../network/kind.js'
import { checkSurrogate } from '../../network/surrogates.js'
import type { GraphNode } from '../../network/trace.js'
import { finite, type PerNeuron, show, sizeOf } from '../../network/value.js'
import { checkText, type Equations, equationsKind, readEquations } from './equations.js'

const OUTPUT = 'output = '

/** Options of `elementwise`. */
export interface ElementwiseOptions {
  /** Names of parameters that are learnt. */
  learn?: readonly string[]
  /** Seed of what rand() and randn() draw, 0…2³² − 1; default 0. */
  seed?: number
}

/**
 * An activation as a text says, of each number and at each time step: [C, H, W] → [C, H, W]. The
 * last line is an expression of `x` and of parameters; lines `name = …` before it help. It is what
 * `neuron` makes of `output = …`, without a state. Its derivative is taken of the text.
 *
 * @param text as that of `neuron`
 * @param parameters numbers by name: one for the layer, each channel or each neuron
 * @throws SpikewasmError with line, column and a caret for a mistake in the text
 * @example
 * ```ts
 * const swish = elementwise('x * sigmoid(beta*x)', { beta: 1 }, { learn: ['beta'] })
 * ```
 */
export function elementwise(
  text: string,
  parameters: Readonly<Record<string, PerNeuron>> = {},
  options: ElementwiseOptions = {},
  ...more: []
): Equations {
  checkArguments('elementwise', more)
  checkText('elementwise', text)
  checkOptions('elementwise', options, ['learn', 'seed'])
  const source = { what: 'elementwise', text }
  const lines = parse(source, MOST_TEXT - OUTPUT.length)
  const last = lines.at(-1)
  if (!last || last.name !== undefined)
    throw new EquationError(source, last?.at ?? 0, 'the last line must be an expression alone')
  const before = lines.slice(0, -1)
  for (const { name, at } of before)
    if (name === 'spike' || name === 'output')
      throw new EquationError(source, at, `an activation has no line ${name} = …; use neuron()`)
  const all = [...before, { ...last, name: 'output' }]
  const { equations, fields } = readEquations(source, parameters, options, all)
  const [state] = equations.states
  if (state !== undefined)
    fail(
      `elementwise: an activation keeps nothing from step to step, but ${state} is read before a ` +
        'line assigns it; use neuron()',
    )
  return layerOf(equationsKind, {
    text: `${text.slice(0, last.at)}${OUTPUT}${text.slice(last.at)}`,
    ...fields,
    init: {},
    ...checkSurrogate('elementwise', {}),
  })
}

// Layers for which nothing runs: one passes its input on, the other lets it have another shape.

/** What `identity` makes. */
export interface Identity extends OfKind<'identity'> {}

/** What `flatten` makes. */
export interface Flatten extends OfKind<'flatten'> {}

/** Passes its input on, any shape: a shortcut, or a place kept free. */
export function identity(...more: []): Identity {
  return layerOf(identityKind, {}, more)
}

/** Turns an image into features: [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(...more: []): Flatten {
  return layerOf(flattenKind, {}, more)
}

const passedOn: LayerPlan<unknown> = {
  lower: (_pass, node, _layer, x) => ({ ...x, shape: node.shape }),
}

const identityKind = defineLayer<Identity>('identity', {
  ...sameShape,
  ...passedOn,
  again: (rest) => identity(...noMore('identity', rest)),
})

const flattenKind = defineLayer<Flatten>('flatten', {
  ...passedOn,
  output: (_layer, x) => [x.shape, true],
  again: (rest) => flatten(...noMore('flatten', rest)),
})

// max(0, x) of a current. Where gradients are time means, its derivative is one too.

/** What `relu` makes. */
export interface Relu extends OfKind<'relu'> {}

/**
 * max(0, x), any shape, at each time step: an activation for the analog part of a mixed network,
 * for example its stem. In rate mode its derivative is the mean over the steps of 1[x > 0].
 */
export function relu(...more: []): Relu {
  return layerOf(reluKind, {}, more)
}

const reluKind = defineLayer<Relu>('relu', {
  ...sameShape,
  again: (rest) => relu(...noMore('relu', rest)),
  lower(pass, node, _layer, x) {
    const { b, context, images } = pass
    const input = floatsOf(pass, node, x)
    const { steps, stored } = input
    const output = pass.floatTensor(node.name, node.shape, steps)
    const pixels = images * node.shape[1] * node.shape[2]
    const { units, pixelsPerUnit } = inUnits(pixels, stored * steps)
    const shared = { pixels, channels: stored, pixelsPerUnit }
    // A byte for each neuron, whatever T is.
    const counts =
      pass.training && context.method.presynaptic === 'mean'
        ? pass.carried(`${node.name} counts`, pixels * stored, 'kept')
        : undefined
    pass.make(output, { layers: 0, byImages: false }, (again) => {
      const places = { in: input.buffer, out: output.buffer, counts: again ? undefined : counts }
      b.emit(records.reluForward, units, { ...shared, ...places, steps })
    })
    countValues(pass, node, 'output', node.shape, output)
    return handBack(pass, node, output, input, true, (delta, out, steps) => {
      const places = { delta, activity: counts ? undefined : output.buffer, counts, out }
      const factor = 1 / pass.rowsOfAllCalls(input)
      b.emit(records.reluBackward, units, { ...shared, ...places, steps, factor })
    })
  },
})

// The mean over all steps of a call, written out; what reads it is the same at every step.

/** What `timeMean` makes. */
export interface TimeMean extends OfKind<'timeMean'> {}

/**
 * Mean over all time steps, [C, H, W] → [C, H, W]: of spikes their firing rates, the same numbers
 * at each step. What is behind it is an ordinary network of rates, as the branches of
 * self-distillation. Needs all steps at once: in training methods 'rate' and 'bptt' with stepMode
 * 'm'; it is no layer for streams.
 */
export function timeMean(...more: []): TimeMean {
  return layerOf(timeMeanKind, {}, more)
}

const timeMeanKind = defineLayer<TimeMean>('timeMean', {
  ...sameShape,
  again: (rest) => timeMean(...noMore('timeMean', rest)),
  lower(pass, node, _layer, x) {
    const { context, options, callSteps } = pass
    const { method, outer } = context
    if (!(!outer && !context.online && callSteps === options.timeSteps))
      fail(
        `${node.name} (timeMean): needs all steps of a sample at once, which ` +
          (options.purpose === 'stream'
            ? "purpose 'stream' has not; use another purpose"
            : `method '${options.method}' with stepMode '${options.stepMode}' has not; use ` +
              `${quoteMethodsWith(({ loop }) => loop === 'layers')} with stepMode 'm'`),
      )
    const output = pass.floatTensor(node.name, node.shape, 1)
    for (const { norm } of x.terms) norm?.averageUnread()
    for (const { tensor } of x.terms)
      if (tensor.kind === 'spikes' && !tensor.counts) pass.spikeSums(tensor)
    const byImages = x.terms.every(({ tensor }) => tensor.kind === 'spikes' || !tensor.input)
    pass.make(output, { layers: 0, byImages }, () =>
      pass.write(x, callSteps, true, output.buffer, output.stored),
    )
    return withGradient(pass, node, output, (delta) => {
      // Where gradients have a row for each step, each has its share of the mean's.
      const shared = x.terms.map((of) => {
        const steps = of.tensor.kind === 'spikes' ? callSteps : of.tensor.steps
        return method.rows === 'steps' ? { ...of, scale: of.scale / steps } : of
      })
      giveGradient({ ...x, terms: shared }, delta, 1)
    })
  },
})

// Dropout: the same neurons are silent at every step, forward and backward.

/** What `dropout` makes. */
export interface Dropout extends OfKind<'dropout'> {
  /** Probability that a neuron is silenced, 0…1, 1 excluded. */
  readonly p: number
}

/**
 * Dropout, any shape. In training each neuron is silenced with probability p, the same ones at all
 * time steps of a sample, and the others are multiplied by 1/(1 − p). Evaluation passes its input
 * on. It takes spikes or currents, so it may stand anywhere. Only method 'ottt', whose weights read
 * spikes, needs it directly behind neurons when a weight follows.
 * @param p probability, 0…1, 1 excluded; default 0.5
 * @throws SpikewasmError when p is out of range
 */
export function dropout(p = 0.5, ...more: []): Dropout {
  checkBy('dropout.p', range('0…1 (1 excluded)'), p)
  return layerOf(dropoutKind, { p }, more)
}

const dropoutKind = defineLayer<Dropout>('dropout', {
  ...sameShape,
  random: true,
  again: ({ p, ...rest }) => dropout(p, ...noMore('dropout', rest)),
  lower(pass, node, { p }, x) {
    const drops = pass.training || pass.context.drops
    if (!drops || p === 0) return { ...x, shape: node.shape }
    const { b, images } = pass
    const { input, scale } = spikesOrFloats(pass, node, x)
    const { shape, stored } = input
    const pixels = images * shape[1] * shape[2]
    const output =
      input.kind === 'spikes'
        ? pass.spikeTensor(node.name, shape, input.lambda)
        : pass.floatTensor(node.name, shape, input.steps)
    const rows = input.kind === 'spikes' ? 1 : input.steps
    const { units, pixelsPerUnit } = inUnits(pixels, stored * rows)
    const sizes = { pixels, channels: stored, pixelsPerUnit }
    const shared = { ...sizes, probability: p, stream: pass.nextStream() }
    if (input.kind === 'spikes' && output.kind === 'spikes') {
      const bytes = pixels * stored
      const from = { in: input.masks, inCounts: input.counts, inPlaneBytes: bytes }
      const to = { out: output.masks, counts: output.counts, planeBytes: bytes }
      b.emit(records.dropout, units, { ...shared, ...from, ...to, steps: pass.callSteps })
    } else if (input.kind === 'float' && output.kind === 'float')
      pass.make(output, { layers: 0, byImages: false }, () => {
        const places = { in: input.buffer, out: output.buffer }
        b.emit(records.dropoutFloats, units, { ...shared, ...places, steps: rows })
      })
    handBack(pass, node, output, input, true, (delta, out, steps) =>
      b.emit(records.dropoutFloats, units, { ...shared, in: delta, out, steps }),
    )
    return { shape: node.shape, terms: [term(output, scale / (1 - p))] }
  },
})

// Multiplication by constants: one is a factor of the terms, applied by the layer that reads them.

/** What `scale` makes. */
export interface Scale extends OfKind<'scale'> {
  /** What numbers are multiplied by: one for all, one for each channel, or one for each neuron. */
  readonly factor: number | readonly number[]
}

const isList = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) ||
  value instanceof Float32Array ||
  value instanceof Float64Array ||
  value instanceof Int32Array

/**
 * Multiplies by constants, any shape: by one number; by one for each channel (an array of C); or by
 * one for each neuron (an array of C·H·W in PyTorch's order [C][H][W]). The constants do not learn.
 * The networks of OTTT (Xiao et al., NeurIPS 2022) scale their spikes by 2.74; NIR's Scale has an
 * array.
 *
 * One number costs nothing: the layer behind applies it. An array gives numbers: no spikes for
 * method 'ottt' to trace.
 * @param factor finite float32 numbers; a single one must not be 0
 * @throws SpikewasmError for other numbers, and when the network is compiled for an array of
 *   another length
 */
export function scale(factor: number | ArrayLike<number>, ...more: []): Scale {
  checkArguments('scale', more)
  if (isList(factor)) {
    const factors = Array.from(factor)
    if (factors.length <= 0) fail('scale.factor must not be empty')
    const wrong = factors.findIndex((value) => !finite(value))
    if (wrong >= 0)
      fail(
        `scale.factor must hold finite float32 numbers, got ${describe(factors[wrong])} ` +
          `at index ${wrong}`,
      )
    return layerOf(scaleKind, { factor: factors })
  }
  if (!(finite(factor) && Math.fround(factor) !== 0))
    fail(
      `scale.factor must be a finite float32 number other than 0, or an array of finite ones, ` +
        `got ${describe(factor)}`,
    )
  return layerOf(scaleKind, { factor })
}

const scaleKind = defineLayer<Scale>('scale', {
  again: ({ factor, ...rest }) => scale(factor, ...noMore('scale', rest)),
  output({ factor }, x, where) {
    const [c] = x.shape
    const all = sizeOf(x.shape)
    const fits = (n: number): boolean => n === all || (!x.flat && n === c)
    if (typeof factor !== 'number' && !fits(factor.length))
      fail(
        `${where}: has ${(factor as readonly number[]).length} factors; the input ${show(x)} ` +
          (x.flat || all === c
            ? `needs ${all}`
            : `needs ${c}, one for each channel, or ${all}, one for each neuron`),
      )
    return [x.shape, x.flat]
  },
  lower(pass, node, { factor }, x) {
    if (typeof factor !== 'number') return byFactors(pass, node, factor, x)
    // A normalised term's factor cannot be folded into the affine map of whoever reads it: write it
    // out.
    const terms = x.terms.some((t) => t.norm) ? [term(materialise(pass, node, x))] : x.terms
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, scale: t.scale * factor })) }
  },
})

function byFactors(pass: Pass, node: GraphNode, by: readonly number[], x: Expression): Expression {
  const { b, images } = pass
  const input = floatsOf(pass, node, x)
  const { stored, shape, steps } = input
  const output = pass.floatTensor(node.name, node.shape, steps)
  const job = { images, shape, stored, ...factorsOf(by, shape, stored) }
  pass.make(output, { layers: 0, byImages: true }, () =>
    emitScaled(b, { ...job, images: pass.images, steps, in: input.buffer, out: output.buffer }),
  )
  return handBack(pass, node, output, input, true, (delta, out, steps) =>
    emitScaled(b, { ...job, steps, in: delta, out }),
  )
}
