/** The threshold that follows the potentials of a layer: what runs before its neurons fire. */

import type { StabilizedLif } from '../nn/layers/index.js'
import { stabilizedCharge } from '../nn/layers/stabilized-lif.js'
import { inUnits } from './budgets.js'
import { storedChannels } from './layout.js'
import { emitNeurons, type NeuronScope, type Neurons } from './neuron-record.js'
import type { Place } from './records/schema.js'
import { stabilizedSums, stabilizedThreshold } from './records/stabilized.js'

/** A layer, and where its thresholds are. */
export interface Stabilized {
  readonly layer: StabilizedLif
  readonly runningThreshold: Place
  /** float32 [2], ratio and threshold. */
  readonly stability: Place
  /** Share of a step in the running threshold. */
  readonly share: number
}

/** One step: potentials before they fire, their sums, and the threshold. */
export function emitStabilized(
  scope: NeuronScope,
  neurons: Neurons,
  state: Place,
  { layer, runningThreshold, stability, share }: Stabilized,
): void {
  const { b } = scope
  const { name, shape } = neurons
  const channels = storedChannels(shape[0])
  const pixels = scope.images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, channels)
  const charged = b.buffer(`${name} potentials`, pixels * channels * 4)
  const moments = b.buffer(`${name} potential sums`, units * 16)
  const charge = { ...neurons, model: stabilizedCharge(layer), parameters: new Map() }
  emitNeurons(scope, charge, { out: charged }, () => state)
  const shared = { moments, pixels, realChannels: shape[0] }
  b.emit(stabilizedSums, units, { ...shared, charged, channels, pixelsPerUnit })
  b.emit(stabilizedThreshold, 1, {
    ...shared,
    ...{ threshold: layer.vThreshold, units, stability, runningThreshold, share },
  })
}
