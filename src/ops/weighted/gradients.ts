/** Gradients of the input and of the bias of convolutions and linear layers. */

import { checkBoolean } from '../../errors.js'
import { groupedStrategies, strategies } from '../../plan/convolution/index.js'
import { cheapest, type InputGradient } from '../../plan/convolution/strategy.js'
import { emitBiasGradient } from '../../plan/convolution/weight-gradient.js'
import { blockWidth, storedChannels } from '../../plan/layout.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type ConvSizes, takeWay } from '../convolution.js'
import type { Extent } from '../shapes.js'
import { channelTensor, floatTensor, weightTensor } from '../tensor.js'
import { zerosOf } from './forward.js'

/** How gradients of the input can be computed. */
export type InputGradientAlgorithm =
  | 'auto'
  | 'winograd'
  | 'winograd stride'
  | 'direct'
  | 'dense'
  | 'grouped'

/** Options of gradients of the input besides their shapes. */
export interface InputGradientOptions {
  /**
   * 'auto', the default, takes what a network would: of 'winograd', 'winograd stride', 'direct';
   * with groups of 'dense', 'grouped'.
   */
  readonly algorithm?: InputGradientAlgorithm
}

export const inputGradientOptions = ['algorithm'] as const

export function planInputGradient(
  o: OpBuilder,
  sizes: ConvSizes,
  { algorithm }: InputGradientOptions,
): Planned {
  const { b, op } = o
  const { g, input, output, layout } = sizes
  const w = weightTensor(b, { name: 'weight' }, layout)
  const delta = floatTensor(b, { name: 'delta' }, output)
  const out = floatTensor(b, { name: 'inputGradient' }, input, g.inC)
  const job: InputGradient = {
    name: b.programs[0].name,
    g,
    steps: input.T,
    delta: delta.buffer,
    weight: ref(w.buffer),
    out: out.buffer,
    zeros: zerosOf(o, sizes),
  }
  const list = (g.grouping ? groupedStrategies : strategies).inputGradient
  const ways = list.map((strategy) => ({
    name: strategy.name,
    fits: strategy.fits(job),
    emit: () => strategy.emit(b, job),
  }))
  const taken = takeWay(op, algorithm, ways, () => {
    const strategy = cheapest(list, job)
    strategy.emit(b, job)
    return strategy.name
  })
  return { inputs: [w, delta], outputs: [out], algorithm: taken }
}

/** Options of gradients of the bias besides their shapes. */
export interface BiasGradientOptions {
  /** The gradient is added to the last argument. Default false. */
  readonly accumulate?: boolean
}

export function planBiasGradient(
  { b, op }: OpBuilder,
  extent: Extent,
  options: BiasGradientOptions,
): Planned {
  const accumulate = checkBoolean(`${op}.accumulate`, options.accumulate, false)
  const { B, C, H, W, T } = extent
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const out = channelTensor(b, { name: 'biasGradient', updated: accumulate }, C)
  const outC = storedChannels(C)
  // Of the input nothing matters.
  const input = { inH: H, inW: W, inC: outC, kernelH: 1, kernelW: 1 }
  const g = { images: B, outH: H, outW: W, outC, blockWidth: blockWidth(C), ...input }
  const windows = { strideH: 1, strideW: 1, padH: 0, padW: 0 }
  emitBiasGradient(b, { ...g, ...windows }, T, delta.buffer, ref(out.buffer), accumulate)
  return { inputs: [delta, ...(accumulate ? [out] : [])], outputs: [out] }
}
