/** Gradients of convolutions and linear layers. */

import { fail } from '../../errors.js'
import { emitEither, listsBy, patternsBy, type Which } from '../../plan/convolution/choice.js'
import { fewForLists, strategiesOf } from '../../plan/convolution/index.js'
import { listGradient, listSource } from '../../plan/convolution/lists.js'
import { patternGradient } from '../../plan/convolution/patterns.js'
import type { Strategy, Task, WeightGradient } from '../../plan/convolution/strategy.js'
import { emitBiasGradient } from '../../plan/convolution/weight-gradient.js'
import { storedChannels } from '../../plan/layout.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { type DenseInput, noPool, rowsOf } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type ConvSizes,
  isImage,
  type Shapes,
  type SizesOf,
  takeWay,
  type Way,
  waysOf,
  zerosOf,
} from '../convolution.js'
import { changes, gives, takes } from '../op.js'
import { flag, given, steps } from '../options.js'
import { type Extent, still } from '../shapes.js'
import { bytes, channels, floats, spikes, weights } from '../tensor.js'
import { asFloat, denseInput } from '../terms.js'
import { inputs, readSpikes, type SpikeReader, spikeOptions } from './spikes.js'

/** How gradients of the input can be computed. */
export type InputGradientAlgorithm =
  | ('auto' | 'winograd' | 'winograd stride')
  | ('direct' | 'dense' | 'grouped')

/** Options of gradients of the input besides their shapes. */
export const inputGradientOptions = {
  /**
   * 'auto', the default, takes what a network would: of 'winograd', 'winograd stride', 'direct';
   * with groups of 'dense', 'grouped'.
   */
  algorithm: given<InputGradientAlgorithm>(),
}

/** Tensors of a gradient of the input. */
export const inputGradientTensors = ({ layout, output, input, g }: ConvSizes) => ({
  /** [N, …] */
  weight: takes(weights(layout)),
  /** The gradient of the output. */
  delta: takes(floats(output)),
  /** The shape of the input. */
  inputGradient: gives(floats(input, g.inC)),
})

export function emitInputGradient(
  o: OpBuilder,
  _: unknown,
  of: ConvSizes & { readonly algorithm: InputGradientAlgorithm | undefined },
): Partial<Planned> {
  const { g, input } = of
  const { weight, delta, inputGradient } = o.made
  const job = {
    name: o.b.programs[0].name,
    ...{ g, steps: input.T, zeros: zerosOf(o, of), delta: delta.buffer },
    ...{ weight: ref(weight.buffer), out: inputGradient.buffer },
  }
  const ways = waysOf(o, strategiesOf(job).inputGradient, job)
  return { algorithm: takeWay(o.op, of.algorithm, ways) }
}

/** Whether a gradient is added to what is there. */
export const accumulating = {
  /** The gradient is added to the last argument. Default false. */
  accumulate: flag(),
}

/** Tensors of a gradient of the bias. */
export const biasGradientTensors = (delta: Extent, accumulate: boolean) => ({
  /** The gradient of the output. */
  delta: takes(floats(delta)),
  /** [N]; with `accumulate` the gradient so far, which is changed. */
  biasGradient: accumulate ? changes(channels(delta.C)) : gives(channels(delta.C)),
})

export function emitBias({ b, made }: OpBuilder, extent: Extent, accumulate: boolean): void {
  const { B: images, C, H: outH, W: outW, T } = extent
  const g = { images, outH, outW, outC: storedChannels(C) }
  const { delta, biasGradient } = made
  emitBiasGradient(b, g, T, delta.buffer, ref(biasGradient.buffer), accumulate)
}

/** How gradients of the weight can be computed. */
export type WeightGradientAlgorithm =
  | ('auto' | 'winograd' | 'narrow' | 'direct')
  | ('lists' | 'patterns' | 'dense' | 'grouped')

/** Options of gradients of the weight besides their shapes. */
export const weightGradientOptions = {
  /** The input holds spikes of each step, bytes of 0 and 1. */
  spikes: flag(),
  /**
   * The input holds counts of spikes over `timeSteps`, bytes [B, …]: `delta` is multiplied
   * with rates, counts / timeSteps, as in rate-based backpropagation.
   */
  counts: flag(),
  /** Steps that counts run over. */
  timeSteps: given<number>(),
  /**
   * `delta` has no T: it is multiplied with the mean of the floats [B, T, …] over time.
   * Default false.
   */
  mean: flag(),
  ...accumulating,
  /**
   * 'auto', the default, takes what a network would. On floats: 'winograd', 'narrow', 'direct';
   * with groups 'dense', 'grouped'. On counts 'lists' too, on spikes 'patterns'. Where the number
   * of spikes decides in each run, a plan's `algorithm` names both, such as 'lists | winograd'.
   */
  algorithm: given<WeightGradientAlgorithm>(),
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  image: given<boolean>(),
  ...spikeOptions,
}
type Given = {
  readonly [K in keyof typeof weightGradientOptions]: ReturnType<
    (typeof weightGradientOptions)[K]['check']
  >
} & Shapes
type OfWeight = Given & { readonly sizes: ConvSizes }

/** Checks what goes together, and shapes. */
export const weightGradientSizes =
  (sizesOf: SizesOf) =>
  (of: Given, { op }: OpBuilder) => {
    const { spikes, counts, timeSteps, mean, pool } = of
    if (spikes && counts)
      fail(`${op}: the input holds spikes or counts; leave one of the options out`)
    if (!(counts ? timeSteps !== undefined : timeSteps === undefined))
      fail(
        `${op}.timeSteps are the steps that counts run over; ` +
          (counts ? 'say how many' : 'set counts: true, or leave it out'),
      )
    steps.check(`${op}.timeSteps`, timeSteps)
    if (mean && (spikes || counts))
      fail(`${op}.mean is of inputs of floats; for spikes give their counts`)
    for (const name of ['sources', 'pool'] as const)
      if (!spikes && !counts && of[name] !== undefined)
        fail(`${op}.${name} is of spikes and counts; leave it out for floats`)
    const image = isImage(op, of.image, of.input, spikes || counts)
    const time = counts ? 'never' : mean ? 'always' : 'maybe'
    return { sizes: sizesOf(op, of, { image, time, pool }) }
  }

/** Tensors of a gradient of the weight. */
export function weightGradientTensors(of: OfWeight) {
  const { source, g, layout, output } = of.sizes
  const make = of.counts ? bytes : of.spikes ? spikes : (extent: Extent) => floats(extent, g.inC)
  const out = weights(layout)
  return Object.assign(inputs<Float32Array | Uint8Array>(of.sources, source, make), {
    /** The gradient of the output. */
    delta: takes(floats(of.mean ? still(output) : output)),
    /** The shape of the weight; with `accumulate` the gradient so far, which is changed. */
    weightGradient: of.accumulate ? changes(out) : gives(out),
  })
}

/** The mean over time of floats, or the floats themselves. */
function readFloats({ b, made }: OpBuilder, { g, input }: ConvSizes, name: string, mean: boolean) {
  const here = denseInput(made.input.buffer, input.T, made.input.stored)
  if (!mean || input.T === 1) return here
  const out = b.buffer(name, g.images * g.inH * g.inW * g.inC * 4)
  const tensor = asFloat(made.input, input)
  const sum = { shape: tensor.shape, terms: [{ tensor, pool: noPool, scale: 1 }] }
  emitMaterialise(b, sum, g.images, 1, input.T, true, out, g.inC, () => here)
  return rowsOf(out, g.inC)
}

/** Lists of spikes, which give the gradient beside products. */
interface Lists extends Way {
  /** Says, or has a run say, which of them are taken. */
  which(): Which
}

type Job = Omit<WeightGradient, 'input'>

/** Lists from counts of one tensor; they write the gradient, and add to none. */
function countLists(
  { b }: OpBuilder,
  { expression }: SpikeReader,
  { accumulate, ...of }: Job,
  timeSteps: number,
): Lists {
  const source = accumulate ? undefined : listSource(expression)
  const job = source && { ...of, ...source, steps: timeSteps }
  return {
    name: 'lists',
    fits: () => job !== undefined && fewForLists(job) !== undefined,
    emit: () => job && listGradient.emit(b, job),
    which: () => (job ? listsBy(b, job) : 'many'),
  }
}

/** Lists from the spikes of each step. */
function patternLists({ b }: OpBuilder, { spikes }: SpikeReader, of: Job): Lists {
  const job = { ...of, spikes }
  return {
    name: 'patterns',
    fits: () => patternGradient.fits(job),
    emit: () => patternGradient.emit(b, job),
    which: () => patternsBy(b, job),
  }
}

/** Emits the gradient of a weight. */
export function emitWeightGradient(o: OpBuilder, _: unknown, of: OfWeight): Partial<Planned> {
  const { b, op, made } = o
  const { sizes, accumulate, mean, counts, algorithm, timeSteps } = of
  const { g, output } = sizes
  const { name } = b.programs[0]
  const steps = mean ? 1 : output.T
  const activity = `${name} presynaptic activity`
  const place = { delta: made.delta.buffer, out: ref(made.weightGradient.buffer) }
  const job = { name, g, steps, ...place, accumulate }
  const reader = of.spikes || counts ? readSpikes(o, sizes, of.sources, timeSteps) : undefined
  const read = (): DenseInput =>
    reader
      ? denseInput(reader.write(activity, steps, timeSteps ?? 0), steps, g.inC)
      : readFloats(o, sizes, activity, mean)
  // A network would not know the address of a model's input.
  const task: Task = { g, steps, indirect: isImage(op, of.image, of.input, reader !== undefined) }
  const list: readonly Strategy<WeightGradient>[] = strategiesOf(task).weightGradient
  const products = waysOf(o, list, task, () => ({ ...job, input: read() }))
  if (!reader) return { algorithm: takeWay(op, algorithm, products) }
  const lists = counts ? countLists(o, reader, job, timeSteps ?? 1) : patternLists(o, reader, job)
  let before = counts ? reader.check : undefined
  const taken = takeWay(op, algorithm, {
    ways: [lists, ...products.ways],
    automatic() {
      const which = lists.which()
      // Without a choice between kernels the sum of the spikes is not needed.
      if (typeof which === 'object') before = reader.count
      const few = (): string => {
        lists.emit()
        return lists.name
      }
      return emitEither(b, which, few, products.automatic).join(' | ')
    },
  })
  return { algorithm: taken, before }
}
