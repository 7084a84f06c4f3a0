/** Spikes of a trained network, for a raster and for rates over time. */

import type { Dataset } from '../data/dataset.js'
import type { Model } from '../model.js'
import { sizeOf } from '../nn/value.js'
import type { Activity, LayerActivity } from './diagnosis.js'

/** Rows of a raster: more would run into each other. */
const MOST_ROWS = 100
/** Samples that rates are the mean of. */
const SAMPLES = 64

/**
 * Spikes of the first sample, and rates of the first 64.
 *
 * @param model compiled with `record`
 */
export async function activityOf(model: Model, data: Dataset): Promise<Activity> {
  const one = await model.monitor(data, { limit: 1 })
  const many = await model.monitor(data, { limit: SAMPLES, keep: 'rates' })
  const { timeSteps: T } = one
  const layers = Object.entries(one.layers).map(([name, { shape, spikes, stepRates }]) => {
    const neurons = sizeOf(shape)
    const rows = Math.min(neurons, MOST_ROWS)
    const fired = spikes as Uint8Array
    const layer: LayerActivity = {
      neurons,
      rows,
      ...rasterOf(rows, T, (row, t) => fired[Math.floor((row * neurons) / rows) * T + t] !== 0),
      sampleRates: [...stepRates],
      rates: [...many.layers[name].stepRates],
    }
    return [name, layer] as const
  })
  return {
    timeSteps: T,
    dataset: data.name,
    samples: many.samples,
    ...(one.labels ? { label: one.labels[0] } : {}),
    predicted: one.classes[0],
    layers: Object.fromEntries(layers),
  }
}

/** Rows and steps, counted from 1, of what fires. */
function rasterOf(rows: number, T: number, fires: (row: number, t: number) => boolean) {
  const [spikeRows, spikeSteps]: [number[], number[]] = [[], []]
  for (let row = 0; row < rows; row++)
    for (let t = 0; t < T; t++)
      if (fires(row, t)) {
        spikeRows.push(row + 1)
        spikeSteps.push(t + 1)
      }
  return { spikeRows, spikeSteps }
}
