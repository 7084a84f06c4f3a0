// The four training methods on one network, from the same start, on the same data.
// Run it after `npm run build` with: node examples/compare-methods.mjs
import { comparableLr, cosine, datasets, flatten, lif, linear, sequential, sgd } from 'spikewasm'

const { train, test } = await datasets.digits()
const net = sequential(flatten(), linear(64, 128), lif(), linear(128, 10))
const kib = (bytes) => (bytes / 1024).toFixed(0)

/** Trains and tests with one method at T steps. */
async function run(method, timeSteps) {
  const options = { input: [1, 8, 8], timeSteps, batchSize: 32, seed: 0, method }
  const model = await net.compile(options)
  // The rate method divides its loss by T, as the paper does; the learning rate makes up for it.
  const lr = comparableLr(0.1, { from: 'bptt', to: method, timeSteps })
  const optimizer = sgd({ lr, weightDecay: 5e-4, decay: 'weights' })
  await model.fit(train, { epochs: 6, optimizer, schedule: cosine() })
  const { accuracy, firingRates } = await model.evaluate(test)
  const { kept } = model.memoryUse
  await model.dispose()
  return { accuracy, kept, rate: firingRates['2'] }
}

console.log('method   T  test accuracy  firing rate  kept for backward')
for (const method of ['rate', 'bptt', 'ottt', 'sltt'])
  for (const timeSteps of [4, 16]) {
    const { accuracy, kept, rate } = await run(method, timeSteps)
    const cells = [
      method.padEnd(6),
      String(timeSteps).padStart(3),
      `${(100 * accuracy).toFixed(1)} %`.padStart(14),
      rate.toFixed(3).padStart(12),
      `${kib(kept)} KiB`.padStart(18),
    ]
    console.log(cells.join(' '))
  }
