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
const steps = 16
const model = await net.compile({
  input: [1, 8, 8],
  timeSteps: steps,
  batchSize: 32,
  seed: 0,
  record: ['deep.1'],
})
await model.fit(train, { epochs: 5, optimizer: sgd({ lr: 0.1 * steps }), schedule: cosine() })
const { accuracy, firingRates, operations } = await model.evaluate(test)
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`)
for (const [name, rate] of Object.entries(firingRates))
  console.log(`${name.padEnd(9)} ${rate.toFixed(3)} ${'#'.repeat(Math.round(60 * rate))}`)
const { effectiveMacs, effectiveAcs, energy } = operations
console.log(
  `a sample takes ${Math.round(effectiveAcs)} additions and ${Math.round(effectiveMacs)} products, ` +
    `${energy.microjoules.toPrecision(2)} µJ in 45 nm`,
)

const { layers, labels } = await model.monitor(test, { limit: 1 })
const { spikes, stepRates } = layers['deep.1']
console.log(`spikes of layer deep for a ${labels[0]}, one neuron a row, one step a column:`)
for (let neuron = 0; neuron < 24; neuron++) {
  const train = Array.from({ length: steps }, (_, t) => spikes[t * 24 + neuron])
  console.log(train.map((spike) => (spike ? '|' : '.')).join(''))
}
console.log('share of the neurons that fire, step by step:')
console.log(Array.from(stepRates, (rate) => rate.toFixed(2)).join(' '))
await model.dispose()
