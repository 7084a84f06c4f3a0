// What the figures of this lesson show, by runs in Node when the site is built.
import { datasets } from 'spikewasm'
import { percent, samplesOf, shadesOf } from '../../kit/numbers.js'
import { EPOCHS, learn, look, SHOWN } from './network.js'
import { ready, trace, usual } from './neuron.js'

export default {
  async load() {
    await ready()
    const { train, test } = await datasets.digits()
    const digits = Array.from({ length: SHOWN }, (_, i) => {
      const { images, labels } = samplesOf(test, 1, i)
      return { label: labels[0], shades: shadesOf(images, test.pixels.normalization) }
    })
    const epochs = []
    const { hash, weights } = await learn((epoch) => void epochs.push(epoch))
    const sizes = Object.values(weights).map(({ data }) => data.length)
    const fresh = await look(0)
    return {
      ...{ usual, trace: trace(usual), digits, fresh, trained: await look(0, weights) },
      ...{ epochs, hash, neurons: fresh.rows.length, epochCount: EPOCHS },
      ...{ trainDigits: train.length, testDigits: test.length },
      ...{ weights: sizes.reduce((a, b) => a + b), accuracy: percent(epochs.at(-1).accuracy) },
    }
  },
}
