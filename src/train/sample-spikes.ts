/** Spikes of the samples of an evaluation, without those of the repeats that fill a batch. */

import { ActivityCount } from '../../assembly/opcodes.js'
import { addTo } from '../base/objects.js'
import { programOf, spikeCounts } from '../engine/memory/arena.js'
import type { Session } from '../engine/session.js'

// What programs count of activity, as it stands in a model's memory.

/** Says whether runs count from now on; returns whether they did before. */
export function wantActivity(session: Session, value: number): number {
  const { memory, plan } = session
  const { activityWanted } = plan.named
  if (!activityWanted) return 0
  const view = new DataView(memory.buffer)
  const before = view.getUint32(activityWanted.address, true)
  view.setUint32(activityWanted.address, value, true)
  session.wrote(activityWanted.address, 4)
  return before
}

/** A number of 64 bits of an `ActivityCount`. */
export const activityNumber = (view: DataView, at: number): number =>
  view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true)

/** Adds up spikes of runs of `evaluate`. Whoever makes one holds the model's lock. */
export class SampleSpikes {
  private readonly sums: Record<string, number> = {}
  private samples = 0

  constructor(private readonly session: Session) {}

  /** A run with so many samples. */
  async of<T>(samples: number, run: () => Promise<T>): Promise<T> {
    const { session, sums } = this
    // Where repeats fill the batch, samples are counted apart.
    const before = samples < session.batchSize ? await this.counted() : undefined
    const wanted = before && wantActivity(session, 1)
    let result: T
    try {
      result = await run()
    } finally {
      if (wanted !== undefined) wantActivity(session, wanted)
    }
    const { spikes, probes } = session.lastRun
    const found = before ? await this.counted() : (spikes ?? spikeCounts(session, probes))
    for (const [name, n] of Object.entries(found)) addTo(sums, name, n - (before?.[name] ?? 0))
    this.samples += samples
    return result
  }

  /** Spikes per neuron, sample and step, by layer name. */
  rates(): Record<string, number> {
    const { session, sums, samples } = this
    return Object.fromEntries(
      programOf(session, 'evaluate').rates.map(({ name, neurons }) => [
        name,
        sums[name] / (neurons * samples * session.timeSteps),
      ]),
    )
  }

  /** Spikes of samples that are counted in memory, by layer name. */
  private async counted(): Promise<Record<string, number>> {
    const { session } = this
    const { activity } = programOf(session, 'evaluate')
    await session.refresh((activity?.neurons ?? []).map(({ counts }) => counts))
    const found: Record<string, number> = {}
    for (const { node, counts, units, spiking } of activity?.neurons ?? []) {
      if (!spiking) continue
      const bytes = units * ActivityCount.Bytes
      const view = new DataView(session.memory.buffer, counts.address, bytes)
      let sum = 0
      for (let at = ActivityCount.Spikes; at < bytes; at += ActivityCount.Bytes)
        sum += activityNumber(view, at)
      found[session.graph.nodes[node].name] = sum
    }
    return found
  }
}
