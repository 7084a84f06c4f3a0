// Trains a compact spiking network on CIFAR-10; docs/cifar10.md has the result.
//
//   node examples/cifar10/train.mjs --data FOLDER --out runs/cifar10 [--epochs 17] [--seed 0]
//     [--threads 2] [--lr 0.1] [--width 48] [--limit-train n] [--limit-test n]
//
// The same command goes on with a run that was stopped, and ends with the same bits. The folder
// gets weights, a checkpoint, curve.csv (a line an epoch), steps.csv (a line a step), result.json.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import * as sw from 'spikewasm'
import { compile, loss, optimizer, readData, readOptions, schedule } from './recipe.mjs'

const options = readOptions({
  out: { type: 'string', default: 'runs/cifar10' },
  threads: { type: 'string', default: String(availableParallelism()) },
  'limit-test': { type: 'string' },
})
const { out: dir, epochs, seed } = options
const { train, test } = await readData(options)
const limit = options['limit-test']
const model = await compile(options)
console.log(`${model.parameterCount} parameters, ${train.length} training pictures, seed ${seed}`)

mkdirSync(dir, { recursive: true })
const steps = join(dir, 'steps.csv')
if (!existsSync(steps)) writeFileSync(steps, 'step,loss,learningRate,milliseconds\n')
const history = await model.fit(train, {
  epochs,
  optimizer: optimizer(options),
  schedule,
  loss,
  validation: limit ? sw.subset(test, limit) : test,
  callbacks: [sw.checkpoint({ dir, every: '2m' }), sw.csvLogger(join(dir, 'curve.csv'))],
  resume: dir,
  onStep({ epoch, step, steps: all, loss, learningRate, milliseconds }) {
    const row = [epoch * all + step, loss, learningRate, milliseconds]
    appendFileSync(steps, `${row.join()}\n`)
  },
  onEpoch({ epoch, trainLoss, testAccuracy }) {
    const [a, b] = [trainLoss.toFixed(4), (100 * testAccuracy).toFixed(2)]
    console.log(`epoch ${epoch}/${epochs}  loss ${a}  test ${b} %`)
  },
})

// A step that was done again after a kill stands there twice: the last one counts.
const rows = readFileSync(steps, 'utf8').trimEnd().split('\n').slice(1)
const times = new Map(rows.map((row) => row.split(',').map(Number)).map(([s, , , ms]) => [s, ms]))
const minutes = [...times.values()].reduce((a, b) => a + b, 0) / 60_000
const { testAccuracy } = history.epochs?.at(-1) ?? {}
const result = { ...options, trainingMinutes: minutes, testAccuracy, history }
writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
console.log(`trained for ${minutes.toFixed(1)} minutes`)
await model.dispose()
