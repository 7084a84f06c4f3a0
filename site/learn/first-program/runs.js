// A network learns the digits with other options. Runs in Node when the site is built, and in the
// page.
import * as sw from 'spikewasm'
import { fingerprint, samplesOf } from '../../kit/numbers.js'

/** What the program of the lesson says. */
export const usual = { timeSteps: 16, batchSize: 32, seed: 1, lr: 0.01 }

/** Digits whose values are too small: divided by 255 once too often. */
function divided(data) {
  const { images, labels } = samplesOf(data)
  const inputs = images.map((value) => value / 255)
  return sw.fromArrays({ inputs, labels, shape: [1, 8, 8], classes: 10 })
}

/**
 * One run.
 *
 * @param options `small` makes inputs too small, `normalised` mends that in the network
 * @returns loss and accuracy by epoch, the loss by step, and a fingerprint of the weights
 */
export async function learn({ lr, small, normalised, vThreshold = 1, ...options }, onEpoch) {
  const digits = await sw.datasets.digits()
  const [train, test] = [digits.train, digits.test].map((data) => (small ? divided(data) : data))
  const norm = normalised ? [sw.batchNorm1d(32)] : []
  const cells = sw.lif({ tau: 4, vThreshold })
  const layers = [sw.flatten(), sw.linear(64, 32), ...norm, cells, sw.linear(32, 10)]
  const model = await sw.sequential(...layers).compile({ input: [1, 8, 8], ...options })
  const losses = []
  const { epochs } = await model.fit(train, {
    ...{ epochs: 8, optimizer: sw.adam({ lr }), schedule: sw.cosine(), validation: test },
    onStep: ({ loss }) => void losses.push(+loss.toFixed(3)),
    onEpoch: ({ epoch, testAccuracy }) => onEpoch?.([epoch, testAccuracy]),
  })
  const hash = await fingerprint(model.stateDict())
  await model.dispose()
  const curve = (name) => epochs.map((record) => [record.epoch, +record[name].toFixed(4)])
  const { silent } = epochs.at(-1)
  return { hash, losses, silent, accuracy: curve('testAccuracy'), loss: curve('trainLoss') }
}
