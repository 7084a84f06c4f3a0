// N-MNIST: recordings of an event camera as 10 frames each, and a small network that learns them.
// Run it after `npm run build` with: node examples/nmnist.mjs <folder with Train/ and Test/>
// Without a folder it draws moving bars itself, and takes seconds.
import { cosine, datasets, eventCnn, events, fromArrays, sgd } from 'spikewasm'

const folder = process.argv[2]

/** A bar that sweeps to the right or down, as events; each is 20 ms long. */
function sweep(label, n) {
  const [x, y, t, p] = [[], [], [], []]
  for (let step = 0; step < 20; step++)
    for (let along = 4; along < 12; along++) {
      const place = (step + n) % 16
      x.push(label === 0 ? place : along)
      y.push(label === 0 ? along : place)
      t.push(1000 * step + along)
      p.push((along + n) % 2)
    }
  return events.from({ x, y, t, p, sensor: [16, 16] })
}
/** Frames [N][10][2][16][16] of sweeps to the right and down in turn. */
function sweeps(count) {
  const frames = Array.from({ length: count }, (_, n) => sweep(n % 2, n * 7))
  const inputs = frames.map((each) => [...events.toFrames(each, { framesNumber: 10 }).data])
  const own = { shape: [2, 16, 16], timeSteps: 10, labels: frames.map((_, n) => n % 2), classes: 2 }
  return fromArrays({ name: 'sweeps', inputs: Float32Array.from(inputs.flat()), ...own })
}
const options = { timeSteps: 10, splitBy: 'number', augment: { shift: 2 } }
const own = () => ({ train: sweeps(400), test: sweeps(40) })
const { train, test } = folder ? await datasets.nmnist(folder, options) : own()
const { shape, classes, timeSteps } = train
const epochs = folder ? 40 : 4
const optimizer = sgd({ lr: 0.2, weightDecay: 5e-4 })
const setting = { input: shape, timeSteps, frames: true, batchSize: 20, seed: 1 }
const model = await eventCnn(shape, classes).compile(setting)
await model.fit(train, { epochs, optimizer, schedule: cosine() })
const { accuracy } = await model.evaluate(test)
console.log(`${test.name}: ${(100 * accuracy).toFixed(1)} % of ${test.length} are right`)
await model.dispose()
