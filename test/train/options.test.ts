/**
 * Every option of compile, fit, evaluate, monitor and predict with many values: which are taken,
 * and the messages for the others, against options.txt. Nothing is trained: a signal ends it.
 */
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { own, test } from '../support/models.js'
import {
  compareLines,
  type Line,
  lineOf,
  outcomeOfPromise,
  shortOf,
  textOf,
  values,
} from '../support/outcomes.js'

const { lif, linear, sequential } = api
const net = () => sequential({ in: linear(3, 5), spikes: lif(), out: linear(5, 2) })

/** Data of one's own: no thread can read them. */
const data: api.Dataset = {
  name: 'points',
  length: 10,
  shape: [3],
  classes: 2,
  read: (i, out) => {
    for (let n = 0; n < out.length; n++) out[n] = i / (n + 1)
    return i & 1
  },
}
const numbers = { size: 2, read: (_: number, out: Float32Array) => void out.fill(0.5) }
const several = { ...data, name: 'frames', timeSteps: 3 }
const many = { ...data, name: 'many', classes: 3 }
const { AbortSignal } = globalThis

const named: readonly unknown[] = [
  'rate',
  'bptt',
  'ottt',
  'sltt',
  'os',
  'm',
  's',
  'train',
  'inference',
  'stream',
  'release',
  'debug',
  'spikes',
  'rates',
  'in',
  'in.weight',
  'out.*',
  '*',
  ['in', 'spikes'],
  ['spikes'],
  AbortSignal.abort(),
  { aborted: true },
  data,
  several,
  many,
  { ...data, length: 0 },
  { ...data, targets: numbers },
  { ...data, classes: 0, targets: numbers },
  { ...data, name: 1 },
  { ...data, targets: { size: 3, read: numbers.read } },
  { ...data, shape: [4] },
  64,
  65,
  20,
  52,
  api.sgd(),
  api.adam(),
  { kind: 'sgd' },
  { ...api.sgd(), lr: -1 },
  api.mse(),
  api.tet(),
  api.mse({ targets: 'values' }),
  { kind: 'tet', lambda: 2, mean: 1 },
  [api.ratePenalty({ weight: 1 })],
  [{ kind: 'ratePenalty', weight: -1 }],
  api.cosine(),
  api.cosine,
  'cosine',
  api.plateau(),
  api.plateau({ monitor: 'trainLoss' }),
  () => -1,
  () => Number.NaN,
  () => 1e39,
  () => api.cosine,
  [{ name: 'a' }],
  [{ name: '' }],
  [{ name: 'a' }, { name: 'a' }],
  [{ name: 'a', onStart() {} }],
  [{ name: 'a', onStep: 1 }],
  [{ name: 'a', last: 1 }],
  [[]],
  [api.earlyStopping()],
  [api.earlyStopping({ monitor: 'trainLoss' })],
  [{ name: 'a', state: null }],
  [null],
  new Uint8Array(3),
  new URL('file:///x'),
  0.999999,
  [3],
  [1, 3],
  [3, 1],
  [3, 1, 1],
]
const all = [...values, ...named]
/** Threads, epochs and samples beyond these would be made. */
const few = all.filter((value) => !(Number(value) > 6 && Number(value) <= 2 ** 20))

const lines: Line[] = []

/** The options that a call knows, by what it says of another. */
async function known(call: (options: object) => unknown): Promise<readonly string[]> {
  const message = await outcomeOfPromise(() => call({ '?': 1 }))
  assert.match(message, 'is not an option; known are ')
  return message.split('known are ')[1].split(', ')
}

async function table(
  name: string,
  base: object,
  call: (options: object) => unknown,
  given: readonly unknown[] = all,
  show: (of: unknown) => string = shortOf,
  only?: readonly string[],
): Promise<void> {
  for (const option of only ?? (await known(call))) {
    const outcomes: [unknown, string][] = []
    for (const value of given) {
      const options = { ...base, [option]: value }
      outcomes.push([value, await outcomeOfPromise(() => call(options), show)])
    }
    lines.push(lineOf(`${name}.${option}`, outcomes))
  }
}

test('compile', async () => {
  const base = { input: [3], timeSteps: 3, batchSize: 4, method: 'bptt' }
  const made = async (options: object): Promise<unknown> => {
    const model = await api.compile(net(), options as api.CompileOptions)
    const { batchSize, classes, frames, input, method, optimizer, parameterCount, seed } = model
    const { stepMode, threads, timeSteps } = model
    const shown = { batchSize, classes, frames, input, method, optimizer, parameterCount, seed }
    await model.dispose()
    return { ...shown, stepMode, threads, timeSteps }
  }
  await table('compile', base, made, few, textOf)
})

test('fit', async () => {
  const start = await own(net().compile({ input: [3], timeSteps: 3, batchSize: 4 }))
  const base = { signal: AbortSignal.abort(), fresh: true, optimizer: api.sgd() }
  const fit = (of: api.Dataset) => (options: object) =>
    start.fit(of, { method: 'rate', ...options } as api.FitOptions)
  await table('fit', base, fit(data))
  await table(
    'fit of values',
    { ...base, loss: api.mse({ targets: 'values' }) },
    fit({ ...data, targets: numbers }),
    named,
    shortOf,
    ['loss', 'validation', 'schedule', 'callbacks'],
  )
  const found: [unknown, string][] = []
  for (const value of all) {
    const of = fit(value as api.Dataset)
    found.push([
      value,
      await outcomeOfPromise(() => of({ ...base, loss: api.crossEntropy() }), shortOf),
    ])
  }
  lines.push(lineOf('fit of data', found))
})

test('evaluate, monitor and predict', async () => {
  const model = await own(net().compile({ input: [3], timeSteps: 3, batchSize: 4, record: true }))
  await table('evaluate', {}, (options) => model.evaluate(data, options))
  await table('monitor', {}, (options) => model.monitor(data, options))
  const x = Float32Array.of(1, 2, 3, 3, 2, 1)
  await table('predict', {}, (options) => model.predict(x, options))
})

test('options.txt', () => compareLines('train/options.txt', lines))

test.run()
