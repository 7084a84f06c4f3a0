/** What each kind of layer is: a new kind is a line here and one in index.ts. */

import { batchNorm2dKind } from './batch-norm.js'
import { conv2dKind } from './conv2d.js'
import type { Layer } from './index.js'
import { type LayerKind, sameShape } from './kind.js'
import { linearKind } from './linear.js'
import { neuronKind } from './neuron.js'
import { adaptiveAvgPool2dKind, windowKind } from './pool.js'
import { dropoutKind, flattenKind } from './simple.js'

const kinds: { readonly [K in Layer['kind']]: LayerKind<Extract<Layer, { kind: K }>> } = {
  conv2d: conv2dKind,
  linear: linearKind,
  batchNorm2d: batchNorm2dKind,
  neuron: neuronKind,
  avgPool2d: windowKind,
  maxPool2d: windowKind,
  adaptiveAvgPool2d: adaptiveAvgPool2dKind,
  flatten: flattenKind,
  dropout: dropoutKind,
  scale: sameShape,
  identity: sameShape,
}

/** The kind of a layer. Its functions take that layer as their first argument. */
export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> => kinds[kind] as LayerKind<L>
