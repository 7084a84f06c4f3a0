/** What each kind of layer is: a new kind is a line here and one in index.ts. */

import { adaptiveAvgPool2dKind } from './adaptive-avg-pool2d.js'
import { avgPool2dKind } from './avg-pool2d.js'
import { batchNorm2dKind } from './batch-norm.js'
import { conv2dKind } from './conv2d.js'
import { dropoutKind } from './dropout.js'
import { flattenKind } from './flatten.js'
import { identityKind } from './identity.js'
import type { Layer } from './index.js'
import type { LayerKind } from './kind.js'
import { linearKind } from './linear.js'
import { maxPool2dKind } from './max-pool2d.js'
import { neuronKind } from './neuron.js'
import { reluKind } from './relu.js'
import { scaleKind } from './scale.js'
import { stabilizedLifKind } from './stabilized-lif.js'
import { timeMeanKind } from './time-mean.js'

const kinds: { readonly [K in Layer['kind']]: LayerKind<Extract<Layer, { kind: K }>> } = {
  conv2d: conv2dKind,
  linear: linearKind,
  batchNorm2d: batchNorm2dKind,
  neuron: neuronKind,
  avgPool2d: avgPool2dKind,
  maxPool2d: maxPool2dKind,
  adaptiveAvgPool2d: adaptiveAvgPool2dKind,
  flatten: flattenKind,
  dropout: dropoutKind,
  scale: scaleKind,
  identity: identityKind,
  relu: reluKind,
  stabilizedLif: stabilizedLifKind,
  timeMean: timeMeanKind,
}

/** The kind of a layer. Its functions take that layer as their first argument. */
export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> => kinds[kind] as LayerKind<L>

/** Names of all kinds of layers. */
export const layerKinds = Object.keys(kinds) as readonly Layer['kind'][]
