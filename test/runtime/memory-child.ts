/**
 * Runs models one after the other in a process of its own and prints the most memory that it had:
 * `node memory-child.js KIND ROUNDS THREADS [CHANNELS]`.
 */
import { readFileSync } from 'node:fs'
import {
  batchNorm2d,
  conv2d,
  flatten,
  fromArrays,
  lif,
  linear,
  type Model,
  sequential,
} from '../../src/index.js'
import { labels, uniform } from '../support/measure.js'

const [kind = 'compile', rounds = '1', threads = '1', channels = '24'] = process.argv.slice(2)
const C = Number(channels)
const batchSize = 32
const size = 24

const net = () =>
  sequential({
    conv1: conv2d(3, C, 1),
    bn1: batchNorm2d(C),
    fire1: lif(),
    conv2: conv2d(C, C, 1),
    bn2: batchNorm2d(C),
    fire2: lif(),
    flat: flatten(),
    last: linear(C * size * size, 4),
  })

const compile = (): Promise<Model> =>
  net().compile({ input: [3, size, size], batchSize, timeSteps: 8, threads: Number(threads) })
const x = uniform(batchSize * 3 * size * size, 1, 7)
const y = labels(batchSize, 4, 7)
const methods = [{ method: 'rate' }, { method: 'bptt' }, { method: 'ottt' }] as const

if (kind === 'compile')
  for (let i = 0; i < Number(rounds); i++) {
    const model = await compile()
    await model.trainStep(x, y)
    await model.dispose()
  }
else {
  const model = await compile()
  const data = fromArrays({ images: x, labels: y, shape: [3, size, size], classes: 4 })
  for (let i = 0; i < Number(rounds); i++) {
    const options = methods[i % methods.length]
    if (kind === 'fit') await model.fit(data, { epochs: 1, ...options })
    else {
      await model.prepare(options)
      await model.trainStep(x, y)
    }
  }
  await model.dispose()
}
// Of this process alone: the resource usage that Node tells may be that of who started it.
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
console.log(JSON.stringify({ peakMiB: Math.round(Number(peak) / 1024) }))
