/** Spike trains of the last run. */

import { describe, fail } from '../../base/errors.js'
import type { RateProbe } from '../../compile/plan.js'
import type { Session } from '../session.js'

/** What each neuron of a layer did at each step. */
export interface SpikeTrains {
  /** Sizes [B, T, C, H, W] of samples, time steps, channels, height, width. */
  readonly shape: readonly [number, number, number, number, number]
  /** 1 where a neuron fired, else 0. */
  readonly data: Uint8Array
}

/** Layers of a sequence are named by their numbers. */
export const nameOf = (layer: string | number): string =>
  typeof layer === 'number' ? String(layer) : layer

/** `Model.spikes`. */
export function spikeTrains(session: Session, layer: string | number): SpikeTrains {
  const { lastRun } = session
  const name = nameOf(layer)
  const probe = recordedProbe(session, 'spikes', name, lastRun.probes)
  const data = trainsOf(session, probe, lastRun.valid)
  return { shape: [lastRun.valid, probe.recorded.steps, ...probe.shape], data }
}

type Recorded = RateProbe & Required<Pick<RateProbe, 'recorded'>>

/** @throws SpikewasmError that says what to compile with, or that nothing has run */
export function recordedProbe(
  { settings: { record }, plan }: Session,
  method: string,
  name: string,
  probes: readonly RateProbe[],
): Recorded {
  const known = Object.values(plan.programs).flatMap((program) => program?.rates ?? [])
  const names = [...new Set(known.map((probe) => probe.name))]
  if (!names.includes(name))
    fail(`${method}: no layer of neurons ${describe(name)}; there are ${names.join(', ')}`)
  if (!record.includes(name))
    fail(
      `${method}: the spikes of layer ${describe(name)} are not kept; compile with record: true, ` +
        `or record: [${JSON.stringify(name)}]`,
    )
  const probe = probes.find((each) => each.name === name)
  if (!probe?.recorded) fail(`${method}: nothing has run yet; call predict, evaluate or step first`)
  return probe as Recorded
}

/** Bits of masks [plane][B][H][W][stored] as bytes [B][T][C][H][W], of the first images. */
export function trainsOf(
  { memory, plan }: Session,
  { shape: [C, H, W], stored, recorded: { masks, steps } }: Recorded,
  images: number,
): Uint8Array {
  const pixels = H * W
  const out = new Uint8Array(images * C * pixels * steps)
  const plane = plan.passImages * pixels * stored
  const planes = Math.ceil(steps / 8)
  const bytes = new Uint8Array(memory.buffer, masks.address, planes * plane)
  let at = 0
  for (let b = 0; b < images; b++)
    for (let t = 0; t < steps; t++)
      for (let c = 0; c < C; c++)
        for (let p = 0; p < pixels; p++) {
          const from = (t >> 3) * plane + (b * pixels + p) * stored + c
          out[at++] = (bytes[from] >> (t & 7)) & 1
        }
  return out
}
