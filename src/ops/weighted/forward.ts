/** Convolutions and linear layers forward. */

import { Moments } from '../../../assembly/opcodes.js'
import { checkBoolean, describe, expect } from '../../errors.js'
import {
  chooseBySpikes,
  denseWithoutChoice,
  spikesForDense,
} from '../../plan/convolution/choice.js'
import { groupedStrategies, strategies } from '../../plan/convolution/index.js'
import { emitForwardOnBytes, fitsByteWeights } from '../../plan/convolution/spike-bytes.js'
import { cheapest, type DenseForward, type SpikeForward } from '../../plan/convolution/strategy.js'
import type { DenseInput, UnitSums } from '../../plan/tensors.js'
import { type Buffer, ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type ConvSizes, type Reading, takeWay, type Way } from '../convolution.js'
import {
  channelTensor,
  floatTensor,
  type OpTensor,
  tensorOfBuffer,
  weightTensor,
} from '../tensor.js'
import { denseInput } from '../terms.js'
import { readSpikes, type SpikeOptions, type SpikeReader } from './spikes.js'

/** How `ops.conv2d` and `ops.linear` can compute. */
export type ForwardAlgorithm =
  | 'auto'
  | 'rows'
  | 'lists'
  | 'products'
  | 'bytes'
  | 'narrow'
  | 'direct'
  | 'grouped'
  | 'dense'

/** Options of `ops.conv2d` and `ops.linear` besides their shapes. */
export interface ForwardOptions extends SpikeOptions {
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
  /** A bias [N] is added. Default false. */
  readonly bias?: boolean
  /**
   * 'int8', on spikes: the weight is an Int8Array, and `scales` [N] say what 1 stands for. Default
   * 'float32'.
   */
  readonly weightType?: 'float32' | 'int8'
  /**
   * As in a training step, where the number of spikes may choose the kernel; this concerns sums and
   * means of spikes. Default false: as in prediction.
   */
  readonly training?: boolean
  /**
   * 'auto', the default, takes what a network would. On spikes: 'rows', 'lists', or 'products' of
   * the spikes written out as floats; with groups 'grouped', 'dense', 'products'. On floats:
   * 'narrow', 'direct'; with groups 'grouped'.
   */
  readonly algorithm?: ForwardAlgorithm
  /**
   * Partial sums of the output's moments are a second result, `moments` [units, 4, channels as
   * stored], from which `batchNorm` goes on. Default false. The kernels 'rows' and 'lists' write
   * them.
   */
  readonly moments?: boolean
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  readonly image?: boolean
}

export const forwardOptions = [
  'spikes',
  'bias',
  'weightType',
  'training',
  'algorithm',
  'moments',
  'image',
  'sources',
  'pool',
] as const

/** Whether an input of floats is stored as a model's; by default if it has few channels. */
export function isImage(
  op: string,
  given: boolean | undefined,
  shape: readonly number[] | undefined,
  onSpikes: boolean,
): boolean {
  const few = Array.isArray(shape) && shape.length > 3 && (shape.at(-3) as number) < 4
  const image = checkBoolean(`${op}.image`, given, few && !onSpikes)
  expect(
    !image || !onSpikes,
    () => `${op}.image is of inputs of floats; leave it out for spikes and counts`,
  )
  return image
}

/** Constant zeros that dense kernels read. */
export const zerosOf = (o: OpBuilder, { g }: ConvSizes): Buffer =>
  o.zeros(Math.max(g.kernelW * g.inC, g.outC))

interface Tensors {
  readonly w: OpTensor
  readonly scales: OpTensor | undefined
  readonly bias: OpTensor | undefined
  readonly y: OpTensor
}

function tensorsOf({ b }: OpBuilder, { layout, output, N }: ConvSizes, options: ForwardOptions) {
  const isBytes = options.weightType === 'int8'
  return {
    w: weightTensor(b, { name: 'weight' }, layout, options.weightType),
    scales: isBytes ? channelTensor(b, { name: 'scales' }, N) : undefined,
    bias: options.bias ? channelTensor(b, { name: 'bias' }, N) : undefined,
    y: floatTensor(b, { name: 'output' }, output),
  }
}

const given = (...tensors: readonly (OpTensor | undefined)[]): OpTensor[] =>
  tensors.filter((tensor) => tensor !== undefined)

const jobOf = (o: OpBuilder, sizes: ConvSizes, { w, bias, y }: Tensors) => ({
  name: o.b.programs[0].name,
  g: sizes.g,
  steps: sizes.input.T,
  weight: ref(w.buffer),
  bias: bias && ref(bias.buffer),
  out: y.buffer,
})

type Job = ReturnType<typeof jobOf>

/** By dense products. */
function dense(o: OpBuilder, sizes: ConvSizes, job: Job, input: DenseInput): DenseWays {
  const all: DenseForward = { ...job, input, zeros: zerosOf(o, sizes) }
  const list = (sizes.g.grouping ? groupedStrategies : strategies).forwardOnFloats
  const ways = list.map((strategy) => ({
    name: strategy.name,
    fits: strategy.fits(all),
    emit: () => strategy.emit(o.b, all),
  }))
  return {
    ways,
    automatic() {
      const strategy = cheapest(list, all)
      strategy.emit(o.b, all)
      return strategy.name
    },
  }
}

interface DenseWays {
  readonly ways: readonly Way[]
  automatic(): string
}

function onFloats(o: OpBuilder, sizes: ConvSizes, options: ForwardOptions): Planned {
  const { b, op } = o
  const { g, input } = sizes
  const x = floatTensor(b, { name: 'input' }, input, g.inC)
  const tensors = tensorsOf(o, sizes, options)
  const read = denseInput(x.buffer, input.T, x.stored)
  const { ways, automatic } = dense(o, sizes, jobOf(o, sizes, tensors), read)
  const algorithm = takeWay(op, options.algorithm, ways, automatic)
  return { inputs: given(x, tensors.w, tensors.bias), outputs: [tensors.y], algorithm }
}

/** The strategies on spikes, by name. */
const onSpikesOf = ({ g }: ConvSizes) =>
  (g.grouping ? groupedStrategies : strategies).forwardOnSpikes

function onSpikes(o: OpBuilder, sizes: ConvSizes, options: ForwardOptions): Planned {
  const { b, op } = o
  const reader = readSpikes(o, sizes, options)
  const tensors = tensorsOf(o, sizes, options)
  const { w, bias, y } = tensors
  const { moments: withMoments = false } = options
  const job: SpikeForward = { ...jobOf(o, sizes, tensors), spikes: reader.spikes, withMoments }
  const inputs = [...reader.inputs, ...given(w, bias)]
  let moments: UnitSums | undefined
  let chosen = false
  const list = onSpikesOf(sizes)
  const products = (): void => void writtenOut(o, sizes, job, reader)
  const event = (): string => {
    const strategy = cheapest(list, job)
    moments = strategy.emit(b, job)
    return strategy.name
  }
  const automatic = (): string => {
    const limit = spikesForDense(job)
    const none = !list.some((strategy) => strategy.fits(job))
    if (none || (!options.training && Number.isFinite(limit) && denseWithoutChoice(job))) {
      products()
      return 'products'
    }
    const choice = options.training
      ? chooseBySpikes(b, reader.spikes.sources, limit, job.name)
      : undefined
    if (!choice) return event()
    chosen = true
    let few = ''
    b.when(choice.few, () => {
      const strategy = cheapest(list, job)
      strategy.emit(b, { ...job, withMoments: false })
      few = strategy.name
    })
    b.when(choice.many, products)
    return `${few} | products`
  }
  const ways: Way[] = [
    ...list.map((strategy) => ({
      name: strategy.name,
      fits: strategy.fits(job),
      emit: () => {
        moments = strategy.emit(b, job)
      },
    })),
    { name: 'products', fits: true, emit: products },
  ]
  const algorithm = takeWay(op, options.algorithm, ways, automatic)
  return {
    inputs,
    outputs: [y, ...(withMoments ? [momentTensor(o, sizes, algorithm, moments)] : [])],
    algorithm,
    ...(chosen ? { before: reader.count } : {}),
  }
}

/** By dense products with the spikes as floats. */
function writtenOut(o: OpBuilder, sizes: ConvSizes, job: Job, reader: SpikeReader): void {
  const { T } = sizes.input
  const written = reader.write(`${job.name} spikes written out`, T, 0)
  dense(o, sizes, job, denseInput(written, T, sizes.g.inC)).automatic()
}

function momentTensor(
  { b, op }: OpBuilder,
  { g }: ConvSizes,
  algorithm: string,
  moments: UnitSums | undefined,
): OpTensor {
  expect(
    moments !== undefined,
    () =>
      `${op}.moments: the algorithm '${algorithm}' writes none; leave moments out, batchNorm ` +
      'then sums them itself',
  )
  const { buffer, units } = moments
  b.touch(buffer)
  return tensorOfBuffer(buffer, { name: 'moments' }, [units, Moments.Rows, g.outC])
}

/** Spikes with weights of one byte, as in networks that were compiled or exported with them. */
function onBytes(o: OpBuilder, sizes: ConvSizes, options: ForwardOptions): Planned {
  const { b, op } = o
  const reader = readSpikes(o, sizes, options)
  const tensors = tensorsOf(o, sizes, options)
  const { w, bias, y } = tensors
  const scales = tensors.scales as OpTensor
  const { spikes } = reader
  const weightScale = ref(scales.buffer)
  const job = { ...jobOf(o, sizes, tensors), spikes, weightScale, compact: true }
  expect(
    fitsByteWeights(job),
    () =>
      `${op}.weightType 'int8' is not made for this convolution (groups, or more inputs of an ` +
      'output than fit in 16 bits); leave it out',
  )
  const emit = (): void => emitForwardOnBytes(b, job)
  const algorithm = takeWay(op, options.algorithm, [{ name: 'bytes', fits: true, emit }], () => {
    emit()
    return 'bytes'
  })
  return { inputs: [...reader.inputs, ...given(w, scales, bias)], outputs: [y], algorithm }
}

function checkForward(op: string, options: ForwardOptions): void {
  const { weightType = 'float32' } = options
  for (const name of ['spikes', 'bias', 'training', 'moments'] as const)
    checkBoolean(`${op}.${name}`, options[name], false)
  expect(
    weightType === 'float32' || weightType === 'int8',
    () => `${op}.weightType must be 'float32' or 'int8', got ${describe(weightType)}`,
  )
  for (const name of ['sources', 'pool', 'moments', 'training'] as const)
    expect(
      options.spikes || options[name] === undefined || options[name] === false,
      () => `${op}.${name} is of spikes; set spikes: true, or leave it out`,
    )
  expect(
    weightType === 'float32' || options.spikes === true,
    () => `${op}.weightType 'int8' is of spikes; set spikes: true, or leave it out`,
  )
  expect(
    weightType === 'float32' || !options.moments,
    () => `${op}.moments: weights of one byte are not trained; leave moments or weightType out`,
  )
}

/** Plans an op forward. */
export function planForward<O extends ForwardOptions & { readonly input: readonly number[] }>(
  o: OpBuilder,
  options: O,
  sizesOf: (op: string, options: O, reading: Reading) => ConvSizes,
): Planned {
  const { op } = o
  checkForward(op, options)
  const { spikes = false, pool } = options
  const image = isImage(op, options.image, options.input, spikes)
  const sizes = sizesOf(op, options, { image, pool })
  if (!spikes) return onFloats(o, sizes, options)
  return options.weightType === 'int8' ? onBytes(o, sizes, options) : onSpikes(o, sizes, options)
}
