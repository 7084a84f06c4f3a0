// Trains the network of pretrained('digit-rows') and writes it into a folder; docs/models.md has it.
//
//   node examples/models/digit-rows.mjs --out FOLDER [--seed 0] [--epochs 40]
//   node examples/models/digit-rows.mjs --judge FILE
//
// It sees a handwritten digit from top to bottom, a row of eight pixels at each time step. What the
// rows before were, its recurrent neurons must remember.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as sw from 'spikewasm'

const options = { out: { type: 'string' }, judge: { type: 'string' } }
const numbers = {
  seed: { type: 'string', default: '0' },
  epochs: { type: 'string', default: '40' },
}
const { out, judge, seed, epochs } = parseArgs({ options: { ...options, ...numbers } }).values

/** The same pictures as series of rows: the numbers lie alike. */
const rowsOf = ({ name, length, read }) => ({
  ...{ name: `${name}, by rows`, length, shape: [8], timeSteps: 8 },
  ...{ classes: 10, classNames: [...'0123456789'] },
  read,
})

const { train, test } = await sw.datasets.digits()

async function trained() {
  const network = sw.sequential(
    sw.linear(8, 96),
    sw.recurrent(sw.lif({ tau: 4 })),
    sw.linear(96, 10),
    sw.leakyIntegrator({ tau: 4 }),
  )
  const sizes = { input: [8], timeSteps: 8, frames: true, batchSize: 32, seed: Number(seed) }
  const model = await network.compile({
    ...sizes,
    method: 'bptt',
    optimizer: sw.adam({ lr: 5e-3 }),
  })
  await model.fit(rowsOf(train), { epochs: Number(epochs), schedule: sw.cosine() })
  return model
}

if (out === undefined && judge === undefined)
  throw new Error('--out must name a folder, or --judge a file')
const model = judge === undefined ? await trained() : await sw.loadModel(judge)
const { accuracy, loss, count, firingRates, operations } = await model.evaluate(rowsOf(test))
const { microjoules } = operations.energy
if (out !== undefined) {
  mkdirSync(out, { recursive: true })
  await model.save(join(out, 'weights.safetensors'))
  const result = { accuracy, loss, samples: count, firingRates, microjoules }
  writeFileSync(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
}
console.log(`${(100 * accuracy).toFixed(2)} % of ${count} test digits are right`)
console.log(`${(1000 * microjoules).toFixed(2)} nJ a digit`)
await model.dispose()
