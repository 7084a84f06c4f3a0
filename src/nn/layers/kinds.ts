/** What each kind of layer is: a new kind is a line here and one in index.ts. */

import { adaptiveAvgPool1dKind } from './adaptive-avg-pool1d.js'
import { adaptiveAvgPool2dKind } from './adaptive-avg-pool2d.js'
import { avgPool1dKind } from './avg-pool1d.js'
import { avgPool2dKind } from './avg-pool2d.js'
import { batchNorm2dKind } from './batch-norm.js'
import { batchNorm1dKind } from './batch-norm1d.js'
import { conv1dKind } from './conv1d.js'
import { conv2dKind } from './conv2d.js'
import { delayKind } from './delay.js'
import { dropoutKind } from './dropout.js'
import { equationsKind } from './equations.js'
import { flattenKind } from './flatten.js'
import { groupNormKind } from './group-norm.js'
import { identityKind } from './identity.js'
import type { Layer } from './index.js'
import type { LayerKind } from './kind.js'
import { layerNormKind } from './layer-norm.js'
import { linearKind } from './linear.js'
import { maxPool1dKind } from './max-pool1d.js'
import { maxPool2dKind } from './max-pool2d.js'
import { cellKind } from './presets.js'
import { reluKind } from './relu.js'
import { scaleKind } from './scale.js'
import { stabilizedLifKind } from './stabilized-lif.js'
import { sumPool1dKind } from './sum-pool1d.js'
import { sumPool2dKind } from './sum-pool2d.js'
import { timeMeanKind } from './time-mean.js'

const kinds: { readonly [K in Layer['kind']]: LayerKind<Extract<Layer, { kind: K }>> } = {
  conv2d: conv2dKind,
  linear: linearKind,
  batchNorm2d: batchNorm2dKind,
  equations: equationsKind,
  cell: cellKind,
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
  adaptiveAvgPool1d: adaptiveAvgPool1dKind,
  avgPool1d: avgPool1dKind,
  batchNorm1d: batchNorm1dKind,
  conv1d: conv1dKind,
  delay: delayKind,
  groupNorm: groupNormKind,
  layerNorm: layerNormKind,
  maxPool1d: maxPool1dKind,
  sumPool1d: sumPool1dKind,
  sumPool2d: sumPool2dKind,
}

/** The kind of a layer. Its functions take that layer as their first argument. */
export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> => kinds[kind] as LayerKind<L>

/** What messages and summaries call a layer, or a node of a graph. */
export const labelOf = ({
  kind,
  layer,
}: {
  readonly kind: string
  readonly layer?: Layer
}): string => (layer && kindOf(layer).label?.(layer)) ?? kind

/** Whether a layer fires: its output is spikes of its own. */
export const fires = (layer: Layer | undefined): boolean =>
  layer !== undefined && (kindOf(layer).spikes?.(layer) ?? false)

/** Names of all kinds of layers. */
export const layerKinds = Object.keys(kinds) as readonly Layer['kind'][]
