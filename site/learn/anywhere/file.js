// The network of lesson 1 becomes a file. Runs in Node when the site is built, and in the page.
import { datasets } from 'spikewasm'
import { fingerprint, samplesOf } from '../../kit/numbers.js'
import { answering, learn, network } from '../neuron/network.js'

/** The trained network, as a model that only predicts. */
export async function trained() {
  const { weights } = await learn(() => {})
  const model = await network().compile({ ...answering, batchSize: 1 })
  model.loadStateDict(weights)
  return model
}

/** The fingerprint of all answers to test digits. @param answer gives outputs for a picture */
export async function answersOf(answer) {
  const { test } = await datasets.digits()
  const outputs = []
  for (let i = 0; i < test.length; i++)
    outputs.push({ data: await answer(samplesOf(test, 1, i).images) })
  return fingerprint(outputs)
}
