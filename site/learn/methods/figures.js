// How close the gradients of other methods come to that of BPTT.
import { pairsOf } from '../../kit/plots.js'
import { data } from './run.data.js'

const methods = { rate: 'rate', online: 'ottt' }

const inputs = ['still digits', 'moving bars']
const drawn = (method, found) => ({
  plots: found.map(({ dots }, i) => pairsOf(`BPTT, ${inputs[i]}`, method, dots)),
  says: found.map(({ cosine }, i) => `Cosine with ${inputs[i]} ${cosine.toFixed(2)}.`).join(' '),
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
    return live ? Promise.all(both).then((found) => drawn(method, found)) : drawn(method, both)
  },
}
