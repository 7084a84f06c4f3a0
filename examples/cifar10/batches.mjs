// Writes the batches of a training by train.mjs, for twin.py: the same pictures in the same order.
//
//   node examples/cifar10/batches.mjs --data FOLDER --weights start.safetensors --steps 400 |
//     python3 examples/cifar10/twin.py …
//
// --weights gets the weights that the training begins with. On standard output: a line of JSON,
// then for each step of the first part the windows (float32, [B][3][24][24]) and their labels
// (int32).
import { once } from 'node:events'
import * as sw from 'spikewasm'
import { setFirstFilters } from './filters.mjs'
import { changedFor, readData } from './pictures.mjs'
import { compile, readOptions } from './recipe.mjs'

const options = readOptions({
  weights: { type: 'string' },
  steps: { type: 'string', default: '400' },
})
const { recipe, seed } = options
const { batchSize: BATCH, schedule } = recipe
const { train } = await readData(options)
const [part] = recipe.parts
const { size, timeSteps, epochs } = part
const stepsOfEpoch = Math.floor(train.length / BATCH)
if (options.steps > Math.min(epochs, schedule.fall) * stepsOfEpoch)
  throw new Error('--steps must be those of the first part at most, before the rate falls')
const model = await compile({ ...options, threads: 1 }, part)
setFirstFilters(model, train, recipe)
await model.save(options.weights)
const { weightType } = model
const whole = weightType === 'f32' ? [] : Object.keys(await model.quantised())
await model.dispose()

const data = changedFor(train, part)
const values = 3 * size * size
const sample = new Float32Array(values)
const write = async (array) => {
  if (!process.stdout.write(Buffer.from(array.buffer))) await once(process.stdout, 'drain')
}
const head = { ...options, batch: BATCH, timeSteps, stepsOfEpoch, size, weightType, whole }
process.stdout.write(`${JSON.stringify(head)}\n`)
let order
for (let step = 0; step < options.steps; step++) {
  const [epoch, first] = [Math.floor(step / stepsOfEpoch), (step % stepsOfEpoch) * BATCH]
  if (first === 0) order = sw.permutation(data.length, seed, epoch)
  const [images, labels] = [new Float32Array(BATCH * values), new Int32Array(BATCH)]
  for (let i = 0; i < BATCH; i++) {
    labels[i] = data.read(order[first + i], sample, { seed, epoch })
    images.set(sample, i * values)
  }
  await write(images)
  await write(labels)
}
