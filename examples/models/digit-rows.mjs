// Trains the network of pretrained('digit-rows'); docs/models.md has its card.
//
//   node examples/models/digit-rows.mjs --out FOLDER [--seed 0]
//   node examples/models/digit-rows.mjs --judge FILE
//
// It sees a handwritten digit from top to bottom, a row of eight pixels at each time step. What the
// rows before were, its recurrent neurons must remember.
import * as sw from 'spikewasm'
import { run } from './run.mjs'

/** The same pictures as series of rows: the numbers lie alike. */
const rowsOf = ({ name, length, read }) => ({
  ...{ name: `${name}, by rows`, length, shape: [8], timeSteps: 8 },
  ...{ classes: 10, classNames: [...'0123456789'] },
  read,
})

const data = await sw.datasets.digits()

async function train(seed) {
  const network = sw.sequential(
    sw.linear(8, 96),
    sw.recurrent(sw.lif({ tau: 4 })),
    sw.linear(96, 10),
    sw.leakyIntegrator({ tau: 4 }),
  )
  const sizes = { input: [8], timeSteps: 8, frames: true, batchSize: 32 }
  const how = { method: 'bptt', optimizer: sw.adam({ lr: 5e-3 }), seed }
  const model = await network.compile({ ...sizes, ...how })
  await model.fit(rowsOf(data.train), { epochs: 40, schedule: sw.cosine() })
  return model
}

await run({
  train,
  judge: (model) => model.evaluate(rowsOf(data.test)),
  say: ({ accuracy, count }) =>
    `${(100 * accuracy).toFixed(2)} % of ${count} test digits are right`,
})
