/**
 * Runs models one after the other in a process of its own and prints the most memory that it had:
 * `node memory-child.js KIND ROUNDS THREADS`.
 */
import { readFileSync } from 'node:fs'
import { cnn, fromArrays, type Model } from '../../src/index.js'
import { labels, uniform } from '../support/measure.js'

const [kind = 'compile', rounds = '1', threads = '1'] = process.argv.slice(2)
const batchSize = 64
const shape = [1, 28, 28] as const

const compile = (): Promise<Model> =>
  cnn(shape, 10).compile({ input: shape, batchSize, threads: Number(threads) })
const x = uniform(batchSize * 784, 1, 7)
const y = labels(batchSize, 10, 7)
const methods = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
  { method: 'sltt' },
] as const

if (kind === 'compile')
  for (let i = 0; i < Number(rounds); i++) {
    const model = await compile()
    await model.trainStep(x, y)
    await model.dispose()
  }
else {
  const model = await compile()
  const data = fromArrays({ images: x, labels: y, shape, classes: 10 })
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
