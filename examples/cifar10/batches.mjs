// Writes the batches of a training by train.mjs, for twin.py: the same pictures in the same order.
//
//   node examples/cifar10/batches.mjs --data FOLDER --weights start.safetensors --steps 400 |
//     python3 examples/cifar10/twin.py …
//
// --weights gets the weights that the training begins with. On standard output: a line of JSON,
// then for each step the pictures (float32, [B][3][32][32]) and their labels (int32).
import { once } from 'node:events'
import * as sw from 'spikewasm'
import { BATCH, compile, readData, readOptions, TIME_STEPS } from './recipe.mjs'

const options = readOptions({
  weights: { type: 'string' },
  steps: { type: 'string', default: '400' },
})
const { train } = await readData(options)
const model = await compile({ ...options, threads: 1 })
await model.save(options.weights)
await model.dispose()

const PIXELS = 32 * 32
const sample = new Float32Array(3 * PIXELS)
const write = async (array) => {
  if (!process.stdout.write(Buffer.from(array.buffer))) await once(process.stdout, 'drain')
}
const stepsOfEpoch = Math.floor(train.length / BATCH)
const head = { ...options, batch: BATCH, timeSteps: TIME_STEPS, stepsOfEpoch }
process.stdout.write(`${JSON.stringify(head)}\n`)
const { seed } = options
let order
for (let step = 0; step < options.steps; step++) {
  const [epoch, first] = [Math.floor(step / stepsOfEpoch), (step % stepsOfEpoch) * BATCH]
  if (first === 0) order = sw.permutation(train.length, seed, epoch)
  const [images, labels] = [new Float32Array(BATCH * 3 * PIXELS), new Int32Array(BATCH)]
  for (let i = 0; i < BATCH; i++) {
    labels[i] = train.read(order[first + i], sample, { seed, epoch })
    // Data sets give [H][W][C], PyTorch takes [C][H][W].
    for (let k = 0; k < PIXELS * 3; k++)
      images[(3 * i + (k % 3)) * PIXELS + Math.floor(k / 3)] = sample[k]
  }
  await write(images)
  await write(labels)
}
