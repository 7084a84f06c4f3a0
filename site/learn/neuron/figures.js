// Figures of this lesson: what each shows for what its controls say.
import { current, potentialOf, spikeCount, spikesOf, tau, thresholdAt } from '../../kit/plots.js'
import { data } from './run.data.js'

function summaryOf({ input, current, tau }, count) {
  const words = `${spikeCount(count)} in ${data.trace.length} steps.`
  const most = `Without spikes the potential would rise to input × τ = ${(current * tau).toFixed(2)}.`
  return input === 'pulses' ? words : `${words} ${most}`
}

export const oneNeuron = {
  load: () => import('./neuron.js'),
  label: 'Spikes, potential and input of a neuron.',
  controls: {
    current: { ...current, start: data.usual.current },
    tau: { ...tau, to: 20, start: data.usual.tau },
    threshold: { label: 'Threshold', from: 0.4, to: 1.6, by: 0.05, start: data.usual.threshold },
    input: { label: 'Kind of input', options: ['steady', 'pulses'], start: data.usual.input },
  },
  draw(settings, live) {
    const trace = live?.trace(settings) ?? data.trace
    const [spikes, levels] = [spikesOf(trace), [thresholdAt(settings.threshold)]]
    const lines = [potentialOf(trace)]
    return {
      x: [1, trace.length],
      axes: [['step 1', 20, 40, 60]],
      plots: [
        { name: 'spikes', height: 26, strokes: spikes },
        { name: 'potential', y: [0, 1.7], height: 190, lines, filled: true, levels },
        { name: 'input', y: [0, 2.4], height: 56, bars: trace.map((step) => step.x) },
      ],
      says: summaryOf(settings, spikes.length),
    }
  },
}

function layerOf(rows, { shades, label }) {
  const active = rows.filter((row) => row.includes(1)).length
  const total = rows.flat().reduce((a, b) => a + b)
  return {
    look: 'layer',
    parts: [
      { is: 'Digit', shades, label: `A handwritten ${label}` },
      { is: 'Raster', rows, label: 'A row for each neuron, a mark for each spike' },
    ],
    says: `${active} of ${rows.length} neurons fire, ${total} spikes.`,
  }
}

export const layer = {
  load: () => import('./network.js'),
  label: 'What a layer of neurons does with a digit.',
  controls: { number: { label: 'Digit', from: 1, to: data.digits.length, start: 1 } },
  draw({ number }, live) {
    const digit = data.digits[number - 1]
    const later = live?.look(number - 1).then(({ rows }) => layerOf(rows, digit))
    return later ?? layerOf(data.fresh.rows, digit)
  },
}
