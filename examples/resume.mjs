// A training that is stopped and goes on, with the same bits at its end as one that is not.
// Run it after `npm run build` with: node examples/resume.mjs
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkpoint, cosine, datasets, flatten, lif, linear, sequential, sgd } from 'spikewasm'

const { train, test } = await datasets.digits()
const net = () => sequential(flatten(), linear(64, 64), lif(), linear(64, 10))
const options = { epochs: 4, optimizer: sgd({ lr: 1 }), schedule: cosine(), validation: test }
const dir = await mkdtemp(join(tmpdir(), 'spikewasm-resume-'))

/** Trains a new model, as a new process would, and returns its weights and history. */
async function run(more) {
  const model = await net().compile({ input: [1, 8, 8], batchSize: 32, seed: 0 })
  const history = await model.fit(train, { ...options, ...more })
  const weights = Buffer.concat(
    Object.values(model.stateDict()).map(({ data }) => Buffer.from(data.buffer)),
  )
  await model.dispose()
  return { weights, epochs: history.epochs.length }
}

const whole = await run({})

// A checkpoint is written after each epoch and every 20 steps. Here a signal stops the training.
const stop = new AbortController()
const onStep = ({ epoch, step }) => epoch === 1 && step === 25 && stop.abort()
const saving = () => ({ callbacks: [checkpoint({ dir, every: 20 })] })
await run({ ...saving(), signal: stop.signal, onStep })
console.log('stopped in epoch 2')

const resumed = await run({ ...saving(), resume: dir })
console.log(`resumed, ${resumed.epochs} epochs in all`)
console.log(`the same bits: ${whole.weights.equals(resumed.weights)}`)
await rm(dir, { recursive: true })
