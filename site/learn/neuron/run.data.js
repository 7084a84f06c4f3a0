// What the figures of this lesson show, by runs in Node when the site is built.
import { digits, EPOCHS, firstDigits, learn, look, NEURONS } from './network.js'
import { ready, trace, usual } from './neuron.js'

/** How dark the dots of the digits are: the data are normalised for the network. */
function shadesOf({ pixels: { normalization } }, images) {
  const { mean, std } = normalization
  const shade = (value) => +Math.max(0, value * std[0] + mean[0]).toFixed(2)
  return (i) => Array.from(images.subarray(64 * i, 64 * (i + 1)), shade)
}

export default {
  async load() {
    await ready()
    const { train, test } = await digits()
    const { images, labels } = firstDigits(test)
    const shades = shadesOf(test, images)
    const epochs = []
    const { hash, weights } = await learn((epoch) => void epochs.push(epoch))
    const sizes = Object.values(weights).map(({ data }) => data.length)
    return {
      ...{ usual, trace: trace(usual) },
      digits: labels.map((label, i) => ({ label, shades: shades(i) })),
      fresh: await look(0),
      trained: await look(0, weights),
      ...{ epochs, hash, neurons: NEURONS, epochCount: EPOCHS },
      ...{
        weights: sizes.reduce((a, b) => a + b),
        trainDigits: train.length,
        testDigits: test.length,
      },
      accuracy: `${(100 * epochs.at(-1).accuracy).toFixed(1)} %`,
    }
  },
}
