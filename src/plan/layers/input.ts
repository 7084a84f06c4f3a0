/** The input of the network. */

import { term } from '../pass.js'
import type { LayerPlan } from './layer.js'

export const input: LayerPlan<never> = {
  lower(pass, node) {
    const steps = pass.options.frames ? pass.callSteps : 1
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
