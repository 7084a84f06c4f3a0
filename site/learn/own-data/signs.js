// A network that learns signs, of one's own too. Runs in Node when the site is built, and in the page.
import * as sw from 'spikewasm'
import { fingerprint } from '../../kit/numbers.js'
import { elsewhere, middle, names } from './sign.js'

const dataOf = (examples) =>
  sw.fromBytes({
    images: Uint8Array.from(examples.flatMap(({ shades }) => shades)),
    labels: examples.map(({ label }) => names.indexOf(label)),
    ...{ shape: [1, 8, 8], classes: names.length },
    normalization: { scale: 1, mean: [0], std: [1] },
  })

/**
 * Trains on signs in the middle, and on others that are given.
 *
 * @param moved whether they are moved by up to a dot, in training
 * @returns what the network says to a picture, its accuracy at other places, and a fingerprint
 */
export async function learn(own = [], moved = true) {
  const data = dataOf([...middle, ...own])
  const filters = [sw.conv2d(1, 8, 3, { padding: 1 }), sw.lif({ tau: 4 })]
  const net = sw.sequential(...filters, sw.flatten(), sw.linear(8 * 64, names.length))
  const model = await net.compile({ input: [1, 8, 8], timeSteps: 8, batchSize: 12, seed: 1 })
  const options = { epochs: 60, optimizer: sw.adam({ lr: 0.01 }), schedule: sw.cosine() }
  await model.fit(moved ? sw.augment(data, { crop: 1 }) : data, options)
  const { accuracy } = await model.evaluate(dataOf(elsewhere))
  const hash = await fingerprint(model.stateDict())
  const ask = async (shades) => names[(await model.predict(Float32Array.from(shades))).classes[0]]
  return { accuracy, hash, ask, dispose: () => model.dispose() }
}
