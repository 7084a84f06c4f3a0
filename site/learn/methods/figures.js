// How close the gradients of other methods come to that of BPTT.
import { pairsOf } from '../../kit/plots.js'
import { data } from './run.data.js'

const methods = { rate: 'rate', online: 'ottt' }

const cosineOf = ({ cosine }) => cosine.toFixed(2)
const drawn = (method, digits, bars) => ({
  plots: [
    pairsOf('BPTT, still digits', method, digits.dots),
    pairsOf('BPTT, moving bars', method, bars.dots),
  ],
  says: `Cosine with still digits ${cosineOf(digits)}, with moving bars ${cosineOf(bars)}.`,
})

export const close = {
  load: () => import('./methods.js'),
  label: 'Gradients of weights by BPTT and by another method.',
  controls: {
    steps: { label: 'Steps learnt before', from: 0, to: 40, by: 5, start: 10 },
    method: { label: 'Which method', options: ['rate', 'online'], start: 'rate' },
  },
  draw({ steps, method }, live) {
    const both = ['digits', 'bars'].map(
      (task) => live?.compare(task, methods[method], steps) ?? data.compared[`${task} rate`],
    )
    return live
      ? Promise.all(both).then((found) => drawn(method, ...found))
      : drawn(method, ...both)
  },
}
