/** Gradients of convolutions and linear layers. */

import { fail } from '../../base/errors.js'
import { emitBiasGradient } from '../../compile/convolution/dense.js'
import {
  fewForLists,
  listsBy,
  patternsBy,
  strategiesOf,
  type Which,
} from '../../compile/convolution/index.js'
import { listGradient, listSource, patternGradient } from '../../compile/convolution/patterns.js'
import type { Strategy, Task, WeightGradient } from '../../compile/convolution/strategy.js'
import { emitMaterialise } from '../../compile/emit/materialise.js'
import { storedChannels } from '../../compile/layout.js'
import { type DenseInput, noPool, rowsOf } from '../../compile/tensors.js'
import { ref } from '../../kernels/records/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import * as convolution from '../convolution.js'
import { convShape, convSizes, linearShape, linearSizes } from '../convolution.js'
import { changes, gives, op, takes } from '../op.js'
import * as is from '../options.js'
import { type Extent, still } from '../shapes.js'
import { asFloat, bytes, channels, denseRows, floats, spikes, weights } from '../tensor.js'

/** How gradients of the input can be computed. */
export type InputGradientAlgorithm =
  | ('auto' | 'winograd' | 'winograd stride')
  | ('direct' | 'dense' | 'grouped')

/** @__NO_SIDE_EFFECTS__ */
const inputGradient = <S extends is.OptionTable>(
  name: string,
  shape: S,
  sizesOf: convolution.SizesOf,
) =>
  op(name, {
    options: {
      ...shape,
      /**
       * 'auto', the default, takes what a network would: of 'winograd', 'winograd stride',
       * 'direct'; with groups of 'dense', 'grouped'.
       */
      algorithm: is.given<InputGradientAlgorithm>(),
    },
    returns: 'inputGradient',
    derive: (of, { op }) => ({ sizes: sizesOf(op, of as never) }),
    tensors: ({ sizes: { layout, output, input, g } }) => ({
      /** [N, …] */
      weight: takes(weights(layout)),
      /** The gradient of the output. */
      delta: takes(floats(output)),
      /** The shape of the input. */
      inputGradient: gives(floats(input, g.inC)),
    }),
    emit(o, { weight, delta, inputGradient: out }, { sizes, algorithm }) {
      const places = { zeros: convolution.zerosOf(o, sizes), delta, weight: ref(weight), out }
      const job = { name: o.op, g: sizes.g, steps: sizes.input.T, ...places }
      const ways = convolution.waysOf(o, strategiesOf(job).inputGradient, job)
      return { algorithm: convolution.takeWay(o.op, algorithm as string | undefined, ways) }
    },
  })

/**
 * Gradient of a convolution's input from that of its output (`torch.nn.grad.conv2d_input`):
 *
 *     dx[b, t, c, i, j] = Σ over n, p, q of w[n, c, p, q] · delta[b, t, n, u, v],
 *                         where u·stride + p·dilation − padding = i, v and q for j alike
 *
 * Through time each step is by itself; in rate-based backpropagation there is one row for all
 * steps. Winograd's kernels: Lavin and Gray, arXiv 1509.09308.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const back = ops.conv2dInputGradient.plan({
 *   input: [2, 16, 8, 8],
 *   weight: [32, 16, 3, 3],
 *   padding: 1,
 * })
 * const weight = new Float32Array(32 * 16 * 9).fill(0.5)
 * const dx = back.run(weight, new Float32Array(2 * 32 * 64).fill(1))
 * console.log(back.algorithm, dx[0], dx[9]) // a corner sees 4 taps, the inside 9, of 32 channels
 * ```
 */
export const conv2dInputGradient = inputGradient('conv2dInputGradient', convShape, convSizes)

/**
 * Gradient of a linear layer's input: dx[b, t, c] = Σ over n of w[n, c] · delta[b, t, n].
 */
export const linearInputGradient = inputGradient('linearInputGradient', linearShape, linearSizes)

const accumulating = {
  /** The gradient is added to the last argument. Default false. */
  accumulate: is.flag(),
}

/** @__NO_SIDE_EFFECTS__ */
const biasGradient = <S extends { readonly delta: is.Axes }>(name: string, shape: S) =>
  op(name, {
    options: { ...shape, ...accumulating },
    returns: 'biasGradient',
    derive: ({ delta, accumulate }) => ({ extent: delta as Extent, adds: accumulate as boolean }),
    tensors: ({ extent, adds }) => ({
      /** The gradient of the output. */
      delta: takes(floats(extent)),
      /** [N]; with `accumulate` the gradient so far, which is changed. */
      biasGradient: adds ? changes(channels(extent.C)) : gives(channels(extent.C)),
    }),
    emit({ b }, { delta, biasGradient }, { extent: { B: images, C, H: outH, W: outW, T }, adds }) {
      const g = { images, outH, outW, outC: storedChannels(C) }
      emitBiasGradient(b, g, T, delta, ref(biasGradient), adds)
    },
  })

/**
 * Gradient of a convolution's bias: db[n] = Σ over b, t, i, j of delta[b, t, n, i, j].
 */
export const conv2dBiasGradient = biasGradient('conv2dBiasGradient', {
  /** Shape of the output's gradient: [B, N, H, W], or that behind T. */
  delta: is.image,
})

/**
 * Gradient of a linear layer's bias: db[n] = Σ over b, t of delta[b, t, n].
 */
export const linearBiasGradient = biasGradient('linearBiasGradient', {
  /** Shape of the output's gradient: [B, N], or [B, T, N]. */
  delta: is.rows,
})

/** How gradients of the weight can be computed. */
export type WeightGradientAlgorithm =
  | ('auto' | 'winograd' | 'narrow' | 'direct')
  | ('lists' | 'patterns' | 'dense' | 'grouped')

/** Options of gradients of the weight besides their shapes. */
const weightGradientOptions = {
  /** The input holds spikes of each step, bytes of 0 and 1. */
  spikes: is.flag(),
  /**
   * The input holds counts of spikes over `timeSteps`, bytes [B, …]: `delta` is multiplied
   * with rates, counts / timeSteps, as in rate-based backpropagation.
   */
  counts: is.flag(),
  /** Steps that counts run over. */
  timeSteps: is.given<number>(),
  /**
   * `delta` has no T: it is multiplied with the mean of the floats [B, T, …] over time.
   * Default false.
   */
  mean: is.flag(),
  ...accumulating,
  /**
   * 'auto', the default, takes what a network would. On floats: 'winograd', 'narrow', 'direct';
   * with groups 'dense', 'grouped'. On counts 'lists' too, on spikes 'patterns'. Where the number
   * of spikes decides in each run, a plan's `algorithm` names both, such as 'lists | winograd'.
   */
  algorithm: is.given<WeightGradientAlgorithm>(),
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  image: is.given<boolean>(),
  ...convolution.spikeOptions,
}
type Given = is.Checked<typeof weightGradientOptions> & convolution.Shapes
type OfWeight = Given & { readonly sizes: convolution.ConvSizes }

/** Checks what goes together, and shapes. */
function sizesBy(sizesOf: convolution.SizesOf, of: Given, { op }: OpBuilder) {
  const { spikes, counts, timeSteps, mean, pool } = of
  if (spikes && counts)
    fail(`${op}: the input holds spikes or counts; leave one of the options out`)
  if (!(counts ? timeSteps !== undefined : timeSteps === undefined))
    fail(
      `${op}.timeSteps are the steps that counts run over; ` +
        (counts ? 'say how many' : 'set counts: true, or leave it out'),
    )
  is.steps.check(`${op}.timeSteps`, timeSteps)
  if (mean && (spikes || counts))
    fail(`${op}.mean is of inputs of floats; for spikes give their counts`)
  for (const name of ['sources', 'pool'] as const)
    if (!spikes && !counts && of[name] !== undefined)
      fail(`${op}.${name} is of spikes and counts; leave it out for floats`)
  const image = convolution.isImage(op, of.image, of.input, spikes || counts)
  const time = counts ? 'never' : mean ? 'always' : 'maybe'
  return { sizes: sizesOf(op, of, { image, time, pool }) }
}

/** Tensors of a gradient of the weight. */
function weightGradientTensors(of: OfWeight) {
  const { source, g, layout, output } = of.sizes
  const make = of.counts ? bytes : of.spikes ? spikes : (extent: Extent) => floats(extent, g.inC)
  const out = weights(layout)
  return Object.assign(convolution.inputs<Float32Array | Uint8Array>(of.sources, source, make), {
    /** The gradient of the output. */
    delta: takes(floats(of.mean ? still(output) : output)),
    /** The shape of the weight; with `accumulate` the gradient so far, which is changed. */
    weightGradient: of.accumulate ? changes(out) : gives(out),
  })
}

/** The mean over time of floats, or the floats themselves. */
function readFloats(
  { b, made }: OpBuilder,
  { g, input }: convolution.ConvSizes,
  name: string,
  mean: boolean,
) {
  const tensor = asFloat(made.input, input)
  if (!mean || input.T === 1) return denseRows(tensor)
  const out = b.buffer(name, g.images * g.inH * g.inW * g.inC * 4)
  const sum = { shape: tensor.shape, terms: [{ tensor, pool: noPool, scale: 1 }] }
  emitMaterialise(b, sum, g.images, 1, input.T, true, out, g.inC, denseRows)
  return rowsOf(out, g.inC)
}

type Job = Omit<WeightGradient, 'input'>

/** Lists from counts of one tensor, which write the gradient, and add to none; and when to. */
function countLists(
  o: OpBuilder,
  { expression }: convolution.SpikeReader,
  { accumulate, ...of }: Job,
  timeSteps: number,
) {
  const source = accumulate ? undefined : listSource(expression)
  const job = source && { ...of, ...source, steps: timeSteps }
  const fits = (task: Task): boolean => job !== undefined && fewForLists(task) !== undefined
  const task = { ...of, steps: timeSteps }
  return {
    ways: convolution.waysOf(
      o,
      [{ ...listGradient, fits }],
      task,
      () => job as NonNullable<typeof job>,
    ),
    which: (): Which => (job ? listsBy(o.b, job) : 'many'),
  }
}

/** The same of the spikes of each step. */
function patternLists(o: OpBuilder, reader: convolution.SpikeReader, of: Job, isAsked: boolean) {
  const job = { ...of, spikes: isAsked ? convolution.listed(o, reader, of) : reader.spikes }
  const ways = convolution.waysOf(o, [patternGradient], job)
  return { ways, which: (): Which => patternsBy(o.b, job) }
}

function emitWeightGradient(o: OpBuilder, of: OfWeight): Partial<Planned> {
  const { op: name, made } = o
  const { sizes, accumulate, mean, counts, algorithm, timeSteps } = of
  const { g, output } = sizes
  const steps = mean ? 1 : output.T
  const activity = `${name} presynaptic activity`
  const place = { delta: made.delta.buffer, out: ref(made.weightGradient.buffer) }
  const job = { name, g, steps, ...place, accumulate }
  const reader =
    of.spikes || counts ? convolution.readSpikes(o, sizes, of.sources, timeSteps) : undefined
  const read = (): DenseInput =>
    reader
      ? rowsOf(reader.write(activity, steps, timeSteps ?? 0), g.inC, steps)
      : readFloats(o, sizes, activity, mean)
  // A network would not know the address of a model's input.
  const indirect = convolution.isImage(name, of.image, of.input, reader !== undefined)
  const list: readonly Strategy<WeightGradient>[] = strategiesOf(job).weightGradient
  const products = convolution.waysOf(o, list, { g, steps, indirect }, () => {
    return { ...job, input: read() }
  })
  if (!reader) return { algorithm: convolution.takeWay(name, algorithm, products) }
  const isAsked = [undefined, 'auto', 'patterns'].includes(algorithm)
  const lists = counts
    ? countLists(o, reader, job, timeSteps ?? 1)
    : patternLists(o, reader, job, isAsked)
  let before = counts ? reader.check : undefined
  const which = (): Which => {
    const found = lists.which()
    // Without a choice between kernels the sum of the spikes is not needed.
    if (typeof found === 'object') before = reader.count
    return found
  }
  const ways = convolution.eitherOf(o, which, lists.ways, products)
  return { algorithm: convolution.takeWay(name, algorithm, ways), before }
}

/** @__NO_SIDE_EFFECTS__ */
const weightGradient = <S extends is.OptionTable>(
  name: string,
  shape: S,
  sizesOf: convolution.SizesOf,
) =>
  op(name, {
    options: { ...shape, ...weightGradientOptions },
    returns: 'weightGradient',
    derive: (of, o) => sizesBy(sizesOf, of as never, o),
    tensors: (of) => weightGradientTensors(of as never),
    emit: (o, _, of) => emitWeightGradient(o, of as never),
  })

/**
 * Gradient of a convolution's weight (`torch.nn.grad.conv2d_weight`):
 *
 *     dw[n, c, p, q] = Σ over b, t, i, j of delta[b, t, n, i, j] ·
 *                      x[b, t, c, i·stride + p·dilation − padding, … j, q alike]
 *
 * x are floats; with `spikes` spikes of each step; with `counts` rates, counts / timeSteps, and
 * delta has no T (rate-based backpropagation); with `mean` the mean over T of floats.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const shapes = { input: [2, 4, 6, 6], weight: [8, 4, 3, 3], padding: 1 }
 * const counts = Uint8Array.from({ length: 2 * 4 * 36 }, (_, i) => (i % 5 === 0 ? i % 4 : 0))
 * const delta = Float32Array.from({ length: 2 * 8 * 36 }, (_, i) => Math.cos(i))
 * const ofRates = ops.conv2dWeightGradient.plan({ ...shapes, counts: true, timeSteps: 4 })
 * const dw = ofRates.run(counts, delta)
 * const rates = Float32Array.from(counts, (n) => n / 4)
 * const same = ops.conv2dWeightGradient(shapes, rates, delta)
 * console.log(ofRates.algorithm, Math.abs(dw[0] - same[0]) < 1e-5)
 * ```
 */
export const conv2dWeightGradient = weightGradient('conv2dWeightGradient', convShape, convSizes)

/**
 * Gradient of a linear layer's weight: dw[n, c] = Σ over b, t of delta[b, t, n] · x[b, t, c].
 */
export const linearWeightGradient = weightGradient('linearWeightGradient', linearShape, linearSizes)
