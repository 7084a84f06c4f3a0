/** Multiplication by a constant: a factor of the terms, applied by the layer that reads them. */

import type { Scale } from '../../nn/layers/index.js'
import { term } from '../pass.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

export const scale: LayerPlan<Scale> = {
  lower(pass, node, layer, x) {
    // A normalised term's factor cannot be folded into the affine map of whoever reads it: write it
    // out.
    const terms = x.terms.some((t) => t.norm) ? [term(materialise(pass, node, x))] : x.terms
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, scale: t.scale * layer.factor })) }
  },
}
