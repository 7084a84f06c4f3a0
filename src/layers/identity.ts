/** Layers for which nothing runs: one passes its input on, the other lets it have another shape. */

import { layerOf, noMore, type OfKind, sameShape } from '../nn/kind.js'
import { defineLayer, type LayerPlan } from '../plan/layer-plan.js'

/** What `identity` makes. */
export interface Identity extends OfKind<'identity'> {}

/** What `flatten` makes. */
export interface Flatten extends OfKind<'flatten'> {}

/** Passes its input on, any shape: a shortcut, or a place kept free. */
export function identity(...more: []): Identity {
  return layerOf(identityKind, {}, more)
}

/** Turns an image into features: [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(...more: []): Flatten {
  return layerOf(flattenKind, {}, more)
}

const passedOn: LayerPlan<unknown> = {
  lower: (_pass, node, _layer, x) => ({ ...x, shape: node.shape }),
}

const identityKind = defineLayer<Identity>('identity', {
  ...sameShape,
  ...passedOn,
  again: (rest) => identity(...noMore('identity', rest)),
})

const flattenKind = defineLayer<Flatten>('flatten', {
  ...passedOn,
  output: (_layer, x) => [x.shape, true],
  again: (rest) => flatten(...noMore('flatten', rest)),
})
