/** A raster of spikes, and rates over time. */

import { own } from '../own.js'
import { type Figure, packBits, type Raster } from '../pages/chart.js'
import type { Diagnosis, LayerActivity } from './diagnosis.js'
import { look } from './looks.js'
import { arrange, type Panel } from './panels.js'

/** Nothing where no spikes were recorded. */
export function activityFigures({ activity, setup }: Diagnosis): Figure[] {
  if (!activity) return []
  const { timeSteps: T, dataset, samples, label, predicted } = activity
  const layers = Object.entries(activity.layers)
  const title = (name: string): string => own(setup.layers, name) ?? name
  const xRange: [number, number] = [0.5, T + 0.5]
  const rasters = layers.map(([name, { neurons, rows, spikeRows, spikeSteps }], i): Raster => {
    const shown = rows < neurons ? `${rows} of ${neurons}` : `${neurons}`
    const spikes = new Set(spikeRows.map((row, at) => (row - 1) * T + spikeSteps[at] - 1))
    const { share = 0 } = look(i, layers.length)
    return {
      ...{ title: `${title(name)}, ${shown}`, rows, steps: T, share },
      ...packBits(rows, T, (row, step) => spikes.has(row * T + step)),
    }
  })
  const rates = (head: string, of: (layer: LayerActivity) => readonly number[]): Panel => ({
    title: head,
    xRange,
    lines: layers.map(([name, layer], i) => ({
      name: title(name),
      x: of(layer).map((_, t) => t + 1),
      y: of(layer),
      ...look(i, layers.length),
    })),
  })
  const columns = layers.length > 4 ? 4 : Math.min(layers.length, 2)
  const of = label === undefined ? '' : `, class ${label}, for which it says ${predicted}`
  return [
    {
      id: 'raster',
      title: `Spikes of one sample by layer, T ${T}`,
      caption:
        `Which neuron fires at which time step, at the end of training: the first sample of ` +
        `${dataset}${of}. Each row is a neuron, each column a step; of a large layer, neurons at ` +
        'equal distances.',
      charts: rasters,
      columns,
    },
    {
      id: 'activity',
      title: `Firing rate of every layer over time, T ${T}`,
      caption:
        'Share of a layer’s neurons that fire at each time step, at the end of training. Spikes ' +
        'need a few steps to get through deep layers, which then fire late.',
      ...arrange(
        [
          rates(`mean of ${samples} samples of ${dataset}`, (layer) => layer.rates),
          rates('the sample above', (layer) => layer.sampleRates),
        ],
        2,
        { x: 'time step t', y: 'spikes per neuron' },
      ),
    },
  ]
}
