/** The mean over all steps of a call, written out; what reads it is the same at every step. */

import { expect } from '../../errors.js'
import type { TimeMean } from '../../nn/layers/index.js'
import { giveGradient, gradientRows, takeGradient } from '../gradients.js'
import { quoteMethodsWith } from '../methods.js'
import { term } from '../pass.js'
import type { LayerPlan } from './layer.js'

export const timeMean: LayerPlan<TimeMean> = {
  lower(pass, node, _layer, x) {
    const { context, options, callSteps } = pass
    const { method, outer } = context
    // Counts of spikes are bytes.
    expect(
      options.timeSteps <= 255 || options.purpose === 'stream',
      () =>
        `${node.name} (timeMean): needs timeSteps of at most 255, got ${options.timeSteps}; ` +
        'use fewer steps',
    )
    expect(
      !outer && !context.online && callSteps === options.timeSteps,
      () =>
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
    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const delta = takeGradient(pass, output, gradientRows(pass, output))
      // Where gradients have a row for each step, each has its share of the mean's.
      const shared = x.terms.map((of) => {
        const steps = of.tensor.kind === 'spikes' ? callSteps : of.tensor.steps
        return method.rows === 'steps' ? { ...of, scale: of.scale / steps } : of
      })
      giveGradient({ ...x, terms: shared }, delta, 1)
    })
    return { shape: node.shape, terms: [term(output)] }
  },
}
