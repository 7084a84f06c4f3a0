// Firing rates by layer, and a spike raster as text: which neuron fires at which step.
// Run it after `npm run build` with: node examples/spike-raster.mjs
import { cosine, datasets, flatten, lif, linear, sequential, sgd } from 'spikewasm'

const net = sequential({
  flatten: flatten(),
  hidden: sequential(linear(64, 48), lif({ tau: 2 })),
  deep: sequential(linear(48, 24), lif({ tau: 2 })),
  readout: linear(24, 10),
})
const { train, test } = await datasets.digits()
const [input, steps] = [[1, 8, 8], 16]
const model = await net.compile({ input, timeSteps: steps, batchSize: 32, seed: 0 })
await model.fit(train, { epochs: 5, optimizer: sgd({ lr: 0.1 * steps }), schedule: cosine() })
const { accuracy, firingRates } = await model.evaluate(test)
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`)
for (const [name, rate] of Object.entries(firingRates))
  console.log(`${name.padEnd(9)} ${rate.toFixed(3)} ${'#'.repeat(Math.round(60 * rate))}`)

/** Rates of a layer's neurons times T: the spikes of each within the first T steps of an image. */
async function counts(image, timeSteps) {
  const short = await net.compile({ input, timeSteps, batchSize: 1, inspect: true })
  short.loadStateDict(model.stateDict())
  await short.trainStep(image, [0], { update: false })
  const { rate } = short.activity('deep.1')
  await short.dispose()
  return rate.map((r) => Math.round(r * timeSteps))
}

const image = new Float32Array(64)
const label = test.read(0, image)
const rows = Array.from({ length: 24 }, () => '')
for (let t = 1, before = rows.map(() => 0); t <= steps; t++) {
  const now = await counts(image, t)
  for (const i of rows.keys()) rows[i] += now[i] > before[i] ? '|' : '.'
  before = now
}
console.log(`spikes of layer deep for a ${label}, one neuron a row, one step a column:`)
console.log(rows.join('\n'))
await model.dispose()
