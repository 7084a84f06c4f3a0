/**
 * Runs models one after the other in a process of its own: `node memory-child.js NETWORK THREADS
 * KIND:ROUNDS …`. Kinds: compile (each round a model), replan (each round a step of the next
 * method), fit (the same with `fit`). Prints the most memory that it had behind the first model,
 * and behind all.
 */
import '../../src/model/node.js'
import { readFileSync } from 'node:fs'
import * as api from '../../src/index.js'
import { labels, uniform } from '../support/measure.js'

const [network = 'cnn', threads = '1', ...kinds] = process.argv.slice(2)

interface Case {
  readonly make: () => { compile(options: api.CompileOptions): Promise<api.Model> }
  readonly shape: readonly [number, number, number]
  readonly batchSize: number
}
const networks: Record<string, Case> = {
  cnn: { make: () => api.cnn([1, 28, 28], 10), shape: [1, 28, 28], batchSize: 64 },
  // Nearly all of its memory is weights, and these begin quickly.
  wide: {
    make: () => api.sequential(api.linear(2048, 3072), api.lif(), api.linear(3072, 10)),
    shape: [2048, 1, 1],
    batchSize: 4,
  },
  vgg11: { make: () => api.vgg11(), shape: [3, 32, 32], batchSize: 8 },
  resnet18: { make: () => api.resnet18(), shape: [3, 32, 32], batchSize: 4 },
}
const { make, shape, batchSize } = networks[network]
const size = shape[0] * shape[1] * shape[2]

const compile = (): Promise<api.Model> =>
  make().compile({ input: shape, batchSize, threads: Number(threads) })
const x = uniform(batchSize * size, 1, 7)
const y = labels(batchSize, 10, 7)
const methods = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
  { method: 'sltt' },
] as const

/** The peak of this process alone: the usage that Node tells may be that of who started it. */
const peakMiB = (): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024)

let onceMiB: number | undefined
// As a user writes it: the model of a round can be reached until that of the next one is there.
async function compileOften(rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    const model = await compile()
    await model.trainStep(x, y)
    await model.dispose()
    onceMiB ??= peakMiB()
  }
}

async function changeMethods(rounds: number, fits: boolean): Promise<void> {
  const model = await compile()
  const data = api.fromArrays({ images: x, labels: y, shape, classes: 10 })
  for (let i = 0; i < rounds; i++) {
    const options = methods[i % methods.length]
    if (fits) await model.fit(data, { epochs: 1, ...options })
    else {
      await model.prepare(options)
      await model.trainStep(x, y)
    }
    onceMiB ??= peakMiB()
  }
  await model.dispose()
}

for (const [kind, rounds] of kinds.map((of) => of.split(':')))
  if (kind === 'compile') await compileOften(Number(rounds))
  else await changeMethods(Number(rounds), kind === 'fit')
console.log(JSON.stringify({ onceMiB, peakMiB: peakMiB() }))
