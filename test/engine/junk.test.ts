// runs: apart
/** Whatever the public functions of a model are given: they work, or say in one line what is wrong. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { withFolder } from '../files/temporary.js'

const circle: { self?: unknown } = {}
circle.self = circle
const values = [undefined, null, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1.5, 1n, true]
const texts = ['', 'x', '__proto__', 'constructor', 'a\0b', Symbol('s')]
const lists = [[], [1, 2], [[]], new Float32Array(3), new Uint8Array(5), new BigInt64Array(4)]
const classes = [new ArrayBuffer(4), new Map(), new Date(Number.NaN), () => 1]
const plain = [{}, circle, Object.create(null), { data: 1, shape: 1 }]
const listLike = [{ length: 3 }, { length: -1 }, { length: 2, 0: 1n, 1: 1n }]
const junk: readonly unknown[] = [values, texts, lists, classes, plain, listLike].flat()

/** Errors that no user should see, by where they came from. */
async function raw(calls: Iterable<[where: string, call: () => unknown]>): Promise<string[]> {
  const found: string[] = []
  for (const [where, call] of calls)
    try {
      await call()
    } catch (error) {
      const { name, message } = error as Error
      if (name !== 'SpikewasmError' && name !== 'AbortError') found.push(`${where}: ${message}`)
      // Below a mistake in a text its line is shown, and a caret at the place.
      else if (/^$|\n/.test(message.replace(/\n.*\n *\^$/, '')))
        found.push(`${where}: no line, ${message}`)
    }
  return found
}

const compileTiny = (options: object = {}): Promise<api.Model> =>
  api
    .sequential({ c: api.conv2d(1, 2, 3), l: api.lif(), f: api.flatten(), o: api.linear(8, 3) })
    .compile({ input: [1, 4, 4], batchSize: 2, timeSteps: 2, ...options } as api.CompileOptions)

const x = new Float32Array(32).fill(0.5)
const data = api.fromArrays({ images: x, labels: [0, 1], shape: [1, 4, 4], classes: 3 })
/** What a method takes first, so that the second argument is looked at. */
const good: Readonly<Record<string, unknown>> = { trainStep: x, predict: x, fit: data }

test('every method of a model with arguments that make no sense', () =>
  withFolder(async (folder) => {
    const start = process.cwd()
    process.chdir(folder)
    try {
      const model = await compileTiny()
      const of = model as unknown as Record<string, (...args: unknown[]) => unknown>
      const methods = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(model)))
        .filter(([name, { value }]) => typeof value === 'function' && name !== 'dispose')
        .map(([name]) => name)
        .filter((name) => name !== 'constructor')
      assert.ok(methods.length > 15)
      const found = await raw(
        methods.flatMap((name) =>
          [...junk, 2 ** 53].flatMap((value, i): [string, () => unknown][] => [
            [`${name}(${i})`, () => of[name](value)],
            [`${name}(…, ${i})`, () => name in good && of[name](good[name], value)],
          ]),
        ),
      )
      assert.equal(found, [])
      assert.not.ok(readdirSync(join(folder)).includes('undefined'), 'no file by a wrong name')
      await model.dispose()
    } finally {
      process.chdir(start)
    }
  }))

test('every option with values that make no sense; the model works afterwards', async () => {
  const model = await compileTiny()
  const state = model.stateDict()
  const weight = state['c.weight']
  const optionsOf = (keys: string, call: (options: object) => unknown): [string, () => unknown][] =>
    keys
      .split(' ')
      .flatMap((key) =>
        junk.map((value, i): [string, () => unknown] => [
          `${key}: ${i}`,
          () => call({ [key]: value }),
        ]),
      )
  const found = await raw([
    ...optionsOf('update lr', (o) => model.trainStep(x, [0, 1], o)),
    ...optionsOf('data shape', (o) => model.loadStateDict({ 'c.weight': { ...weight, ...o } })),
    ...optionsOf('c.weight', (o) => model.loadStateDict({ ...state, ...o })),
    ...optionsOf('optimizer', async (o) => {
      Object.assign(model, o)
      await model.trainStep(x, [0, 1]).finally(() => Object.assign(model, { optimizer: api.sgd() }))
    }),
    ...optionsOf(
      'epochs optimizer schedule method stepMode numWorkers validationSplit onStep signal loss ' +
        'callbacks penalties freeze initialEpoch resume',
      (o) => model.fit(data, { epochs: 1, ...o }),
    ),
    ...optionsOf(
      'input timeSteps batchSize threads seed frames inspect engine method stepMode purpose ' +
        'backwardSteps gradientCheckpoint optimizer loss penalties',
      async (o) => (await compileTiny(o)).dispose(),
    ),
    ...junk.flatMap((value, i): [string, () => unknown][] => [
      [`mlp(${i})`, () => api.mlp(value as never, 2)],
      [`cnn(${i})`, () => api.cnn(value as never, 2)],
    ]),
  ])
  assert.equal(found, [])
  model.loadStateDict(state)
  assert.ok((await model.trainStep(x, [0, 1])).loss > 0)
  await model.dispose()
})

test.run()
