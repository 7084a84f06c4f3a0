// The figures of this lesson that are made of plots.
import { byEpoch, plotOf } from '../../kit/plots.js'
import { data } from './run.data.js'

const losses = data.losses.map((loss, i) => [(8 * (i + 1)) / data.losses.length, loss])
const accuracy = { ...plotOf([{ points: data.accuracy }]), height: 80, dots: data.accuracy }

export const loss = {
  label: 'The loss of each step falls, and the accuracy after each epoch rises.',
  draw: () => ({
    x: [0, 8],
    axes: [['start', 2, 4, 6, 'epoch 8']],
    plots: [plotOf([{ points: losses }], { most: 2.5 }), accuracy],
  }),
}
const linesOf = (runs, what) => runs.map(({ name, [what]: points }) => ({ name, points }))
const family = (option, least) => byEpoch(linesOf(data.families[option], 'accuracy'), { least })
export const [lr, batchSize] = [family('lr'), family('batchSize')]
export const [timeSteps, seed] = [family('timeSteps', 0.9), family('seed', 0.9)]
export const stuck = byEpoch(linesOf(data.stuck, 'loss'), { most: 7 })
