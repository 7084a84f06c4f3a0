// One network learns two tasks by four methods. Runs in Node when the site is built, and in pages.
import * as sw from 'spikewasm'
import { cosineOf, fingerprint, percent, samplesOf } from '../../kit/numbers.js'
import { bars, SIDE } from '../time/camera.js'

export const methods = ['rate', 'bptt', 'sltt', 'ottt']
const [STEPS, BATCH, DOTS] = [8, 32, 200]

let made
/** The data of a task: digits that stand still, or bars that move. */
function dataOf(task) {
  made ??= { train: bars(600, 1, STEPS), test: bars(200, 5001, STEPS) }
  return task === 'bars' ? made : sw.datasets.digits()
}

/** @param tau how long neurons remember */
function compile(task, method, tau = 4) {
  const neurons = () => sw.lif({ tau })
  const layers = [sw.linear(SIDE * SIDE, 32), neurons(), sw.linear(32, 32), neurons()]
  const net = sw.sequential(sw.flatten(), ...layers, sw.linear(32, task === 'bars' ? 4 : 10))
  return net.compile({
    ...{ input: [1, SIDE, SIDE], timeSteps: STEPS, frames: task === 'bars', batchSize: BATCH },
    ...{ seed: 1, method, optimizer: sw.adam({ lr: 0.01 }), record: true },
  })
}

/** The accuracy before and after each epoch, the answers, and the share of neurons that fire. */
export async function learn(task, method, tau = 4) {
  const { train, test } = await dataOf(task)
  const model = await compile(task, method, tau)
  const before = await model.evaluate(test)
  const { epochs } = await model.fit(train, { epochs: 4, schedule: sw.cosine(), validation: test })
  const { confusion } = await model.evaluate(test)
  const { layers } = await model.monitor(test, { limit: 1, keep: 'rates' })
  const hash = await fingerprint(model.stateDict())
  await model.dispose()
  const shares = Object.values(layers).map(({ stepRates }) => Array.from(stepRates))
  const curve = [before.accuracy, ...epochs.map(({ testAccuracy }) => testAccuracy)]
  const accuracy = percent(curve.at(-1))
  return { curve, accuracy, confusion, shares, hash, settings: [task, method, tau] }
}

export function trainStep(model, data, number, options) {
  const { images, labels } = samplesOf(data, model.batchSize, model.batchSize * number)
  return model.trainStep(images, labels, options)
}

/** Some pairs of two lists, as shares of the largest number of each. */
export function pairs(...lists) {
  const most = lists.map((list) => list.reduce((top, value) => Math.max(top, Math.abs(value)), 0))
  const pairAt = (i) => lists.map((list, k) => +(list[i] / most[k]).toFixed(3))
  return Array.from({ length: DOTS }, (_, i) => pairAt(i * Math.floor(lists[0].length / DOTS)))
}

/**
 * The first layer's gradients by a method beside those by BPTT, for the same samples: their cosine,
 * and some pairs.
 *
 * @param steps training steps by BPTT before
 */
export async function compare(task, method, steps) {
  const { train, test } = await dataOf(task)
  const models = [await compile(task, 'bptt'), await compile(task, method)]
  for (let i = 0; i < steps; i++) await trainStep(models[0], train, i % 18)
  models[1].loadStateDict(models[0].stateDict())
  for (const model of models) await trainStep(model, test, 0, { update: false })
  const [a, b] = models.map((model) => model.gradients()['1.weight'].data)
  await Promise.all(models.map((model) => model.dispose()))
  return { cosine: cosineOf(a, b), dots: pairs(a, b) }
}

/** What a method keeps for the way back of 8 digits, and how long that way takes. */
export async function cost(method, timeSteps) {
  const { test } = await dataOf('digits')
  const options = { input: [1, SIDE, SIDE], timeSteps, batchSize: 8, method }
  const model = await sw.cnn([1, SIDE, SIDE], 10).compile(options)
  await trainStep(model, test, 0)
  // The best of a few times: other work on a machine only adds to it.
  const times = []
  for (let i = 0; i < 5; i++) {
    const back = (await model.profile(5)).filter(({ phase }) => phase === 'backward')
    times.push(back.reduce((sum, one) => sum + one.milliseconds, 0))
  }
  const kept = model.memoryUse.kept / 1024
  await model.dispose()
  return { kept, milliseconds: Math.min(...times) }
}
