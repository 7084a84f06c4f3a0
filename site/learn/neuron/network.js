// A network that learns to read digits. Runs in Node when the site is built, and in the page.
import { adam, cosine, datasets, flatten, lif, linear, sequential } from 'spikewasm'
import { fingerprint, samplesOf } from '../../kit/numbers.js'

const options = { input: [1, 8, 8], timeSteps: 16, seed: 1 }
/** Of a network that answers, and does not learn. */
export const answering = { ...options, purpose: 'inference' }
const NEURONS = 32
export const EPOCHS = 8
/** So many test digits stand in the figures. */
export const SHOWN = 30

export const network = () =>
  sequential(flatten(), linear(64, NEURONS), lif({ tau: 4 }), linear(NEURONS, 10))

/** What fires, step by step, while a network looks at one test digit, and what it answers. */
export async function look(index, weights) {
  const { images } = samplesOf((await datasets.digits()).test, 1, index)
  const model = await network().compile({ ...answering, batchSize: 1, record: true })
  if (weights) model.loadStateDict(weights)
  const { logits, classes } = await model.predict(images)
  const { data } = model.spikes('2')
  // Step by step, of each all neurons.
  const rows = Array.from({ length: NEURONS }, (_, n) =>
    [...data].filter((_, i) => i % NEURONS === n),
  )
  await model.dispose()
  return { rows, answer: classes[0], logits: Array.from(logits, (value) => +value.toFixed(3)) }
}

/**
 * A fresh network learns the digits.
 *
 * @param onEpoch gets the accuracy and the answers to the first digits before and after each epoch
 */
export async function learn(onEpoch) {
  const { train, test } = await datasets.digits()
  const { images } = samplesOf(test, SHOWN)
  const model = await network().compile({ ...options, batchSize: 32 })
  // Another model answers between the epochs.
  const viewer = await network().compile({ ...answering, batchSize: SHOWN })
  const tell = async (epoch, accuracy) => {
    viewer.loadStateDict(model.stateDict())
    const { classes } = await viewer.predict(images)
    await onEpoch({ epoch, accuracy, answers: [...classes] })
  }
  await tell(0, (await model.evaluate(test)).accuracy)
  await model.fit(train, {
    ...{ epochs: EPOCHS, optimizer: adam({ lr: 0.01 }), schedule: cosine(), validation: test },
    onEpoch: ({ epoch, testAccuracy }) => tell(epoch, testAccuracy),
  })
  const weights = model.stateDict()
  await Promise.all([model.dispose(), viewer.dispose()])
  return { weights, hash: await fingerprint(weights) }
}
