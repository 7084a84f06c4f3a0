/**
 * Compares gradients on batches that BPTT is about to train on: the paper's assumptions, and the
 * firing rates of the same passes.
 */

import { mean } from '../median.js'
import type { Model } from '../model.js'
import { own } from '../own.js'
import type { Session } from '../runtime/session.js'
import { cosineOf } from '../runtime/views.js'
import { comparableLr } from '../train/comparable-lr.js'
import type { Cosine, GradientMatch, Point } from './diagnosis.js'

export interface Probe extends Omit<Point, 'step'> {
  readonly gradients: readonly GradientMatch[]
  readonly firingRates: Readonly<Record<string, readonly number[]>>
}

/**
 * Takes every measure as the mean over batches. Parameters stay as they are.
 *
 * @param bptt compiled with method bptt and `inspect`
 * @param rate the same network compiled with method rate for the same T and batch size; gets the
 *   state of `bptt`
 * @param fill writes batch i into a slot
 */
export async function probe(
  bptt: Model,
  rate: Model,
  fill: (batch: number, slot: ReturnType<Session['slot']>) => Promise<void>,
  batches: number,
): Promise<Probe> {
  rate.loadStateDict(bptt.stateDict())
  const { timeSteps } = bptt
  const factor = comparableLr(1, { from: bptt.method, to: rate.method, timeSteps })
  const [a1, a2, cosines, ratios] = [means(), means(), means(), means()]
  const rates: Record<string, number[]> = {}
  const weights = new Set<string>()
  for (let batch = 0; batch < batches; batch++) {
    for (const model of [bptt, rate]) {
      await fill(batch, model.session.slot(0))
      await model.session.run('gradients', 0, model.batchSize)
    }
    const assumptions = bptt.diagnostics()
    for (const [layer, cosine] of Object.entries(assumptions.a1)) a1.add(layer, cosine)
    for (const [weight, cosine] of Object.entries(assumptions.a2)) a2.add(layerOf(weight), cosine)
    const reference = bptt.gradients()
    for (const [name, { data, shape }] of Object.entries(rate.gradients())) {
      // Those of a normalisation are vectors.
      if (name.endsWith('weight') && shape.length > 1) weights.add(name)
      cosines.add(name, cosineOf(data, reference[name].data))
      ratios.add(name, (factor * norm(data)) / norm(reference[name].data))
    }
    for (const [layer, steps] of Object.entries(bptt.stepRates())) {
      if (!own(rates, layer)) rates[layer] = steps.map(() => 0)
      for (let t = 0; t < steps.length; t++) rates[layer][t] += steps[t] / batches
    }
  }
  const [cosine, normRatio] = [cosines.read(), ratios.read()]
  const names = Object.keys(cosine)
  return {
    a1: a1.read(),
    a2: a2.read(),
    a3: Object.fromEntries([...weights].map((name) => [layerOf(name), cosine[name]])),
    gradients: names.map((parameter) => ({
      parameter,
      cosine: cosine[parameter],
      normRatio: normRatio[parameter],
    })),
    firingRates: rates,
  }
}

/** `layer1.conv.weight` → `layer1.conv` */
export function layerOf(parameter: string): string {
  return parameter.slice(0, Math.max(0, parameter.lastIndexOf('.')))
}

const norm = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

/** Means by name; values that are not finite (zero vectors have no direction) don't count. */
function means(): { add(name: string, value: number): void; read(): Record<string, Cosine> } {
  const found = new Map<string, number[]>()
  return {
    add(name, value) {
      const values = found.get(name) ?? []
      found.set(name, values)
      if (Number.isFinite(value)) values.push(value)
    },
    read: () =>
      Object.fromEntries(
        [...found].map(([name, values]) => [name, values.length === 0 ? null : mean(values)]),
      ),
  }
}
