/** Delays that are learnt, against their definition in float64 and its finite differences. */

import * as assert from 'uvu/assert'
import {
  adam,
  type Callback,
  type Dcls1d,
  type Delay,
  dcls1d,
  delay,
  exportWasm,
  flatten,
  fromArrays,
  type Linear,
  lif,
  linear,
  openNet,
  type StateDict,
  sequential,
} from '../../src/index.js'
import type { LearntDelays } from '../../src/network/delays.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { modelOf, test } from '../support/models.js'

type Numbers = Record<string, Float64Array>
/** [B][T][F] */
type Signal = readonly (readonly Float64Array[])[]

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** Shares of the steps 0 … maxDelay before, by which a delay reads them: their sum is 1. */
function shares({ maxDelay, interpolation }: LearntDelays, by: number, sigma: number): number[] {
  const taps = range(maxDelay + 1)
  const held = Math.min(maxDelay, Math.max(0, by))
  if (interpolation === 'linear') return taps.map((d) => Math.max(0, 1 - Math.abs(d - held)))
  const s = Math.abs(sigma) + 0.27
  const each = taps.map((d) => Math.exp(-((d - held) ** 2) / (2 * s * s)))
  const sum = each.reduce((a, b) => a + b, 0) + 1e-7
  return each.map((u) => u / sum)
}

/** The sum of earlier steps by their shares. */
const read = (steps: readonly Float64Array[], t: number, f: number, by: readonly number[]) =>
  by.reduce((sum, share, d) => sum + (t >= d ? share * steps[t - d][f] : 0), 0)

type Known = Dcls1d | Delay | Linear

function runLayer(layer: Known, name: string, p: Numbers, x: Signal, pixels: number): Signal {
  const at = (role: string, i: number): number => p[`${name}.${role}`]?.[i] ?? 0
  if (layer.kind === 'delay') {
    const learn = layer.learn as LearntDelays
    const by = range(x[0][0].length).map((f) => {
      const c = Math.floor(f / pixels)
      return shares(learn, at('delay', c), at('SIG', c))
    })
    return x.map((steps) => steps.map((row, t) => row.map((_, f) => read(steps, t, f, by[f]))))
  }
  if (layer.kind === 'linear')
    return x.map((steps) =>
      steps.map((row) =>
        Float64Array.from(range(layer.outFeatures), (o) =>
          row.reduce((sum, v, i) => sum + v * at('weight', o * row.length + i), at('bias', o)),
        ),
      ),
    )
  const { inChannels, outChannels, kernelCount, maxDelay } = layer
  const middle = Math.floor((maxDelay + 1) / 2)
  const synapses = range(outChannels).map((o) =>
    range(inChannels).map((i) =>
      range(kernelCount).map((k) => {
        const e = (o * inChannels + i) * kernelCount + k
        return {
          w: at('weight', e),
          by: shares(layer, maxDelay - middle - at('P', e), at('SIG', e)),
        }
      }),
    ),
  )
  return x.map((steps) =>
    steps.map((_, t) =>
      Float64Array.from(synapses, (inputs, o) =>
        inputs.reduce(
          (sum, all, i) => all.reduce((s, { w, by }) => s + w * read(steps, t, i, by), sum),
          at('bias', o),
        ),
      ),
    ),
  )
}

/** Mean cross entropy of the time means, and these. */
function lossOf(
  layers: readonly Known[],
  names: readonly string[],
  p: Numbers,
  x: Signal,
  labels: readonly number[],
  pixels: number,
) {
  const y = layers.reduce((signal, layer, i) => runLayer(layer, names[i], p, signal, pixels), x)
  const means = y.map((steps) =>
    steps[0].map((_, o) => steps.reduce((sum, row) => sum + row[o], 0) / steps.length),
  )
  const losses = means.map((m, b) => {
    const most = Math.max(...m)
    return Math.log(m.reduce((s, v) => s + Math.exp(v - most), 0)) + most - m[labels[b]]
  })
  return { means, loss: losses.reduce((a, b) => a + b, 0) / losses.length }
}

/** Most numbers of a parameter whose derivative is taken. */
const MOST = 16

/** Throws unless derivatives of the loss, of some numbers of each parameter, are the gradients. */
function expectSlopes(gradients: StateDict, p: Numbers, loss: () => number, random: () => number) {
  const h = 1e-5
  const largest = (data: Float32Array): number => data.reduce((a, v) => Math.max(a, Math.abs(v)), 0)
  const all = Math.max(...Object.values(gradients).map(({ data }) => largest(data)))
  for (const [name, { data }] of Object.entries(gradients)) {
    const values = p[name]
    const some = range(values.length).sort(() => random() - 0.5)
    // What nearly cancels in a parameter has the rounding of the network's largest.
    const most = Math.max(largest(data), 0.01 * all)
    for (const i of some.slice(0, MOST)) {
      const value = values[i]
      const at = (v: number): number => {
        values[i] = v
        return loss()
      }
      const slope = (at(value + h) - at(value - h)) / (2 * h)
      values[i] = value
      const error = Math.abs(data[i] - slope) / most
      assert.ok(error <= 1e-5, `${name}[${i}]: ${error} of the largest`)
    }
  }
}

/** Positions off whole steps, where the linear slope jumps; weights of size 1. */
function drawnState(
  state: StateDict,
  layers: readonly Known[],
  names: readonly string[],
  random: () => number,
): StateDict {
  const drawn: StateDict = {}
  for (const [name, { shape, data }] of Object.entries(state)) {
    const [prefix, role] = name.split('.')
    const layer = layers[names.indexOf(prefix)]
    const most =
      layer.kind === 'delay' ? layer.learn?.maxDelay : 'maxDelay' in layer ? layer.maxDelay : 0
    const value = (): number => {
      if (role === 'SIG') return 0.1 + random()
      if (role !== 'P' && role !== 'delay') return 2 * random() - 1
      const by = Math.floor(random() * (most ?? 0)) + 0.1 + 0.8 * random()
      return role === 'delay' ? by : (most ?? 0) - Math.floor(((most ?? 0) + 1) / 2) - by
    }
    drawn[name] = { shape, data: data.map(value) }
  }
  return drawn
}

const asNumbers = (state: StateDict): Numbers =>
  Object.fromEntries(
    Object.entries(state).map(([name, { data }]) => [name, Float64Array.from(data)]),
  )

function expectNear(
  what: string,
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  limit = 1e-5,
): void {
  const most = Array.from(expected).reduce((a, v) => Math.max(a, Math.abs(v)), 1e-30)
  const worst = Array.from(expected).reduce((a, v, i) => Math.max(a, Math.abs(v - found[i])), 0)
  assert.ok(
    found.length === expected.length && worst <= limit * most,
    `${what}: ${worst / most} of the largest`,
  )
}

for (const seed of range(ofLong(24, 200)))
  test(`gradients of weights, positions and what comes before are those of the definition, ${seed}`, async () => {
    const random = testRandom(700 + seed)
    const int = (a: number, b: number): number => a + Math.floor(random() * (b - a + 1))
    const one = <T>(list: readonly T[]): T => list[int(0, list.length - 1)]
    const [C, H, W] = one([
      [int(1, 9), 1, 1],
      [int(1, 5), 2, 3],
      [int(1, 4), 3, 1],
      [37, 1, 1],
    ])
    const [B, T] = [int(1, 3), int(2, 9)]
    const pixels = H * W
    const given = () => ({ maxDelay: int(1, 6), interpolation: one(['linear', 'gauss'] as const) })
    const middle = one([3, 5, 33])
    const layers: Known[] = [
      delay(0.5, given()),
      dcls1d(C * pixels, middle, { ...given(), kernelCount: int(1, 2), bias: random() < 0.5 }),
      one([linear(middle, 3), dcls1d(middle, 3, given())]),
    ]
    const names = ['0', '2', '3']
    const network = sequential(layers[0], flatten(), layers[1], layers[2])
    const input = [C, H, W] as const
    const model = await modelOf(network, {
      input,
      timeSteps: T,
      batchSize: B,
      frames: true,
      method: 'bptt',
      stepMode: one(['m', 's'] as const),
      threads: int(1, 2),
      gradientCheckpoint: one(['none', 'layers'] as const),
    })
    const state = drawnState(model.stateDict(), layers, names, random)
    model.loadStateDict(state)
    const x: Signal = range(B).map(() =>
      range(T).map(() =>
        Float64Array.from({ length: C * pixels }, () => Math.fround(random() * 2 - 0.5)),
      ),
    )
    const labels = range(B).map(() => int(0, 2))
    const result = await model.trainStep(
      Float32Array.from(x.flatMap((s) => s.flatMap((row) => [...row]))),
      labels,
      { update: false },
    )
    const p = asNumbers(state)
    const of = () => lossOf(layers, names, p, x, labels, pixels)
    expectNear(
      'output',
      model.output(),
      of().means.flatMap((m) => [...m]),
    )
    expectNear('loss', [result.loss], [of().loss])
    expectSlopes(model.gradients(), p, () => of().loss, random)
  })

const spread = (n: number, random: () => number) => Float32Array.from({ length: n }, random)

/** An image of 2 channels; spikes, delays of channels and of synapses, classes. */
const net = (interpolation: 'linear' | 'gauss') =>
  sequential(
    lif({ vThreshold: 0.5 }),
    delay([0.5, 2.25], { maxDelay: 3, interpolation }),
    flatten(),
    dcls1d(12, 9, { maxDelay: 4, interpolation, kernelCount: 2 }),
    lif({ vThreshold: 0.5 }),
    dcls1d(9, 4, { maxDelay: 2, interpolation }),
  )

const image = { input: [2, 3, 2], batchSize: 3, timeSteps: 11, frames: true, seed: 4 } as const

for (const interpolation of ['linear', 'gauss'] as const)
  test(`${interpolation}: all methods run forward, as streams and as files do`, async () => {
    const random = testRandom(5)
    const x = spread(3 * 11 * 12, random)
    const trained = await modelOf(net(interpolation), { ...image, method: 'bptt' })
    const { logits } = await trained.predict(x)
    const state = trained.stateDict()
    let found: Float32Array = logits
    const ways = [
      ['rate', 'm'],
      ['rate', 's'],
      ['ottt', 's'],
      ['sltt', 's'],
      ['os', 's'],
    ] as const
    for (const [method, stepMode] of ways) {
      const how = { ...image, method, stepMode, purpose: 'inference' } as const
      const model = await modelOf(net(interpolation), how)
      model.loadStateDict(state)
      found = (await model.predict(x)).logits
      expectNear(`${method} ${stepMode}`, found, logits)
    }
    const model = await modelOf(net(interpolation), {
      ...image,
      batchSize: 1,
      frames: false,
      purpose: 'stream',
    })
    model.loadStateDict(state)
    const file = await openNet(await exportWasm(trained, { mode: 'both' }))
    for (let b = 0; b < 3; b++) {
      const sample = x.subarray(b * 132, b * 132 + 132)
      model.reset()
      file.reset()
      let streamed: Float32Array = new Float32Array(4)
      for (let t = 0; t < 11; t++) {
        const frame = sample.slice(t * 12, t * 12 + 12)
        streamed = (await model.step(frame)).logits
        file.input.set(frame)
        file.step()
      }
      // The last way's bits.
      const expected = [...found.subarray(4 * b, 4 * b + 4)]
      assert.equal([...streamed], expected)
      assert.equal([...file.output], expected)
    }
  })

test('more steps than a byte counts', async () => {
  const x = spread(300 * 12, testRandom(6))
  const how = { ...image, batchSize: 1, timeSteps: 300, purpose: 'inference' } as const
  const model = await modelOf(net('linear'), how)
  const { logits } = await model.predict(x)
  const stream = await modelOf(net('linear'), {
    ...how,
    timeSteps: 11,
    frames: false,
    purpose: 'stream',
  })
  let streamed: Float32Array = new Float32Array(4)
  for (let t = 0; t < 300; t++) streamed = (await stream.step(x.slice(12 * t, 12 * t + 12))).logits
  expectNear('logits', logits, streamed)
})

test('positions outside are read as the nearest end, and a training step moves them there', async () => {
  const layers = [
    delay(0, { maxDelay: 3, interpolation: 'gauss' }),
    dcls1d(2, 4, { maxDelay: 3 }),
  ] as const
  const how = { input: [2], timeSteps: 5, batchSize: 1, frames: true, method: 'bptt' } as const
  const model = await modelOf(sequential(...layers), how)
  const x = spread(10, testRandom(7))
  const state = model.stateDict()
  const outputs: number[][] = []
  for (const [first, by] of [
    [
      [-1, 7],
      [-5, 3, 2.5, 9],
    ],
    [
      [0, 3],
      [-2, 1, 1, 1],
    ],
  ]) {
    state['0.delay'].data.set(first)
    state['1.P'].data.set([...by, ...by])
    model.loadStateDict(state)
    outputs.push([...(await model.predict(x)).logits])
    assert.equal(model.stateDict()['1.P'].data, state['1.P'].data)
  }
  assert.equal(outputs[0], outputs[1])
  state['0.delay'].data.set([-1, 7])
  state['1.P'].data.set([-5, 3, 2.5, 9, 1, 0, -1, -2])
  model.loadStateDict(state)
  await model.trainStep(x, [1], { update: false })
  const after = model.stateDict()
  assert.equal([...after['0.delay'].data], [0, 3])
  assert.equal([...after['1.P'].data], [-2, 1, 1, 1, 1, 0, -1, -2])
  assert.equal(after['1.weight'], state['1.weight'])
})

test('delays alone tell orders apart: they are found while the deviation shrinks', async () => {
  // Input 0 fires 4 steps before input 1, or behind it. Only two at once reach a threshold.
  const [T, count] = [14, 32]
  const random = testRandom(8)
  const images = new Float32Array(count * T * 2)
  const labels = range(count).map((i) => i % 2)
  for (const [i, label] of labels.entries()) {
    const t = 4 + Math.floor(random() * 2)
    images[(i * T + t) * 2 + label] = 1
    images[(i * T + t + 4) * 2 + 1 - label] = 1
  }
  const data = fromArrays({ images, labels, shape: [2], classes: 2, timeSteps: T })
  const given = { maxDelay: 5, interpolation: 'gauss', sigma: 2.5, bias: false } as const
  const network = sequential(dcls1d(2, 2, given), lif({ tau: 1.5, vThreshold: 1 }))
  const how = { input: [2], timeSteps: T, batchSize: 8, frames: true, method: 'bptt' } as const
  const model = await modelOf(network, { ...how, seed: 3 })
  const state = model.stateDict()
  state['0.weight'].data.fill(0.9)
  state['0.P'].data.set([-0.5, 0.5, 0.5, -0.5])
  model.loadStateDict(state)
  assert.equal(state['0.SIG'].shape, [1, 2, 2, 1])
  const shrinks: Callback = {
    name: 'shrinks',
    onEpoch(_, training) {
      const state = training.stateDict()
      state['0.SIG'].data.forEach((sigma, i, all) => {
        all[i] = 0.9 * sigma
      })
      training.loadStateDict(state)
    },
  }
  const optimizer = adam({ lr: 0.1 })
  const options = { epochs: 40, optimizer, freeze: '0.weight', callbacks: [shrinks] }
  await model.fit(data, options)
  const after = model.stateDict()
  assert.equal(after['0.weight'], state['0.weight'])
  assert.ok(Math.abs(after['0.SIG'].data[0] - 2.5 * 0.9 ** 40) < 1e-3)
  // Rounded, as for inference.
  after['0.P'].data.forEach((p, i, all) => {
    all[i] = Math.round(p)
  })
  after['0.SIG'].data.fill(0)
  model.loadStateDict(after)
  const [a, b, c, d] = after['0.P'].data
  assert.is((await model.evaluate(data)).accuracy, 1, `${[a, b, c, d]}`)
  assert.equal([b - a, c - d], [4, 4])
})

test.run()
