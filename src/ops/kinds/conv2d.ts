/** Convolutions forward. */

import { checkBoolean } from '../../errors.js'
import { groupedStrategies, strategies } from '../../plan/convolution/index.js'
import { cheapest, type DenseForward, type SpikeForward } from '../../plan/convolution/strategy.js'
import type { DenseInput } from '../../plan/tensors.js'
import { noPool } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type ConvShape,
  type ConvSizes,
  chosen,
  convShapeOptions,
  convSizes,
} from '../convolution.js'
import { operation } from '../operation.js'
import { channelTensor, floatTensor, type OpTensor, spikesTensor, weightTensor } from '../tensor.js'

/** Options of `ops.conv2d`. */
export interface Conv2dOptions extends ConvShape {
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
  /** A bias [N] is added. Default false. */
  readonly bias?: boolean
  /**
   * 'auto', the default, takes what a network would. On spikes: 'rows', 'lists'; on floats:
   * 'narrow', 'direct'; with groups: 'grouped'.
   */
  readonly algorithm?: string
}

/** Rows of the engine's order as dense kernels find them. */
export const denseInput = (tensor: OpTensor, steps: number): DenseInput => ({
  address: ref(tensor.buffer),
  indirect: false,
  pixelBytes: steps * tensor.stored * 4,
  stepBytes: steps > 1 ? tensor.stored * 4 : 0,
  loopBytes: 0,
  meanSteps: 1,
})

function onSpikes(o: OpBuilder, options: Conv2dOptions, sizes: ConvSizes): Planned {
  const { g, input, output, layout, N } = sizes
  const { b, op } = o
  const x = spikesTensor(b, op, { name: 'input' }, input)
  const w = weightTensor(b, { name: 'weight' }, layout)
  const bias = options.bias ? channelTensor(b, { name: 'bias' }, N) : undefined
  const y = floatTensor(b, { name: 'output' }, output)
  const [channels, height, width] = [input.C, input.H, input.W]
  const job: SpikeForward = {
    name: 'conv2d',
    g,
    steps: input.T,
    spikes: {
      sources: [
        {
          kind: 'spikes',
          name: 'input',
          shape: [channels, height, width],
          stored: x.stored,
          masks: x.buffer,
          counts: x.counts.buffer,
          lambda: 0,
          gradient: [],
        },
      ],
      pool: noPool,
      scale: 1,
    },
    weight: ref(w.buffer),
    bias: bias && ref(bias.buffer),
    out: y.buffer,
    withMoments: false,
  }
  const list = (g.grouping ? groupedStrategies : strategies).forwardOnSpikes
  const strategy = chosen(
    op,
    options.algorithm,
    list,
    (s) => s.fits(job),
    () => cheapest(list, job),
  )
  strategy.emit(b, job)
  return { inputs: [x, w, ...(bias ? [bias] : [])], outputs: [y], algorithm: strategy.name }
}

function onFloats(o: OpBuilder, options: Conv2dOptions, sizes: ConvSizes): Planned {
  const { g, input, output, layout, N } = sizes
  const { b, op } = o
  const x = floatTensor(b, { name: 'input' }, input, g.inC)
  const w = weightTensor(b, { name: 'weight' }, layout)
  const bias = options.bias ? channelTensor(b, { name: 'bias' }, N) : undefined
  const y = floatTensor(b, { name: 'output' }, output)
  const job: DenseForward = {
    name: 'conv2d',
    g,
    steps: input.T,
    input: denseInput(x, input.T),
    weight: ref(w.buffer),
    bias: bias && ref(bias.buffer),
    out: y.buffer,
    zeros: o.zeros(Math.max(g.kernelW * g.inC, g.outC)),
  }
  const list = (g.grouping ? groupedStrategies : strategies).forwardOnFloats
  const strategy = chosen(
    op,
    options.algorithm,
    list,
    (s) => s.fits(job),
    () => cheapest(list, job),
  )
  strategy.emit(b, job)
  return { inputs: [x, w, ...(bias ? [bias] : [])], outputs: [y], algorithm: strategy.name }
}

/**
 * A convolution of floats, or of spikes, with the kernels of a network:
 *
 *     y[t, b, n, i, j] = bias[n] + Σ over c, p, q of
 *                        w[n, c, p, q] · x[t, b, c, i·stride + p − padding, j·stride + q − padding]
 *
 * On spikes only the weights of active inputs are added.
 *
 * Arguments of `run`: input (Float32Array, or with `spikes` Uint8Array), weight, bias. Result:
 * [B, N, outH, outW], or that behind T.
 */
export const conv2d = operation<
  Conv2dOptions,
  [input: Float32Array | Uint8Array, weight: Float32Array, bias: Float32Array],
  Float32Array,
  {
    readonly input: Float32Array | Uint8Array
    readonly weight: Float32Array
    readonly output: Float32Array
  }
>('conv2d', [...convShapeOptions, 'spikes', 'bias', 'algorithm'], (o, options) => {
  const spikes = checkBoolean(`${o.op}.spikes`, options.spikes, false)
  checkBoolean(`${o.op}.bias`, options.bias, false)
  // A model's input keeps its few channels.
  const image = !spikes && options.input?.at(-3) !== undefined && (options.input.at(-3) ?? 0) < 4
  const sizes = convSizes(o.op, options, image)
  return spikes ? onSpikes(o, options, sizes) : onFloats(o, options, sizes)
})
