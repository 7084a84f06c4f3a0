/** Gradients of convolutions and linear layers. */

import { expect } from '../../errors.js'
import {
  chooseBySpikes,
  patternsWithoutChoice,
  spikesForLists,
  spikesForPatterns,
} from '../../plan/convolution/choice.js'
import { fewForLists, fewForPatterns, strategiesOf } from '../../plan/convolution/index.js'
import { listGradient, listSource } from '../../plan/convolution/lists.js'
import { patternGradient } from '../../plan/convolution/patterns.js'
import {
  cheapest,
  type InputGradient,
  type PatternGradient,
  type Task,
  type WeightGradient,
} from '../../plan/convolution/strategy.js'
import { emitBiasGradient } from '../../plan/convolution/weight-gradient.js'
import { blockWidth, storedChannels } from '../../plan/layout.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { type DenseInput, noPool, oneRow } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type ConvSizes,
  isImage,
  type Shapes,
  type SizesOf,
  takeWay,
  type Way,
  type Ways,
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
  sizes: ConvSizes,
  algorithm: InputGradientAlgorithm | undefined,
): Partial<Planned> {
  const { b, op, made } = o
  const { weight, delta, inputGradient } = made
  const job: InputGradient = {
    ...{ name: b.programs[0].name, g: sizes.g, steps: sizes.input.T, delta: delta.buffer },
    ...{ weight: ref(weight.buffer), out: inputGradient.buffer, zeros: zerosOf(o, sizes) },
  }
  const { ways, automatic } = waysOf(o, strategiesOf(sizes).inputGradient, job)
  return { algorithm: takeWay(op, algorithm, ways, automatic) }
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
  const { B, C, H, W, T } = extent
  const outC = storedChannels(C)
  // Of the input nothing matters.
  const input = { inH: H, inW: W, inC: outC, kernelH: 1, kernelW: 1 }
  const g = { images: B, outH: H, outW: W, outC, blockWidth: blockWidth(C), ...input }
  const windows = { strideH: 1, strideW: 1, padH: 0, padW: 0 }
  const { delta, biasGradient } = made
  emitBiasGradient(b, { ...g, ...windows }, T, delta.buffer, ref(biasGradient.buffer), accumulate)
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
type OfWeight = {
  readonly [K in keyof typeof weightGradientOptions]: ReturnType<
    (typeof weightGradientOptions)[K]['check']
  >
} & Shapes

/** Checks what goes together, and shapes. */
function sizesFor(op: string, of: OfWeight, sizesOf: SizesOf): ConvSizes {
  const { spikes, counts, timeSteps, mean, pool } = of
  expect(
    !(spikes && counts),
    () => `${op}: the input holds spikes or counts; leave one of the options out`,
  )
  expect(
    counts ? timeSteps !== undefined : timeSteps === undefined,
    () =>
      `${op}.timeSteps are the steps that counts run over; ` +
      (counts ? 'say how many' : 'set counts: true, or leave it out'),
  )
  steps.check(`${op}.timeSteps`, timeSteps)
  expect(
    !mean || !(spikes || counts),
    () => `${op}.mean is of inputs of floats; for spikes give their counts`,
  )
  for (const name of ['sources', 'pool'] as const)
    expect(
      spikes || counts || of[name] === undefined,
      () => `${op}.${name} is of spikes and counts; leave it out for floats`,
    )
  const image = isImage(op, of.image, of.input, spikes || counts)
  return sizesOf(op, of, { image, time: counts ? 'never' : mean ? 'always' : 'maybe', pool })
}

/** Tensors of a gradient of the weight. */
export function weightGradientTensors({ op }: OpBuilder, of: OfWeight, sizesOf: SizesOf) {
  const { source, g, layout, output } = sizesFor(op, of, sizesOf)
  const make = of.counts ? bytes : of.spikes ? spikes : (extent: Extent) => floats(extent, g.inC)
  const out = weights(layout)
  return Object.assign(inputs<Float32Array | Uint8Array>(of.sources, source, make), {
    /** The gradient of the output. */
    delta: takes(floats(of.mean ? still(output) : output)),
    /** The shape of the weight; with `accumulate` the gradient so far, which is changed. */
    weightGradient: of.accumulate ? changes(out) : gives(out),
  })
}

/** What all ways share. */
interface Shared {
  readonly name: string
  readonly accumulate: boolean
  /** Rows of the gradient. */
  readonly steps: number
  readonly place: Pick<WeightGradient, 'delta' | 'out'>
}

/**
 * Products with floats.
 *
 * @param write emits what makes them, if they are not there, and says where they are
 * @param indirect a network would not know their address, as of a model's input
 */
function products(
  { b }: OpBuilder,
  sizes: ConvSizes,
  { name, accumulate, steps, place }: Shared,
  write: () => DenseInput,
  indirect = false,
): Ways {
  const { g } = sizes
  const task: Task = { g, steps, indirect }
  const list = strategiesOf(sizes).weightGradient
  const emit = (strategy: (typeof list)[number]): void =>
    strategy.emit(b, { name, g, steps, ...place, accumulate, input: write() })
  return {
    ways: list.map((strategy) => ({
      name: strategy.name,
      fits: strategy.fits(task),
      emit: () => emit(strategy),
    })),
    automatic() {
      const strategy = cheapest<WeightGradient, Task, void>(list, task)
      emit(strategy)
      return strategy.name
    },
  }
}

/** The mean over time of floats, or the floats themselves. */
function readFloats({ b, made }: OpBuilder, { g, input }: ConvSizes, name: string, mean: boolean) {
  const here = denseInput(made.input.buffer, input.T, made.input.stored)
  if (!mean || input.T === 1) return here
  const out = b.buffer(`${name} presynaptic activity`, g.images * g.inH * g.inW * g.inC * 4)
  const tensor = asFloat(made.input, input)
  const sum = { shape: tensor.shape, terms: [{ tensor, pool: noPool, scale: 1 }] }
  emitMaterialise(b, sum, g.images, 1, input.T, true, out, g.inC, () => here)
  return oneRow(out, g.inC)
}

/** A gradient from lists of spikes, beside products. */
interface Lists {
  readonly list: Way
  readonly products: Ways
  /** Spikes up to which lists are faster; undefined where that is not asked. */
  readonly limit: number | undefined
  /** Whether lists are taken where it is not. */
  readonly without: boolean
}

/** Lists while few neurons fire, else products. */
function listsOrProducts(
  { b, op }: OpBuilder,
  algorithm: string | undefined,
  reader: SpikeReader,
  name: string,
  { list, products, limit, without }: Lists,
): Partial<Planned> {
  let before: Planned['before']
  const taken = takeWay(op, algorithm, [list, ...products.ways], () => {
    const choice =
      limit === undefined ? undefined : chooseBySpikes(b, reader.spikes.sources, limit, name)
    if (!choice) {
      if (!without) return products.automatic()
      list.emit()
      return list.name
    }
    before = reader.count
    b.when(choice.few, list.emit)
    let other = ''
    b.when(choice.many, () => {
      other = products.automatic()
    })
    return `${list.name} | ${other}`
  })
  return { algorithm: taken, ...(before && { before }) }
}

/** With rates, from counts. */
function onCounts(o: OpBuilder, sizes: ConvSizes, of: OfWeight, shared: Shared): Partial<Planned> {
  const { b } = o
  const { g } = sizes
  const { timeSteps = 1, accumulate, algorithm } = of
  const reader = readSpikes(o, sizes, of.sources, timeSteps)
  const { name, place } = shared
  const source = listSource(reader.expression)
  const task = { g, steps: timeSteps }
  // They write the gradient, and add to none.
  const few = source && !accumulate ? fewForLists(task) : undefined
  const emit = (): void => {
    if (source) listGradient.emit(b, { ...task, ...source, name, ...place })
  }
  const write = (): DenseInput =>
    oneRow(reader.write(`${name} presynaptic activity`, 1, timeSteps), g.inC)
  const planned = listsOrProducts(o, algorithm, reader, name, {
    list: { name: 'lists', fits: few !== undefined, emit },
    products: products(o, sizes, shared, write),
    limit: source && few ? spikesForLists(g, source.tensor, timeSteps, few) : undefined,
    without: false,
  })
  // Without a choice between kernels the sum of the counts is not needed.
  return { before: reader.check, ...planned }
}

/** With the spikes of each step. */
function onSpikes(o: OpBuilder, sizes: ConvSizes, of: OfWeight, shared: Shared): Partial<Planned> {
  const { b } = o
  const { g, input } = sizes
  const steps = input.T
  const reader = readSpikes(o, sizes, of.sources)
  const { name, accumulate, place } = shared
  const job: PatternGradient = { name, g, steps, spikes: reader.spikes, ...place, accumulate }
  const few = fewForPatterns(job, { g, steps }) ?? 0
  const write = (): DenseInput =>
    denseInput(reader.write(`${name} presynaptic activity`, steps, 0), steps, g.inC)
  return listsOrProducts(o, of.algorithm, reader, name, {
    list: {
      name: 'patterns',
      fits: patternGradient.fits(job),
      emit: () => patternGradient.emit(b, job),
    },
    products: products(o, sizes, shared, write),
    limit: few > 0 && few < 1 ? spikesForPatterns(job, few) : undefined,
    without: patternsWithoutChoice(job, few),
  })
}

/** Emits the gradient of a weight. */
export function emitWeightGradient(o: OpBuilder, of: OfWeight, sizesOf: SizesOf): Partial<Planned> {
  const { b, op, made } = o
  const sizes = sizesFor(op, of, sizesOf)
  const { accumulate, mean } = of
  const { name } = b.programs[0]
  const place = { delta: made.delta.buffer, out: ref(made.weightGradient.buffer) }
  const shared = { name, accumulate, steps: mean ? 1 : sizes.output.T, place }
  if (of.counts) return onCounts(o, sizes, of, shared)
  if (of.spikes) return onSpikes(o, sizes, of, shared)
  const image = isImage(op, of.image, of.input, false)
  const read = (): DenseInput => readFloats(o, sizes, name, mean)
  const { ways, automatic } = products(o, sizes, shared, read, image)
  return { algorithm: takeWay(op, of.algorithm, ways, automatic) }
}
