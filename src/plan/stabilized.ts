/** The records of neurons whose threshold follows the potentials of their layer. */

import {
  chargeFields,
  hasGroups,
  type NeuronRecord,
  type NeuronScope,
  neuronScratch,
} from './neuron-record.js'
import { stabilizedCharge, stabilizedFire, stabilizedThreshold } from './records/stabilized.js'
import { type Buffer, type Reference, ref } from './words.js'

/** Where their thresholds are. */
export interface Stabilized {
  readonly name: string
  readonly runningThreshold: Reference | Buffer
  /** In training: float32 [2], ratio and threshold. */
  readonly stability?: Buffer
  /** Share of a step in the running threshold. */
  readonly share: number
}

/**
 * With `stability` and a potential, one step of training; else forward at the running threshold.
 */
export function emitStabilized(pass: NeuronScope, r: NeuronRecord, of: Stabilized): void {
  const { b } = pass
  const { stability, runningThreshold, share } = of
  const { units, ...fields } = chargeFields(pass, r)
  const scratch = { scratch: neuronScratch(fields.steps, r.stored, hasGroups(r)) }
  const fire = {
    ...fields,
    masks: r.masks,
    planeBytes: fields.pixels * r.stored,
    counts: r.counts,
    countPartials: r.countPartials,
    surrogateOut: r.surrogateOut,
    activity: r.activity,
    activityWanted: r.activityWanted,
    pixelsPerImage: r.activity && r.shape[1] * r.shape[2],
    realChannels: r.activity && r.shape[0],
  }
  if (!stability) {
    const thresholdAt = runningThreshold
    b.emit(stabilizedFire, units, { ...fire, potential: r.potential, thresholdAt }, scratch)
    return
  }
  const potential = r.potential as Buffer
  const moments = b.buffer(`${of.name} potential sums`, units * 16)
  const shared = { moments, realChannels: r.shape[0] }
  b.emit(stabilizedCharge, units, { ...fields, ...shared, potential }, scratch)
  b.emit(stabilizedThreshold, 1, {
    ...shared,
    pixels: fields.pixels,
    threshold: r.threshold,
    units,
    stability,
    runningThreshold,
    share,
  })
  const thresholdAt = ref(stability, 4)
  b.emit(stabilizedFire, units, { ...fire, charged: potential, thresholdAt }, scratch)
}
