// Stopping early: a signal ends training, once the network is good enough or on Ctrl-C.
// Run it after `npm run build` with: node examples/early-stop.mjs
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as sw from 'spikewasm'

const goal = 0.95
const { train, test } = await sw.datasets.digits()
const filters = [sw.conv2d(1, 16, 3, { padding: 1, bias: false }), sw.batchNorm2d(16), sw.lif()]
const net = sw.sequential(...filters, sw.avgPool2d(2), sw.flatten(), sw.linear(16 * 4 * 4, 10))
const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 32, seed: 0 })

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
let steps = 0
const history = await model.fit(train, {
  epochs: 50,
  optimizer: sw.sgd({ lr: 0.1 }),
  validation: test,
  signal: stop.signal,
  onStep() {
    steps++
  },
  onEpoch({ epoch, trainLoss, testAccuracy = 0 }) {
    const accuracy = `${(100 * testAccuracy).toFixed(1)} %`
    console.log(`epoch ${epoch}: loss ${trainLoss.toFixed(3)}, test accuracy ${accuracy}`)
    if (testAccuracy >= goal) stop.abort()
  },
})
console.log(`stopped early: ${history.aborted}, after ${steps} steps`)

// The model keeps what it has learnt so far.
const path = join(tmpdir(), `digits-${process.pid}.safetensors`)
await model.save(path)
console.log(`weights saved in ${path}`)
await model.dispose()
