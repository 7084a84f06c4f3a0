/** The mean over all steps of a call, written out; what reads it is the same at every step. */

import { fail } from '../errors.js'
import { layerOf, noMore, type OfKind, sameShape } from '../nn/kind.js'
import { giveGradient, withGradient } from '../plan/gradients.js'
import { defineLayer } from '../plan/layer-plan.js'
import { quoteMethodsWith } from '../plan/methods.js'
import { term } from '../plan/pass.js'

/** What `timeMean` makes. */
export interface TimeMean extends OfKind<'timeMean'> {}

/**
 * Mean over all time steps, [C, H, W] → [C, H, W]: of spikes their firing rates, the same numbers
 * at each step. What is behind it is an ordinary network of rates, as the branches of
 * self-distillation. Needs all steps at once: in training methods 'rate' and 'bptt' with stepMode
 * 'm'; it is no layer for streams.
 */
export function timeMean(...more: []): TimeMean {
  return layerOf(timeMeanKind, {}, more)
}

const timeMeanKind = defineLayer<TimeMean>('timeMean', {
  ...sameShape,
  again: (rest) => timeMean(...noMore('timeMean', rest)),
  lower(pass, node, _layer, x) {
    const { context, options, callSteps } = pass
    const { method, outer } = context
    // Counts of spikes are bytes.
    if (!(options.timeSteps <= 255) && options.purpose !== 'stream')
      fail(
        `${node.name} (timeMean): needs timeSteps of at most 255, got ${options.timeSteps}; ` +
          'use fewer steps',
      )
    if (!(!outer && !context.online && callSteps === options.timeSteps))
      fail(
        `${node.name} (timeMean): needs all steps of a sample at once, which ` +
          (options.purpose === 'stream'
            ? "purpose 'stream' has not; use another purpose"
            : `method '${options.method}' with stepMode '${options.stepMode}' has not; use ` +
              `${quoteMethodsWith(({ loop }) => loop === 'layers')} with stepMode 'm'`),
      )
    const output = pass.floatTensor(node.name, node.shape, 1)
    for (const { norm } of x.terms) norm?.averageUnread()
    const byImages = x.terms.every(({ tensor }) => tensor.kind === 'spikes' || !tensor.input)
    pass.make(output, { layers: 0, byImages }, () =>
      pass.write(x, callSteps, true, output.buffer, output.stored),
    )
    withGradient(pass, node, output, (delta) => {
      // Where gradients have a row for each step, each has its share of the mean's.
      const shared = x.terms.map((of) => {
        const steps = of.tensor.kind === 'spikes' ? callSteps : of.tensor.steps
        return method.rows === 'steps' ? { ...of, scale: of.scale / steps } : of
      })
      giveGradient({ ...x, terms: shared }, delta, 1)
    })
    return { shape: node.shape, terms: [term(output)] }
  },
})
