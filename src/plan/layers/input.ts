/** The input of the network. */

import { term } from '../pass.js'
import type { LayerPlan } from './layer.js'

export const input: LayerPlan<never> = {
  lower(pass, node) {
    const { context } = pass
    // Statistics of single steps need a current for each step, even where all are the same.
    const steps =
      pass.options.frames || (pass.training && context.method.statistics === 'step')
        ? context.callSteps
        : 1
    const { shape } = node
    return {
      shape,
      terms: [
        term({
          kind: 'float',
          name: 'input',
          shape,
          stored: shape[0],
          steps,
          input: true,
          gradient: [],
        }),
      ],
    }
  },
}
