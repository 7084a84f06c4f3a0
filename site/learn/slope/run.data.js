// What the figures of this lesson show, by runs in Node when the site is built.
import { datasets, flatten, lif, linear, sequential } from 'spikewasm'
import { cosineOf, samplesOf } from '../../kit/numbers.js'
import { crowd, inputs, places, ready, slopes, steady, steps } from './neuron.js'

const BATCH = 32

/** The gradient of all weights for one batch of digits, and how much is kept for it. */
async function gradientOf(hidden, options) {
  const { train } = await datasets.digits()
  const layers = hidden.flatMap((size) => [linear(size, 32), lif({ tau: 4 })])
  const net = sequential(flatten(), ...layers, linear(32, 10))
  const model = await net.compile({ input: [1, 8, 8], batchSize: BATCH, seed: 1, ...options })
  const { images, labels } = samplesOf(train, BATCH)
  await model.trainStep(images, labels, { update: false })
  const gradient = Object.values(model.gradients()).flatMap(({ data }) => [...data])
  const { kept } = model.memoryUse
  await model.dispose()
  return { gradient, kept }
}

/** Both methods for one number of steps: what they keep, and the cosine of their gradients. */
async function compare(hidden, timeSteps) {
  const { gradient: a, kept: rate } = await gradientOf(hidden, { timeSteps, method: 'rate' })
  const { gradient: b, kept: bptt } = await gradientOf(hidden, { timeSteps, method: 'bptt' })
  return { timeSteps, rate, bptt, cosine: +cosineOf(a, b).toFixed(4) }
}

/** How many times too steep eligibilities are, where the rate rises most. */
function tooSteep({ rows, left }) {
  const steepest = rows.reduce((best, { slope }, i) => (slope > rows[best].slope ? i : best), 0)
  return (left[steepest] / rows[steepest].slope).toFixed(1)
}

export default {
  async load() {
    await ready()
    const many = slopes(1.25)
    const deep = []
    for (const timeSteps of [2, 4, 8, 16, 32, 64]) deep.push(await compare([64, 32], timeSteps))
    const twoDigits = (values) => Array.from(values, (x) => +x.toFixed(2))
    const stair = (timeSteps) => [timeSteps, steady({ timeSteps, tau: 4 }, inputs).rates]
    return {
      ...{ inputs: twoDigits(inputs), places: twoDigits(places), many, deep },
      steps: steps({ current: 0.4, tau: 4 }),
      stairs: Object.fromEntries([4, 16, 64].map(stair)),
      one: {
        rows: crowd({ timeSteps: 1, count: 4000 }),
        surrogate: steady({ timeSteps: 1 }).slopes,
      },
      ...{ times: tooSteep(many), timesAt4: tooSteep(slopes(4)) },
      ...{ sameFor1: (await compare([64], 16)).cosine },
      leastCosine: Math.min(...deep.map(({ cosine }) => cosine)),
    }
  },
}
