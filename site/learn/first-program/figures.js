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
    plots: [plotOf([{ points: losses }], 2.5), accuracy],
  }),
}
const of = (runs) => byEpoch(runs.map(({ name, accuracy }) => ({ name, points: accuracy })))
const { families } = data
export const [lr, batchSize] = [of(families.lr), of(families.batchSize)]
export const [timeSteps, seed] = [of(families.timeSteps), of(families.seed)]
export const stuck = byEpoch(
  data.stuck.map(({ name, loss }) => ({ name, points: loss })),
  7,
)
