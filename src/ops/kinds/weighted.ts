/** Convolutions and linear layers. */

import { Moments } from '../../../assembly/opcodes.js'
import { fail } from '../../base/errors.js'
import {
  emitForwardOnWritten,
  fitsSpikes,
  forwardBy,
  strategiesOf,
  sumsByWinograd,
} from '../../compile/convolution/index.js'
import { emitForwardOnIntegers, whyNotIntegers } from '../../compile/convolution/spikes.js'
import { rowsOf, type UnitSums } from '../../compile/tensors.js'
import { ref } from '../../kernels/records/words.js'
import { largestOf } from '../../network/weights.js'
import type { OpBuilder, Planned } from '../builder.js'
import * as convolution from '../convolution.js'
import { gives, op, takes } from '../op.js'
import { type Checked, flag, given, type OptionTable, oneOf } from '../options.js'
import { channels, floats, integerWeights, spikes, tensorOfBuffer, weights } from '../tensor.js'

/** How `ops.conv2d` and `ops.linear` can compute. */
export type ForwardAlgorithm =
  | ('auto' | 'rows' | 'lists' | 'products' | 'bytes')
  | ('narrow' | 'direct' | 'grouped' | 'dense' | 'winograd')

/** Options of `ops.conv2d` and `ops.linear` besides their shapes. */
const forwardOptions = {
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  spikes: flag(),
  /** A bias [N] is added. Default false. */
  bias: flag(),
  /**
   * On spikes: the weight is an Int8Array of −127 … 127 ('int8') or −31 … 31 ('int6'), and `scales`
   * [N] say what 1 stands for. Default 'float32'.
   */
  weightType: oneOf(['float32', 'int8', 'int6']),
  /**
   * As in a training step, where the number of spikes may choose the kernel; this concerns sums and
   * means of spikes. Default false: as in prediction.
   */
  training: flag(),
  /**
   * 'auto', the default, takes what a network would. On spikes: 'rows', 'lists', or 'products' of
   * the spikes written out as floats, of 3×3 sums 'winograd'; with groups 'grouped', 'dense',
   * 'products'. On floats: 'narrow', 'direct'; with groups 'grouped'.
   */
  algorithm: given<ForwardAlgorithm>(),
  /**
   * Partial sums of the output's moments are a second result, `moments` [units, 4, channels as
   * stored], from which `batchNorm` goes on. Default false. The kernels 'rows', 'lists' and
   * 'bytes' write them.
   */
  moments: flag(),
  /**
   * The input is stored with its own channels, as a model's input is. Default: for floats [B, C, H,
   * W] with fewer than 4 channels.
   */
  image: given<boolean>(),
  ...convolution.spikeOptions,
}
type Given = Checked<typeof forwardOptions> & convolution.Shapes
type Forward = Given & { readonly sizes: convolution.ConvSizes }

/** Checks what goes together, and shapes. */
function sizesBy(sizesOf: convolution.SizesOf, of: Given, { op }: OpBuilder) {
  for (const name of ['sources', 'pool', 'moments', 'training'] as const)
    if (!of.spikes && of[name] !== undefined && of[name] !== false)
      fail(`${op}.${name} is of spikes; set spikes: true, or leave it out`)
  if (of.weightType !== 'float32' && !of.spikes)
    fail(`${op}.weightType '${of.weightType}' is of spikes; set spikes: true, or leave it out`)
  const image = convolution.isImage(op, of.image, of.input, of.spikes)
  return { sizes: sizesOf(op, of, { image, pool: of.pool }) }
}

/** Tensors of an op forward. */
function forwardTensors(of: Forward) {
  const { source, g, layout, output } = of.sizes
  const isBytes = of.weightType !== 'float32'
  const own = of.spikes
    ? convolution.inputs<Uint8Array | Float32Array>(of.sources, source, spikes)
    : convolution.inputs<Uint8Array | Float32Array>(1, source, (extent) => floats(extent, g.inC))
  return Object.assign(own, {
    /** Floats [N, …], or whole numbers by `weightType`. */
    weight: takes<Float32Array | Int8Array>(
      isBytes ? integerWeights(layout, of.weightType as 'int8') : weights(layout),
    ),
    /** What 1 stands for, of each output, [N]; where weights are whole numbers. */
    scales: isBytes && takes(channels(output.C)),
    /** A number for each output, [N], with `bias`. */
    bias: of.bias && takes(channels(output.C)),
    /** The result. */
    output: gives(floats(output)),
    /** Partial sums of the output's moments, [units, 4, channels as stored]. */
    moments: of.moments && gives<Float32Array>(),
  })
}

const jobOf = ({ b, made }: OpBuilder, { g, input }: convolution.ConvSizes) => ({
  name: b.programs[0].name,
  g,
  steps: input.T,
  weight: ref(made.weight.buffer),
  bias: made.bias && ref(made.bias.buffer),
  out: made.output.buffer,
})

function onSpikes(o: OpBuilder, of: Forward): Partial<Planned> {
  const { b, op } = o
  const { sizes } = of
  const { input, g } = sizes
  const reader = convolution.readSpikes(o, sizes, of.sources)
  const base = jobOf(o, sizes)
  const spikes = of.algorithm === 'products' ? reader.spikes : convolution.listed(o, reader, base)
  const job = { ...base, spikes, withMoments: of.moments }
  let moments: UnitSums | undefined
  let isChosen = false
  const events = convolution.waysOf(
    o,
    strategiesOf(job).forwardOnSpikes,
    job,
    (isAlone) => ({ ...job, withMoments: isAlone && of.moments }),
    (sums) => {
      moments = sums
    },
  )
  const products = convolution.onlyWay(sumsByWinograd(job) ? 'winograd' : 'products', () => {
    const written = reader.write(`${job.name} spikes written out`, input.T, 0)
    const read = rowsOf(written, g.inC, input.T)
    const dense = { ...job, input: read, zeros: convolution.zerosOf(o, sizes) }
    emitForwardOnWritten(b, dense, written)
  })
  const which = () => {
    const found = fitsSpikes(job) ? forwardBy(b, job, of.training) : 'many'
    isChosen = typeof found === 'object'
    return found
  }
  const ways = convolution.eitherOf(o, which, events, products)
  const algorithm = convolution.takeWay(op, of.algorithm, ways)
  if (of.moments) addMoments(o, g.outC, algorithm, moments)
  return { algorithm, before: isChosen ? reader.count : undefined }
}

function addMoments(
  { b, op, made }: OpBuilder,
  outC: number,
  algorithm: string,
  moments: UnitSums | undefined,
): void {
  if (moments === undefined)
    fail(
      `${op}.moments: the algorithm '${algorithm}' writes none; leave moments out, batchNorm ` +
        'then sums them itself',
    )
  const { buffer, units } = moments
  b.touch(buffer)
  made.moments = tensorOfBuffer(buffer, { name: 'moments' }, [units, Moments.Rows, outC])
}

/** Spikes with weights of one byte, as in networks that were compiled or exported with them. */
function onBytes(o: OpBuilder, of: Forward): Partial<Planned> {
  const { b, op, made } = o
  const { sizes, sources } = of
  const { layout } = sizes
  const reader = convolution.readSpikes(o, sizes, sources)
  const [weight, scale] = [made.weight.buffer, made.scales.buffer]
  const most = largestOf[of.weightType as 'int8']
  const integers = { name: 'weight', node: 0, layout, most, weight, scale }
  const compact = !(of.training || of.moments)
  const own = { ...jobOf(o, sizes), of: integers, compact, withMoments: of.moments }
  const why = whyNotIntegers({ ...own, spikes: reader.spikes })
  if (why)
    fail(
      `${op}.weightType '${of.weightType}' is not made for this convolution: ${why}; leave it out`,
    )
  let moments: UnitSums | undefined
  const bytes = convolution.onlyWay('bytes', () => {
    const job = { ...own, spikes: convolution.listed(o, reader, own, true) }
    moments = emitForwardOnIntegers(b, job)
  })
  const algorithm = convolution.takeWay(op, of.algorithm, bytes)
  if (of.moments) addMoments(o, own.g.outC, algorithm, moments)
  return { algorithm }
}

function emitForward(o: OpBuilder, of: Forward): Partial<Planned> {
  const { sizes } = of
  if (of.spikes) return of.weightType === 'float32' ? onSpikes(o, of) : onBytes(o, of)
  const { buffer, stored } = o.made.input
  const input = rowsOf(buffer, stored, sizes.input.T)
  const job = { ...jobOf(o, sizes), input, zeros: convolution.zerosOf(o, sizes) }
  const ways = convolution.waysOf(o, strategiesOf(job).forwardOnFloats, job)
  return { algorithm: convolution.takeWay(o.op, of.algorithm, ways) }
}

/** @__NO_SIDE_EFFECTS__ */
const weighted = <S extends OptionTable>(name: string, shape: S, sizesOf: convolution.SizesOf) =>
  op(name, {
    options: { ...shape, ...forwardOptions },
    returns: 'output',
    when: ['moments', true, ['output', 'moments']],
    derive: (of, o) => sizesBy(sizesOf, of as never, o),
    tensors: (of) => forwardTensors(of as never),
    emit: (o, _, of) => emitForward(o, of as never),
  })

/**
 * A convolution of floats, or of spikes, with the kernels of a network (`torch.nn.functional.
 * conv2d`):
 *
 *     y[b, t, n, i, j] = bias[n] + Σ over c, p, q of
 *                        w[n, c, p, q] · x[b, t, c, i·stride + p·dilation − padding, …]
 *
 * with j and q in the place of i and p for columns. On spikes only the weights of active inputs are
 * added. With `pool`, x is the mean over windows of the spikes; with `sources`, the sum of several
 * tensors. With a `weightType` of whole numbers w is scales[n] · weight. Result: [B, N, outH,
 * outW], or that behind T.
 *
 * Algorithms:
 *
 * | algorithm | on | how |
 * | --- | --- | --- |
 * | `rows` | spikes | lists of a few rows at a time; small weights |
 * | `lists` | spikes | lists of many images, then the sums over them |
 * | `products` | spikes | written out as floats, then dense products |
 * | `winograd` | sums of 2 to 8 `sources`, 3×3, stride 1, T ≥ 3 | products of transformed tiles |
 * | `direct` | floats | rows gathered into panels, tiles of sums in registers |
 * | `narrow` | floats | few input channels: planes are copied once for all taps |
 * | `grouped` | groups | tables of the taps that a pixel sees; on spikes by masks of four steps |
 * | `dense` | spikes in few groups | as one without groups, zeros between them |
 * | `bytes` | spikes, `int8` or `int6` | integer sums, one product at the end |
 *
 * What it does not do: padding must be below the kernel's size on each axis, and there is no other
 * padding than zeros. With a `dilation` spikes run by `products`, or by `grouped`. A `stride`
 * beyond the padded image is the same as one of its size. `groups` are not for weights of whole
 * numbers.
 *
 * Sums of 2 to 8 tensors of spikes over three steps or more are sorted before lists are made of
 * them, so that these are shorter.
 *
 * Where the spikes of each run choose, `plan.algorithm` names both kernels: `'lists | products'`.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const shapes = { input: [2, 4, 8, 6, 6], weight: [16, 8, 3, 3], padding: 1 }
 * const spikes = Uint8Array.from({ length: 2 * 4 * 8 * 36 }, (_, i) => (i % 7 === 0 ? 1 : 0))
 * const weight = Float32Array.from({ length: 16 * 8 * 9 }, (_, i) => Math.sin(i))
 * const byEvents = ops.conv2d({ ...shapes, spikes: true, algorithm: 'lists' }, spikes, weight)
 * const dense = ops.conv2d(shapes, Float32Array.from(spikes), weight)
 * const error = Math.max(...dense.map((y, i) => Math.abs(y - byEvents[i])))
 * console.log(error < 1e-5 ? 'events and products agree' : error)
 * ```
 */
export const conv2d = weighted('conv2d', convolution.convShape, convolution.convSizes)

/**
 * A linear layer on floats or spikes (`torch.nn.functional.linear`):
 *
 *     y[b, t, n] = bias[n] + Σ over c of w[n, c] · x[b, t, c]
 *
 * An input [B, C, H, W] stands for its C·H·W features, as behind `flatten`. Result: [B, N], or
 * [B, T, N].
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const shapes = { input: [3, 4], weight: [2, 4] }
 * const x = Float32Array.from({ length: 12 }, (_, i) => i)
 * const w = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 1)
 * const y = ops.linear({ ...shapes, bias: true }, x, w, Float32Array.of(0, 10))
 * console.log(y.join(' ')) // the first and the last feature of each row, 10 added to the last
 * const delta = Float32Array.of(1, 0, 0, 0, 0, 1)
 * console.log(ops.linearWeightGradient(shapes, x, delta).join(' ')) // rows 0 and 2 of x
 * console.log(ops.linearInputGradient(shapes, w, delta).join(' '))
 * console.log(ops.linearBiasGradient({ delta: [3, 2] }, delta).join(' '))
 * ```
 */
export const linear = weighted('linear', convolution.linearShape, convolution.linearSizes)
