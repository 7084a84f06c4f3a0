/** Dropout: the same neurons are silent at every step, forward and backward. */

import { layerOf, noMore, type OfKind, sameShape } from '../nn/kind.js'
import { inUnits } from '../plan/budgets.js'
import { handBack } from '../plan/gradients.js'
import { defineLayer } from '../plan/layer-plan.js'
import { term } from '../plan/pass.js'
import { dropoutFloats, dropout as dropoutRecord } from '../plan/records/dropout.js'
import type { Buffer } from '../plan/words.js'
import { spikesOrFloats } from '../plan/write-out.js'
import { checkBy, range } from '../rules.js'

/** What `dropout` makes. */
export interface Dropout extends OfKind<'dropout'> {
  /** Probability that a neuron is silenced, 0…1, 1 excluded. */
  readonly p: number
}

/**
 * Dropout, any shape. In training each neuron is silenced with probability p, the same ones at all
 * time steps of a sample, and the others are multiplied by 1/(1 − p). Evaluation passes its input
 * on. It takes spikes or currents, so it may stand anywhere. Only method 'ottt', whose weights read
 * spikes, needs it directly behind neurons when a weight follows.
 * @param p probability, 0…1, 1 excluded; default 0.5
 * @throws SpikewasmError when p is out of range
 */
export function dropout(p = 0.5, ...more: []): Dropout {
  checkBy('dropout.p', range('0…1 (1 excluded)'), p)
  return layerOf(dropoutKind, { p }, more)
}

const dropoutKind = defineLayer<Dropout>('dropout', {
  ...sameShape,
  random: true,
  again: ({ p, ...rest }) => dropout(p, ...noMore('dropout', rest)),
  lower(pass, node, { p }, x) {
    if (!pass.training || p === 0) return { ...x, shape: node.shape }
    const { b, images } = pass
    const { input, scale } = spikesOrFloats(pass, node, x)
    const { shape, stored } = input
    const pixels = images * shape[1] * shape[2]
    const output =
      input.kind === 'spikes'
        ? pass.spikeTensor(node.name, shape, input.lambda)
        : pass.floatTensor(node.name, shape, input.steps)
    const rows = input.kind === 'spikes' ? 1 : input.steps
    const { units, pixelsPerUnit } = inUnits(pixels, stored * rows)
    const sizes = { pixels, channels: stored, pixelsPerUnit }
    const shared = { ...sizes, probability: p, stream: pass.nextStream() }
    if (input.kind === 'spikes' && output.kind === 'spikes') {
      const bytes = pixels * stored
      const from = { in: input.masks, inCounts: input.counts as Buffer, inPlaneBytes: bytes }
      const to = { out: output.masks, counts: output.counts as Buffer, planeBytes: bytes }
      b.emit(dropoutRecord, units, { ...shared, ...from, ...to, steps: pass.callSteps })
    } else if (input.kind === 'float' && output.kind === 'float')
      pass.make(output, { layers: 0, byImages: false }, () => {
        const places = { in: input.buffer, out: output.buffer }
        b.emit(dropoutFloats, units, { ...shared, ...places, steps: rows })
      })
    handBack(pass, node, output, input, true, (delta, out, steps) =>
      b.emit(dropoutFloats, units, { ...shared, in: delta, out, steps }),
    )
    return { shape: node.shape, terms: [term(output, scale / (1 - p))] }
  },
})
