// Trains a compact spiking network on CIFAR-10; docs/cifar10.md has the result.
//
//   node examples/cifar10/train.mjs --data FOLDER --out runs/cifar10 [--epochs 19] [--seed 0]
//     [--threads 2] [--lr 0.1] [--width 64] [--limit-train n] [--limit-test n]
//
// The same command goes on with a run that was stopped, and ends with the same bits. The folder
// gets weights, a checkpoint, curve.csv (a line an epoch), steps.csv (a line a step), result.json.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import * as sw from 'spikewasm'
import { setFirstFilters } from './filters.mjs'
import {
  BATCH,
  compile,
  loss,
  optimizer,
  parts,
  readData,
  readOptions,
  windows,
} from './recipe.mjs'

const options = readOptions({
  out: { type: 'string', default: 'runs/cifar10' },
  threads: { type: 'string', default: String(availableParallelism()) },
  'limit-test': { type: 'string' },
})
const { out: dir, epochs, seed } = options
const { train, test } = await readData(options)
const limit = options['limit-test']
const validation = limit ? sw.subset(test, limit) : test

mkdirSync(dir, { recursive: true })
const [steps, curve] = [join(dir, 'steps.csv'), join(dir, 'curve.csv')]
if (!existsSync(steps)) writeFileSync(steps, 'step,loss,learningRate,milliseconds\n')
if (!existsSync(curve)) writeFileSync(curve, 'epoch,trainLoss,trainAccuracy,testAccuracy\n')
const histories = []
let state
let [epochsBefore, stepsBefore] = [0, 0]
const all = parts(options)
for (const [i, part] of all.entries()) {
  // Another seed: other orders and windows than in the epochs before.
  const model = await compile({ ...options, seed: seed + i }, part)
  if (state) model.loadStateDict(state)
  else {
    setFirstFilters(model, train)
    const [weights, pictures] = [model.parameterCount, train.length]
    console.log(`${weights} parameters, ${pictures} training pictures, seed ${seed}`)
  }
  const folder = join(dir, part.name)
  const data = windows(sw.augment(train, part.change), part.size)
  const history = await model.fit(data, {
    epochs: part.epochs,
    optimizer: optimizer(options),
    schedule: part.schedule,
    loss,
    validation: windows(validation, part.size),
    callbacks: [sw.checkpoint({ dir: folder, every: '2m' })],
    resume: folder,
    onStep({ epoch, step, steps: all, loss, learningRate, milliseconds }) {
      const row = [stepsBefore + epoch * all + step, loss, learningRate, milliseconds]
      appendFileSync(steps, `${row.join()}\n`)
    },
    onEpoch({ epoch, trainLoss, trainAccuracy, testAccuracy }) {
      const number = epochsBefore + epoch
      appendFileSync(curve, `${[number, trainLoss, trainAccuracy, testAccuracy].join()}\n`)
      const [a, b] = [trainLoss.toFixed(4), (100 * testAccuracy).toFixed(2)]
      console.log(`epoch ${number}/${epochs}, ${part.name}  loss ${a}  test ${b} %`)
    },
  })
  histories.push(history)
  epochsBefore += part.epochs
  stepsBefore += part.epochs * Math.floor(train.length / BATCH)
  state = model.stateDict()
  if (i === all.length - 1) await model.save(join(dir, 'weights.safetensors'))
  await model.dispose()
}

// A step that was done again after a kill stands there twice: the last one counts.
const rows = readFileSync(steps, 'utf8').trimEnd().split('\n').slice(1)
const times = new Map(rows.map((row) => row.split(',').map(Number)).map(([s, , , ms]) => [s, ms]))
const minutes = [...times.values()].reduce((a, b) => a + b, 0) / 60_000
const { testAccuracy } = histories.at(-1).epochs?.at(-1) ?? {}
const result = { ...options, trainingMinutes: minutes, testAccuracy, histories }
writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
console.log(`trained for ${minutes.toFixed(1)} minutes`)
