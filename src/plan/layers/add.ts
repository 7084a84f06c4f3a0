/** Sums: nothing runs for them, who reads them reads all their terms. */

import type { LayerPlan } from './layer.js'

export const add: LayerPlan<never> = {
  lower: (_pass, node, _layer, ...inputs) => ({
    shape: node.shape,
    terms: inputs.flatMap((e) => e.terms),
  }),
}
