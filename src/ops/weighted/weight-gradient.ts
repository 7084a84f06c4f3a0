/** Gradients of the weight of convolutions and linear layers. */

import { checkBoolean, checkInteger, expect } from '../../errors.js'
import {
  chooseBySpikes,
  patternsWithoutChoice,
  spikesForLists,
  spikesForPatterns,
} from '../../plan/convolution/choice.js'
import {
  fewForLists,
  fewForPatterns,
  groupedStrategies,
  strategies,
} from '../../plan/convolution/index.js'
import { listGradient, listSource } from '../../plan/convolution/lists.js'
import { patternGradient } from '../../plan/convolution/patterns.js'
import {
  cheapest,
  type PatternGradient,
  type Task,
  type WeightGradient,
} from '../../plan/convolution/strategy.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { type DenseInput, noPool, oneRow } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type ConvSizes, type Reading, takeWay, type Way } from '../convolution.js'
import { MOST_STEPS, still } from '../shapes.js'
import { floatTensor, type OpTensor, weightTensor } from '../tensor.js'
import { asFloat, denseInput } from '../terms.js'
import { isImage } from './forward.js'
import { readSpikes, type SpikeOptions, type SpikeReader } from './spikes.js'

/** How gradients of the weight can be computed. */
export type WeightGradientAlgorithm =
  | 'auto'
  | 'winograd'
  | 'narrow'
  | 'direct'
  | 'lists'
  | 'patterns'
  | 'dense'
  | 'grouped'

/** Options of gradients of the weight besides their shapes. */
export interface WeightGradientOptions extends SpikeOptions {
  /** The input holds spikes of each step, bytes of 0 and 1. */
  readonly spikes?: boolean
  /**
   * The input holds counts of spikes over `timeSteps`, bytes [B, …]: `delta` is multiplied
   * with rates, counts / timeSteps, as in rate-based backpropagation.
   */
  readonly counts?: boolean
  /** Steps that counts run over. */
  readonly timeSteps?: number
  /**
   * `delta` has no T: it is multiplied with the mean of the floats [B, T, …] over time.
   * Default false.
   */
  readonly mean?: boolean
  /** The gradient is added to the last argument. Default false. */
  readonly accumulate?: boolean
  /**
   * 'auto', the default, takes what a network would. On floats: 'winograd', 'narrow', 'direct';
   * with groups 'dense', 'grouped'. On counts 'lists' too, on spikes 'patterns'. Where the number
   * of spikes decides in each run, a plan's `algorithm` names both, such as 'lists | winograd'.
   */
  readonly algorithm?: WeightGradientAlgorithm
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  readonly image?: boolean
}

export const weightGradientOptions = [
  'spikes',
  'counts',
  'timeSteps',
  'mean',
  'accumulate',
  'algorithm',
  'image',
  'sources',
  'pool',
] as const

/** What all ways share. */
interface Shared {
  readonly name: string
  readonly out: OpTensor
  readonly delta: OpTensor
  readonly accumulate: boolean
  /** Rows of the gradient. */
  readonly steps: number
}

function share(o: OpBuilder, sizes: ConvSizes, accumulate: boolean, oneRow: boolean): Shared {
  const { b } = o
  const { layout } = sizes
  const output = oneRow ? still(sizes.output) : sizes.output
  const delta = floatTensor(b, { name: 'delta' }, output)
  const out = weightTensor(b, { name: 'weightGradient', updated: accumulate }, layout)
  return { name: b.programs[0].name, out, delta, accumulate, steps: output.T }
}

function planned(
  inputs: readonly OpTensor[],
  { delta, out, accumulate }: Shared,
  algorithm: string,
): Planned {
  return { inputs: [...inputs, delta, ...(accumulate ? [out] : [])], outputs: [out], algorithm }
}

interface Products {
  readonly ways: readonly Way[]
  automatic(): string
}

/**
 * Products with floats.
 *
 * @param write emits what makes them, if they are not there, and says where they are
 * @param indirect a network would not know their address, as of a model's input
 */
function products(
  { b }: OpBuilder,
  { g }: ConvSizes,
  { name, out, delta, accumulate, steps }: Shared,
  write: () => DenseInput,
  indirect = false,
): Products {
  const job = { name, g, steps, delta: delta.buffer, out: ref(out.buffer), accumulate }
  const task: Task = { g, steps, indirect }
  const list = (g.grouping ? groupedStrategies : strategies).weightGradient
  const emit = (strategy: (typeof list)[number]): void =>
    strategy.emit(b, { ...job, input: write() } satisfies WeightGradient)
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

function onFloats(o: OpBuilder, sizes: ConvSizes, options: WeightGradientOptions, image: boolean) {
  const { b, op } = o
  const { g, input } = sizes
  const { mean = false, accumulate = false } = options
  const x = floatTensor(b, { name: 'input' }, input, g.inC)
  const shared = share(o, sizes, accumulate, mean)
  const here = denseInput(x.buffer, input.T, x.stored)
  const write = (): DenseInput => {
    if (!mean || input.T === 1) return here
    const out = b.buffer(
      `${shared.name} presynaptic activity`,
      g.images * g.inH * g.inW * g.inC * 4,
    )
    const tensor = asFloat(x, input)
    const sum = { shape: tensor.shape, terms: [{ tensor, pool: noPool, scale: 1 }] }
    emitMaterialise(b, sum, g.images, 1, input.T, true, out, g.inC, () => here)
    return oneRow(out, g.inC)
  }
  const { ways, automatic } = products(o, sizes, shared, write, image)
  return planned([x], shared, takeWay(op, options.algorithm, ways, automatic))
}

/** A gradient from lists of spikes, beside products. */
interface Lists {
  readonly list: Way
  readonly products: Products
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
  shared: Shared,
  { list, products, limit, without }: Lists,
): Planned {
  let before: Planned['before']
  const taken = takeWay(op, algorithm, [list, ...products.ways], () => {
    const choice =
      limit === undefined ? undefined : chooseBySpikes(b, reader.spikes.sources, limit, shared.name)
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
  return { ...planned(reader.inputs, shared, taken), ...(before && { before }) }
}

/** With rates, from counts. */
function onCounts(o: OpBuilder, sizes: ConvSizes, options: WeightGradientOptions): Planned {
  const { b } = o
  const { g } = sizes
  const { timeSteps = 1, accumulate = false, algorithm } = options
  const reader = readSpikes(o, sizes, options, timeSteps)
  const shared = share(o, sizes, accumulate, false)
  const { name, out, delta } = shared
  const source = listSource(reader.expression)
  const task = { g, steps: timeSteps }
  // They write the gradient, and add to none.
  const few = source && !accumulate ? fewForLists(task) : undefined
  const emit = (): void => {
    if (!source) return
    listGradient.emit(b, { ...task, ...source, name, delta: delta.buffer, out: ref(out.buffer) })
  }
  const write = (): DenseInput =>
    oneRow(reader.write(`${name} presynaptic activity`, 1, timeSteps), g.inC)
  const planned = listsOrProducts(o, algorithm, reader, shared, {
    list: { name: 'lists', fits: few !== undefined, emit },
    products: products(o, sizes, shared, write),
    limit: source && few ? spikesForLists(g, source.tensor, timeSteps, few) : undefined,
    without: false,
  })
  // Without a choice between kernels the sum of the counts is not needed.
  return { before: reader.check, ...planned }
}

/** With the spikes of each step. */
function onSpikes(o: OpBuilder, sizes: ConvSizes, options: WeightGradientOptions): Planned {
  const { b } = o
  const { g, input } = sizes
  const { accumulate = false, algorithm } = options
  const steps = input.T
  const reader = readSpikes(o, sizes, options)
  const shared = share(o, sizes, accumulate, false)
  const { name, out, delta } = shared
  const { spikes } = reader
  const place = { delta: delta.buffer, out: ref(out.buffer) }
  const job: PatternGradient = { name, g, steps, spikes, ...place, accumulate }
  const few = fewForPatterns(job, { g, steps }) ?? 0
  const write = (): DenseInput =>
    denseInput(reader.write(`${name} presynaptic activity`, steps, 0), steps, g.inC)
  return listsOrProducts(o, algorithm, reader, shared, {
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

function check(op: string, options: WeightGradientOptions): void {
  const { spikes, counts, timeSteps, mean } = options
  for (const name of ['spikes', 'counts', 'mean', 'accumulate'] as const)
    checkBoolean(`${op}.${name}`, options[name], false)
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
  if (timeSteps !== undefined) checkInteger(`${op}.timeSteps`, timeSteps, 1, MOST_STEPS)
  expect(
    !mean || !(spikes || counts),
    () => `${op}.mean is of inputs of floats; for spikes give their counts`,
  )
  for (const name of ['sources', 'pool'] as const)
    expect(
      spikes || counts || options[name] === undefined,
      () => `${op}.${name} is of spikes and counts; leave it out for floats`,
    )
}

/** Plans the gradient of a weight. */
export function planWeightGradient<
  O extends WeightGradientOptions & { readonly input: readonly number[] },
>(
  o: OpBuilder,
  options: O,
  sizesOf: (op: string, options: O, reading: Reading) => ConvSizes,
): Planned {
  const { op } = o
  check(op, options)
  const { spikes = false, counts = false, mean = false, pool } = options
  const image = isImage(op, options.image, options.input, spikes || counts)
  const time = counts ? 'never' : mean ? 'always' : 'maybe'
  const sizes = sizesOf(op, options, { image, time, pool })
  if (counts) return onCounts(o, sizes, options)
  return spikes ? onSpikes(o, sizes, options) : onFloats(o, sizes, options, image)
}
