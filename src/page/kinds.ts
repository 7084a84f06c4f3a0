/** In a page this stands for `nn/layers/kinds.ts`: the kinds that it has. */

import type { Layer } from '../nn/layers/index.js'
import type { LayerKind } from '../nn/layers/kind.js'
import { partsOf } from './parts.js'

/** Names of all kinds of layers, in the order of Node's table. */
export const layerKinds: readonly Layer['kind'][] = [
  'conv2d',
  'linear',
  'batchNorm2d',
  'equations',
  'cell',
  'avgPool2d',
  'maxPool2d',
  'adaptiveAvgPool2d',
  'flatten',
  'dropout',
  'scale',
  'identity',
  'relu',
  'stabilizedLif',
  'timeMean',
  'adaptiveAvgPool1d',
  'avgPool1d',
  'batchNorm1d',
  'conv1d',
  'delay',
  'groupNorm',
  'layerNorm',
  'maxPool1d',
  'sumPool1d',
  'sumPool2d',
]

export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> =>
  partsOf(kind).kind as LayerKind<L>

export const labelOf = ({
  kind,
  layer,
}: {
  readonly kind: string
  readonly layer?: Layer
}): string => (layer && kindOf(layer).label?.(layer)) ?? kind

export const fires = (layer: Layer | undefined): boolean =>
  layer !== undefined && (kindOf(layer).spikes?.(layer) ?? false)
