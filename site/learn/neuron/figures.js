// The figure of one neuron: what it shows for what its controls say.
import { data } from './run.data.js'

const x = [1, data.trace.length]

function summaryOf({ input, current, tau, threshold }, count) {
  const words = `${count} ${count === 1 ? 'spike' : 'spikes'} in ${data.trace.length} steps.`
  const rest = (current * tau).toFixed(2)
  if (input === 'pulses') return words
  return current * tau < threshold
    ? `${words} The potential comes no higher than input × τ = ${rest}: below the threshold.`
    : `${words} Without spikes the potential would rise to input × τ = ${rest}.`
}

export const oneNeuron = {
  load: () => import('./neuron.js'),
  label: 'Spikes, potential and input of a neuron.',
  controls: {
    current: { label: 'Input', from: 0, to: 1.2, by: 0.01, start: data.usual.current },
    tau: { label: 'Memory τ', from: 1.1, to: 20, by: 0.1, start: data.usual.tau },
    threshold: { label: 'Threshold', from: 0.4, to: 1.6, by: 0.05, start: data.usual.threshold },
    input: { label: 'Kind of input', options: ['steady', 'pulses'], start: data.usual.input },
  },
  draw(settings, live) {
    const trace = live?.trace(settings) ?? data.trace
    const spikes = trace.flatMap(({ spike }, t) => (spike ? [t + 1] : []))
    // The potential goes up to where it fires, and from there down.
    const potential = trace.flatMap(({ before, spike, after }, t) =>
      [...(spike ? [before] : []), after].map((level) => [t + 1, level]),
    )
    const levels = [{ at: settings.threshold, label: 'threshold', dashed: true }]
    return {
      x,
      axes: [['step 1', 20, 40, 60]],
      plots: [
        { name: 'spikes', height: 26, strokes: spikes },
        { name: 'potential', y: [0, 1.7], height: 190, lines: [potential], filled: true, levels },
        { name: 'input', y: [0, 2.4], height: 56, bars: trace.map((step) => step.x) },
      ],
      says: summaryOf(settings, spikes.length),
    }
  },
}
