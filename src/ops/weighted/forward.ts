/** Convolutions and linear layers forward. */

import { Moments } from '../../../assembly/opcodes.js'
import { fail } from '../../errors.js'
import { emitEither, forwardBy } from '../../plan/convolution/choice.js'
import { emitForwardOnFloats, fitsSpikes, strategiesOf } from '../../plan/convolution/index.js'
import { emitForwardOnBytes, fitsByteWeights } from '../../plan/convolution/spike-bytes.js'
import { cheapest } from '../../plan/convolution/strategy.js'
import type { UnitSums } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type ConvSizes,
  isImage,
  type Shapes,
  type SizesOf,
  takeWay,
  waysOf,
  zerosOf,
} from '../convolution.js'
import { gives, takes } from '../op.js'
import { flag, given, oneOf } from '../options.js'
import { channels, floats, spikes, tensorOfBuffer, weights } from '../tensor.js'
import { denseInput } from '../terms.js'
import { inputs, readSpikes, spikeOptions } from './spikes.js'

/** How `ops.conv2d` and `ops.linear` can compute. */
export type ForwardAlgorithm =
  | ('auto' | 'rows' | 'lists' | 'products' | 'bytes')
  | ('narrow' | 'direct' | 'grouped' | 'dense')

/** Options of `ops.conv2d` and `ops.linear` besides their shapes. */
export const forwardOptions = {
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  spikes: flag(),
  /** A bias [N] is added. Default false. */
  bias: flag(),
  /**
   * 'int8', on spikes: the weight is an Int8Array, and `scales` [N] say what 1 stands for. Default
   * 'float32'.
   */
  weightType: oneOf(['float32', 'int8']),
  /**
   * As in a training step, where the number of spikes may choose the kernel; this concerns sums and
   * means of spikes. Default false: as in prediction.
   */
  training: flag(),
  /**
   * 'auto', the default, takes what a network would. On spikes: 'rows', 'lists', or 'products' of
   * the spikes written out as floats; with groups 'grouped', 'dense', 'products'. On floats:
   * 'narrow', 'direct'; with groups 'grouped'.
   */
  algorithm: given<ForwardAlgorithm>(),
  /**
   * Partial sums of the output's moments are a second result, `moments` [units, 4, channels as
   * stored], from which `batchNorm` goes on. Default false. The kernels 'rows' and 'lists' write
   * them.
   */
  moments: flag(),
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  image: given<boolean>(),
  ...spikeOptions,
}
type Given = {
  readonly [K in keyof typeof forwardOptions]: ReturnType<(typeof forwardOptions)[K]['check']>
} & Shapes
type Forward = Given & { readonly sizes: ConvSizes }

/** Checks what goes together, and shapes. */
export const forwardSizes =
  (sizesOf: SizesOf) =>
  (of: Given, { op }: OpBuilder) => {
    for (const name of ['sources', 'pool', 'moments', 'training'] as const)
      if (!of.spikes && of[name] !== undefined && of[name] !== false)
        fail(`${op}.${name} is of spikes; set spikes: true, or leave it out`)
    const isBytes = of.weightType === 'int8'
    if (isBytes && !of.spikes)
      fail(`${op}.weightType 'int8' is of spikes; set spikes: true, or leave it out`)
    if (isBytes && of.moments)
      fail(`${op}.moments: weights of one byte are not trained; leave moments or weightType out`)
    const image = isImage(op, of.image, of.input, of.spikes)
    return { sizes: sizesOf(op, of, { image, pool: of.pool }) }
  }

/** Tensors of an op forward. */
export function forwardTensors(of: Forward) {
  const { source, g, layout, output } = of.sizes
  const isBytes = of.weightType === 'int8'
  const own = of.spikes
    ? inputs<Uint8Array | Float32Array>(of.sources, source, spikes)
    : inputs<Uint8Array | Float32Array>(1, source, (extent) => floats(extent, g.inC))
  return Object.assign(own, {
    /** Floats [N, …], or bytes with `weightType` 'int8'. */
    weight: takes<Float32Array | Int8Array>(weights(layout, of.weightType)),
    /** What 1 stands for, of each output, [N]; with 'int8'. */
    scales: isBytes && takes(channels(output.C)),
    /** A number for each output, [N], with `bias`. */
    bias: of.bias && takes(channels(output.C)),
    /** The result. */
    output: gives(floats(output)),
    /** Partial sums of the output's moments, [units, 4, channels as stored]. */
    moments: of.moments && gives<Float32Array>(),
  })
}

const jobOf = ({ b, made }: OpBuilder, { g, input }: ConvSizes) => ({
  name: b.programs[0].name,
  g,
  steps: input.T,
  weight: ref(made.weight.buffer),
  bias: made.bias && ref(made.bias.buffer),
  out: made.output.buffer,
})

function onSpikes(o: OpBuilder, of: Forward): Partial<Planned> {
  const { b, op, made } = o
  const { sizes } = of
  const { input, g } = sizes
  const reader = readSpikes(o, sizes, of.sources)
  const job = { ...jobOf(o, sizes), spikes: reader.spikes, withMoments: of.moments }
  const list = strategiesOf(job).forwardOnSpikes
  let moments: UnitSums | undefined
  let isChosen = false
  const emit = (strategy = cheapest(list, job), withMoments = job.withMoments): string => {
    moments = strategy.emit(b, { ...job, withMoments })
    return strategy.name
  }
  const products = (): string => {
    const written = reader.write(`${job.name} spikes written out`, input.T, 0)
    const read = denseInput(written, input.T, g.inC)
    emitForwardOnFloats(b, { ...job, input: read, zeros: zerosOf(o, sizes) })
    return 'products'
  }
  const algorithm = takeWay(op, of.algorithm, {
    ways: [
      ...list.map((strategy) => ({
        name: strategy.name,
        fits: () => strategy.fits(job),
        emit: () => emit(strategy),
      })),
      { name: 'products', fits: () => true, emit: products },
    ],
    automatic() {
      const which = fitsSpikes(job) ? forwardBy(b, job, of.training) : 'many'
      isChosen = typeof which === 'object'
      const few = (isAlone: boolean): string => emit(undefined, isAlone && of.moments)
      return emitEither(b, which, few, products).join(' | ')
    },
  })
  if (of.moments) made.moments = momentTensor(o, sizes, algorithm, moments)
  return { algorithm, before: isChosen ? reader.count : undefined }
}

function momentTensor(
  { b, op }: OpBuilder,
  { g }: ConvSizes,
  algorithm: string,
  moments: UnitSums | undefined,
) {
  if (moments === undefined)
    fail(
      `${op}.moments: the algorithm '${algorithm}' writes none; leave moments out, batchNorm ` +
        'then sums them itself',
    )
  const { buffer, units } = moments
  b.touch(buffer)
  return tensorOfBuffer(buffer, { name: 'moments' }, [units, Moments.Rows, g.outC])
}

/** Spikes with weights of one byte, as in networks that were compiled or exported with them. */
function onBytes(o: OpBuilder, { sizes, sources, algorithm }: Forward): Partial<Planned> {
  const { b, op, made } = o
  const { spikes } = readSpikes(o, sizes, sources)
  const weightScale = ref(made.scales.buffer)
  const job = { ...jobOf(o, sizes), spikes, weightScale, compact: true }
  if (!fitsByteWeights(job))
    fail(
      `${op}.weightType 'int8' is not made for this convolution (groups, or more inputs of an ` +
        'output than fit in 16 bits); leave it out',
    )
  const bytes = { name: 'bytes', fits: () => true, emit: () => emitForwardOnBytes(b, job) }
  const automatic = (): string => {
    bytes.emit()
    return bytes.name
  }
  return { algorithm: takeWay(op, algorithm, { ways: [bytes], automatic }) }
}

/** Emits an op forward. */
export function emitForward(o: OpBuilder, _: unknown, of: Forward): Partial<Planned> {
  const { sizes } = of
  if (of.spikes) return of.weightType === 'int8' ? onBytes(o, of) : onSpikes(o, of)
  const { buffer, stored } = o.made.input
  const input = denseInput(buffer, sizes.input.T, stored)
  const job = { ...jobOf(o, sizes), input, zeros: zerosOf(o, sizes) }
  const ways = waysOf(o, strategiesOf(job).forwardOnFloats, job)
  return { algorithm: takeWay(o.op, of.algorithm, ways) }
}
