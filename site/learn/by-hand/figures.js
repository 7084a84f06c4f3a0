// Figures of this lesson: how the eligibility of a neuron is added up, and gradients beside BPTT's.
import { current, pairsOf, tau, thresholdAt } from '../../kit/plots.js'
import { data } from './run.data.js'

/** Of each number how far up its plot goes. */
const tops = { u: 1.7, 'h′': 1, ρ: 12, g: 6 }

export const eligibility = {
  load: () => import('../neuron/neuron.js'),
  label: 'Four numbers of a neuron over its steps.',
  controls: { current: { ...current, label: 'Current' }, tau },
  draw(settings, live) {
    let rho = 0
    const trace = live?.trace({ ...data.usual, ...settings }, data.more) ?? data.trace
    const rows = trace.map(({ before, surrogates, eligibilities }, t) => {
      rho = 1 + (1 - 1 / settings.tau) * rho
      // The engine divides by all steps from the first on.
      return { u: before, 'h′': surrogates, ρ: rho, g: (eligibilities * trace.length) / (t + 1) }
    })
    const lineOf = (name) => rows.map((row, t) => [t + 1, row[name]])
    return {
      x: [1, rows.length],
      axes: [['step 1', rows.length]],
      plots: Object.entries(tops).map(([name, top]) => ({
        ...{ name, y: [0, top], height: 60, lines: [lineOf(name)], filled: true },
        levels: name === 'u' ? [thresholdAt(1)] : [],
      })),
      says: `The eligibility is ${rows.at(-1).g.toFixed(2)}.`,
    }
  },
}

export const alike = {
  label: 'Gradients by hand and by BPTT are alike.',
  draw: () => ({ plots: [pairsOf('BPTT', 'by hand', data.dots)] }),
}
