/** Penalties on firing rates: their value, and what they add to the gradient of spikes. */

import { checkNames, type Names } from '../optimizer/index.js'
import { giveTensorGradient } from '../plan/gradients.js'
import { emitRatePenalty, penaltyUnits } from '../plan/penalties.js'
import type { Buffer } from '../plan/words.js'
import { by, oneOf, range } from '../rules.js'
import { definePenalty } from './kind.js'

declare module './made.js' {
  interface Penalties {
    ratePenalty: RatePenalty
  }
}

/** Options of `ratePenalty`; `weight` has no default. */
export interface RatePenaltyOptions {
  /** Factor of the penalty, ≥ 0. */
  weight: number
  /** 'L1': |rate − target|. 'L2', the default: (rate − target)². */
  norm?: 'L1' | 'L2'
  /** The wanted firing rate, 0…1; default 0. */
  target?: number
  /** Neuron layers by name; default '*', all. */
  layers?: Names
}

/** What `ratePenalty` makes: its options, completed. */
export interface RatePenalty extends Readonly<Required<RatePenaltyOptions>> {
  /** What it is. */
  readonly kind: 'ratePenalty'
}

/**
 * A penalty on firing rates, added to the loss: weight times the mean over samples and neurons of
 * each layer of |rate − target| or (rate − target)², summed over the layers.
 *
 * It is a penalty on each neuron, not on the mean rate of a layer. Neurons far below threshold have
 * hardly a gradient, and those that fire too often have one: the mean rate may move away from the
 * target for a while although the penalty falls. A step is as large as weight times learning
 * rate: where it is too large, rates jump to and fro past the target.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const ratePenalty = definePenalty<RatePenalty, RatePenaltyOptions>('ratePenalty', {
  options: {
    norm: oneOf<'L1' | 'L2'>(['L1', 'L2'], 'L2'),
    weight: range('≥ 0'),
    target: range('0…1', 0),
    layers: by<Names>(checkNames, '*'),
  },
  give(pass, node, spikes, penalty, name) {
    const { b, images, options } = pass
    const { shape, stored } = spikes
    const { units } = penaltyUnits(images, shape, stored)
    const neurons = shape[0] * shape[1] * shape[2]
    const steps = options.timeSteps
    const over = pass.context.method.lossOver === 'images' ? 1 : steps
    const out = pass.imageBuffer(
      `${node.name} gradient of ${name}`,
      shape[1] * shape[2] * stored * 4,
    )
    const partials = b.buffer(`${node.name} ${name}`, units * 8, 'statistics')
    const factor = penalty.weight / neurons
    const counts = spikes.counts as Buffer
    const record = { counts, out, partials, images, shape, stored, penalty }
    emitRatePenalty(b, { ...record, steps, scale: factor / over })
    // Each step's spike has its share of the time mean.
    giveTensorGradient(spikes, out, 1, 1 / pass.gradientSteps)
    pass.penalties.push({ name: node.name, partials, units, factor })
  },
})
