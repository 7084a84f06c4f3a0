/**
 * docs/coming-from.md: every cell of ours runs and does what its row says; rows with = have the
 * spikes, potentials or derivatives that other libraries gave (test/fixtures/coming-from).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import * as sw from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { uniform } from '../support/measure.js'
import { disposeModels, modelOf, own, test } from '../support/models.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('docs/coming-from.md').replaceAll('\r\n', '\n')

interface Row {
  /** Their code, and ours. */
  readonly there: readonly string[]
  readonly here: string
  readonly isSame: boolean
}

const codeIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code)

const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (there|---)/.test(line))
  .map((line): Row => {
    const [, there, here, mark] = line.split(' | ').join('|').split('|')
    return { there: codeIn(there), here: codeIn(here)[0], isSame: mark?.trim() === '=' }
  })

interface Given {
  readonly inputs: readonly (readonly number[])[]
  readonly weight: readonly (readonly number[])[]
  readonly points: readonly number[]
  readonly made: Readonly<Record<string, readonly (number | readonly number[])[]>>
}
const given = JSON.parse(read('test/fixtures/coming-from/spikes.json')) as Given
const [T, N] = [given.inputs.length, given.inputs[0].length]

/** What stands in a cell, with these names. */
const run = (code: string, names: Readonly<Record<string, unknown>>): Promise<unknown> => {
  const { constructor: Maker } = async function empty() {}
  const make = Maker as new (...of: string[]) => (...values: unknown[]) => Promise<unknown>
  return new make(...Object.keys(names), `return (${code})`)(...Object.values(names))
}

/** Potentials or spikes of one layer of neurons on the currents, step by step. */
async function outputsOf(layer: sw.Cell | sw.Equations): Promise<number[]> {
  const sizes = { input: [N], timeSteps: T, frames: true, batchSize: 1, method: 'bptt' } as const
  const model = await modelOf(sw.sequential(layer), sizes)
  if ('recurrence' in layer && layer.recurrence) {
    const shape = [N, N]
    const data = Float32Array.from(given.weight.flat())
    const bias = { shape: [N], data: new Float32Array(N) }
    model.loadStateDict({ '0.recurrent.weight': { shape, data }, '0.recurrent.bias': bias })
  }
  const { logits } = await model.predict(Float32Array.from(given.inputs.flat()), { of: 'steps' })
  return [...logits]
}

/** The derivative of a surrogate at the points: its text, as a neuron that gives a number. */
async function slopesOf({ surrogate, alpha }: sw.Cell): Promise<number[]> {
  const lines = sw.neurons.surrogates()[surrogate].split('\n')
  const text = [...lines.slice(0, -1), `output = ${lines.at(-1)?.trim()}`].join('\n')
  const { length } = given.points
  const model = await modelOf(sw.neuron(text, { alpha }), { input: [length], timeSteps: 1 })
  return [...(await model.predict(Float32Array.from(given.points))).logits]
}

/** The surrogates of other libraries, where none is asked for. */
const usual = ['neuron sigmoid 4', 'snn atan 2', 'norse fastSigmoid 100']

const same = rows.filter(({ isSame }) => isSame)
test('rows with = give what the other library gave', async () => {
  const keys = new Set<string>()
  for (const { there, here } of same) {
    const layer = (await run(here, { sw })) as sw.Cell
    for (const key of there) {
      const theirs = given.made[key]
      assert.ok(theirs, `${key} was not run`)
      keys.add(key)
      const isSlope = key.startsWith('surrogate.')
      if (!isSlope && !here.includes('leaky'))
        assert.ok(usual.includes(`${key.split('.')[0]} ${layer.surrogate} ${layer.alpha}`), key)
      const ours = await (isSlope ? slopesOf(layer) : outputsOf(layer))
      const wanted = theirs.flat()
      assert.is(ours.length, wanted.length)
      const differ = ours.filter((value, i) => {
        const near = Math.abs(value - wanted[i]) <= 2e-6 * Math.max(1, Math.abs(wanted[i]))
        return !near
      })
      assert.is(differ.length, 0, `${key}: ${differ.length} of ${wanted.length} differ`)
    }
    await disposeModels()
  }
  assert.equal([...keys].sort(), Object.keys(given.made).sort())
})

test('without its words snnTorch gives other spikes', async () => {
  const wanted = given.made['snn.Leaky(beta=0.8)'].flat()
  const found = await outputsOf(sw.lif({ tau: 5, fires: 'above' }))
  assert.ok(found.some((spike, i) => spike !== wanted[i]))
})

/** Currents of one neuron, and what its equation in float64 makes of them. */
const brian = (next: (v: number, x: number) => number): number[] => {
  const v = new Float64Array(N)
  return given.inputs.flat().map((x, i) => {
    v[i % N] = next(v[i % N], 9 * x)
    const spike = v[i % N] > 1
    if (spike) v[i % N] = 0
    return Number(spike)
  })
}

/** A neuron behind currents nine times as large. */
const strong = async (layer: sw.Equations): Promise<number[]> => {
  const sizes = { input: [N], timeSteps: T, frames: true, batchSize: 1 } as const
  const model = await modelOf(sw.sequential(layer), sizes)
  const x = Float32Array.from(given.inputs.flat(), (value) => 9 * value)
  return [...(await model.predict(x, { of: 'steps' })).logits]
}

const inputs = uniform(40 * 4, 1, 3)
const labels = Array.from({ length: 40 }, (_, i) => i % 3)
const data = sw.fromArrays({ inputs, shape: [4], labels, classes: 3 })

/** What the other cells may name. */
async function scope() {
  const net = sw.sequential(sw.linear(4, 6), sw.lif({ vThreshold: 0.1 }), sw.linear(6, 3))
  const options = { input: [4], batchSize: 8, timeSteps: 3 } as const
  const picture = sw.sequential(sw.flatten(), sw.linear(784, 3))
  const recorded = await modelOf(net, { ...options, record: 'all' })
  await recorded.predict(inputs)
  const stream = await modelOf(net, { ...options, batchSize: 1, purpose: 'stream' })
  await stream.step(inputs.subarray(0, 4))
  const model = await modelOf(net, options)
  const [x, y] = [inputs.subarray(0, 32), labels.slice(0, 8)]
  const still = sw.fromArrays({ inputs: inputs.map(Math.abs), shape: [4], labels, classes: 3 })
  return { sw, net, picture, recorded, stream, model, data, x, y, still, inputs, labels, T: 7 }
}
type Scope = Awaited<ReturnType<typeof scope>>
type Check = (result: never, given: Scope) => unknown

const compiled =
  (is: (model: sw.Model) => boolean): Check =>
  async (model: sw.Model) =>
    assert.ok(is(await own(Promise.resolve(model))))
const trained =
  (epochs: number): Check =>
  (history: sw.History) =>
    assert.is(history.epochs.length, epochs)

const brianText = "sw.neuron('dv/dt = (x - v)/tau; spike = v > 1; v = where(detach(spike), 0, v)'"
/** Cells of ours beside those with =, by how they begin, and what they must do. */
const checks: Readonly<Record<string, Check>> = {
  "sw.lif({ tau: 5, fires: 'above', reset: 'delayed', learn": async (layer: sw.Cell) => {
    const { data } = (await modelOf(sw.sequential(layer), { input: [2] })).stateDict()['0.w']
    assert.ok(Math.abs(1 / (1 + Math.exp(-data[0])) - 1 / 5) < 1e-6)
  },
  [`${brianText}, { tau: 10 })`]: async (layer: sw.Equations) => {
    const wanted = brian((v, x) => v + (x - v) / 10)
    assert.ok(wanted.includes(1) && wanted.includes(0))
    assert.equal(await strong(layer), wanted)
  },
  [`${brianText}, { tau: 10 }, {`]: async (layer: sw.Equations) => {
    const kept = Math.exp(-1 / 10)
    const wanted = brian((v, x) => v * kept + x * (1 - kept))
    assert.equal(await strong(layer), wanted)
  },
  'sw.sequential(sw.conv2d(': async (net: sw.Block) => {
    const model = await modelOf(sw.sequential(net, sw.reshape([256])), { input: [1, 4, 4] })
    assert.is(model.parameterCount, 16 * 10)
  },
  'sw.block(': async (net: sw.Block) =>
    assert.is((await modelOf(net, { input: [4] })).parameterCount, 20),
  'sw.conv2d(3': async (layer: sw.Module) => {
    const model = await modelOf(sw.sequential(layer, sw.reshape([400])), { input: [3, 5, 5] })
    assert.is(model.classes, 16 * 25)
  },
  'picture.compile': compiled(({ input }) => input.join() === '1,28,28'),
  "net.compile({ input: [4], optimizer: 'adam'": compiled((m) => m.optimizer.kind === 'adam'),
  'net.compile({ input: [4], timeSteps: T': compiled(({ timeSteps }) => timeSteps === 7),
  "net.compile({ input: [4], purpose: 'stream'": async (model: sw.Model) => {
    const { steps } = await (await own(Promise.resolve(model))).step(new Float32Array(4))
    assert.is(steps, 1)
  },
  "net.compile({ input: [4], stepMode: 'm'": compiled(({ stepMode }) => stepMode === 'm'),
  'sw.fromArrays(': (set: sw.Dataset) => assert.is(set.length, 40),
  "net.compile({ input: [4], method: 'bptt'": compiled(({ method }) => method === 'bptt'),
  "net.compile({ input: [4], method: 'ottt'": compiled(({ method }) => method === 'ottt'),
  "net.compile({ input: [4], method: 'sltt'": compiled(({ method }) => method === 'sltt'),
  'await model.trainStep': ({ loss }: sw.StepResult) => assert.ok(loss > 0),
  'stream.reset()': async (_: undefined, { stream }) =>
    assert.is((await stream.step(new Float32Array(4))).steps, 1),
  'sw.adam(': ({ lr }: sw.Adam) => assert.is(lr, 1e-3),
  'await model.fit(data, { schedule': trained(1),
  'await model.fit(data, { clipNorm': trained(1),
  'await model.fit(data, { epochs: 5': (history: sw.History) => {
    assert.is(history.epochs.length, 5)
    assert.ok(history.epochs.every(({ testLoss }) => testLoss !== undefined))
  },
  'sw.earlyStopping(': async (callback: sw.Callback, { model }) => {
    const optimizer = sw.sgd({ lr: 1e-12 })
    const options = { epochs: 30, validationSplit: 0.2, callbacks: [callback], optimizer }
    assert.ok((await model.fit(data, options)).epochs.length < 30)
  },
  'sw.crossEntropy()': async (loss: sw.Loss, { model, x, y }) => {
    const { logits } = await model.predict(x)
    const losses = y.map((label, n) => {
      const row = [...logits.subarray(3 * n, 3 * n + 3)]
      return Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[label]
    })
    const mean = losses.reduce((a, b) => a + b) / losses.length
    assert.is(loss.kind, 'crossEntropy')
    const { loss: found } = await model.trainStep(x, y, { update: false })
    assert.ok(Math.abs(found - mean) < 1e-5)
  },
  'sw.encoders.rate': (encoded: sw.Dataset) => {
    const out = new Float32Array(32)
    encoded.read(0, out)
    assert.is(encoded.timeSteps, 8)
    assert.ok(out.every((spike) => spike === 0 || spike === 1))
  },
  "await model.load('": (_: undefined) => undefined,
  "recorded.spikes('1')": ({ data }: { readonly data: ArrayLike<number> }) =>
    assert.ok(Array.from(data).includes(1)),
  "recorded.states('1')": (states: object) => assert.ok('u' in states),
  'model.summary()': (text: string) => assert.match(text, /linear/),
  'await model.predict': ({ labels }: sw.Prediction) => assert.is(labels.length, 8),
  'await model.evaluate': ({ count }: sw.Evaluation) => assert.is(count, 40),
  "await model.saveNir('": (_: undefined) => undefined,
  'await sw.exportWasm': async (bytes: Uint8Array) =>
    assert.is((await sw.openNet(bytes)).info.classes, 3),
}

test('each other row has a check, and each check its row', () => {
  const others = rows.filter(({ isSame }) => !isSame)
  for (const { here } of others)
    assert.is(Object.keys(checks).filter((begin) => here.startsWith(begin)).length, 1, here)
  assert.is(others.length, Object.keys(checks).length)
  assert.ok(rows.length >= 33, `${rows.length} rows`)
})

for (const { here, isSame } of rows)
  if (!isSame)
    test(`runs: ${here}`, () =>
      withFolder(async (folder) => {
        const names = await scope()
        // Files lie in the folder of the test.
        const code = here.replace(/'(net\.\w+)'/, (_, name) => JSON.stringify(join(folder, name)))
        await names.model.save(join(folder, 'net.safetensors'))
        const [, check] = Object.entries(checks).find(([begin]) => here.startsWith(begin)) ?? []
        await check?.((await run(code, names)) as never, names)
        if (code.includes('saveNir')) assert.ok(readFileSync(join(folder, 'net.nir')).length > 0)
      }))

test.run()
