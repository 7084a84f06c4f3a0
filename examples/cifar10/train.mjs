// Trains a compact spiking network on CIFAR-10; docs/cifar10.md has the result.
//
//   node examples/cifar10/train.mjs --data FOLDER --out runs/cifar10 [--seed 0] [--threads 2]
//     [--recipe FILE.json] [--hold-out n] [--limit-train n] [--limit-test n]
//
// The same command goes on with a run that was stopped, and ends with the same bits. The folder
// gets weights, a checkpoint, curve.csv (a line an epoch), steps.csv (a line a step), result.json.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import * as sw from 'spikewasm'
import { setFirstFilters } from './filters.mjs'
import { judge } from './judge.mjs'
import { changedFor, readData, windows } from './pictures.mjs'
import { compile, readOptions, scheduleOf } from './recipe.mjs'

const options = readOptions({
  out: { type: 'string', default: 'runs/cifar10' },
  threads: { type: 'string', default: String(availableParallelism()) },
})
const { out: dir, seed, recipe } = options
const { train, test } = await readData(options)
const { parts } = recipe
const epochs = parts.reduce((sum, part) => sum + part.epochs, 0)
const stepsOfEpoch = Math.floor(train.length / recipe.batchSize)

mkdirSync(dir, { recursive: true })
const [steps, curve] = [join(dir, 'steps.csv'), join(dir, 'curve.csv')]
if (!existsSync(steps)) writeFileSync(steps, 'step,loss,learningRate,milliseconds\n')
if (!existsSync(curve)) writeFileSync(curve, 'epoch,trainLoss,trainAccuracy,testAccuracy\n')
const histories = []
let [before, state, figures] = [0]
for (const [i, part] of parts.entries()) {
  // Another seed: other orders and windows than in the epochs before.
  const model = await compile({ ...options, seed: seed + i }, part)
  if (state) model.loadStateDict(state)
  else {
    setFirstFilters(model, train, recipe)
    const [weights, pictures] = [model.parameterCount, train.length]
    console.log(`${weights} parameters, ${pictures} training pictures, seed ${seed}`)
  }
  const folder = join(dir, part.name)
  const data = changedFor(train, part)
  const history = await model.fit(data, {
    epochs: part.epochs,
    optimizer: sw.sgd({ ...recipe.optimizer, ...part.optimizer }),
    schedule: scheduleOf(recipe.schedule, before, epochs),
    loss: sw.crossEntropy(recipe.loss),
    validation: windows(test, part.size),
    callbacks: [sw.checkpoint({ dir: folder, every: '2m' })],
    resume: folder,
    onStep({ epoch, step, loss, learningRate, milliseconds }) {
      const number = (before + epoch) * stepsOfEpoch + step
      appendFileSync(steps, `${[number, loss, learningRate, milliseconds].join()}\n`)
    },
    onEpoch({ epoch, trainLoss, trainAccuracy, testAccuracy }) {
      const number = before + epoch
      appendFileSync(curve, `${[number, trainLoss, trainAccuracy, testAccuracy].join()}\n`)
      const [a, b] = [trainLoss.toFixed(4), (100 * testAccuracy).toFixed(2)]
      console.log(`epoch ${number}/${epochs}, ${part.name}  loss ${a}  test ${b} %`)
    },
    ...part.fit,
  })
  histories.push(history)
  before += part.epochs
  state = model.stateDict()
  if (i === parts.length - 1) {
    if (part.fit?.ema) model.loadStateDict(model.averages())
    await model.save(join(dir, 'weights.safetensors'))
    figures = await judge(model, windows(test, part.size))
  }
  await model.dispose()
}

/** Steps of each part, and their median in ms. A step done again after a kill counts once. */
function timesOf() {
  const rows = readFileSync(steps, 'utf8').trimEnd().split('\n').slice(1)
  const times = new Map(rows.map((row) => row.split(',').map(Number)).map(([s, , , ms]) => [s, ms]))
  let first = 0
  return parts.map(({ name, epochs }) => {
    const count = epochs * stepsOfEpoch
    const own = Array.from({ length: count }, (_, i) => times.get(first + i) ?? 0)
    first += count
    const median = own.toSorted((a, b) => a - b)[count >> 1]
    return { name, steps: count, median, minutes: own.reduce((a, b) => a + b, 0) / 60_000 }
  })
}

const times = timesOf()
const sum = (of) => times.reduce((all, part) => all + of(part), 0)
const minutes = { whole: sum((part) => part.minutes) }
minutes.byMedians = sum(({ steps, median }) => (steps * median) / 60_000)
const result = { ...options, parts: times, minutes, ...figures, histories }
writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
const percent = (share) => `${(100 * share).toFixed(2)} %`
const { accuracy, mirroredAccuracy, microjoules, fileBytes } = figures
console.log(`${percent(accuracy)} right; ${percent(mirroredAccuracy)} with mirror images`)
console.log(`${microjoules.toFixed(1)} µJ a picture; a file of ${(fileBytes / 1e6).toFixed(2)} MB`)
console.log(
  `trained for ${minutes.whole.toFixed(1)} minutes; steps × medians ${minutes.byMedians.toFixed(1)}`,
)
