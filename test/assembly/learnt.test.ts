/** Gradients of what neurons learn, and of a weight to themselves, against loops over neurons. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  emitLearnGradients,
  emitRecurrentGradient,
  type NeuronScope,
  type Neurons,
} from '../../src/compile/emit/neuron-record.js'
import { storedChannels } from '../../src/compile/layout.js'
import { neuron } from '../../src/index.js'
import { equationsModel } from '../../src/nn/layers/equations.js'
import { withBudgets } from '../support/budgets.js'
import type { RandomShapes } from '../support/ops.js'
import { EnginePrograms, type Order, testCases } from '../support/records.js'

/** Several units, even over few neurons. */
const few = { unitFloats: 24 }

const descending: Order = (units) => Array.from({ length: units }, (_, i) => units - 1 - i)

/** Whole numbers [rows][stored], whose sums are exact; 0 in padding. */
const whole = (r: RandomShapes, rows: number, c: number): Float32Array => {
  const stored = storedChannels(c)
  return Float32Array.from({ length: rows * stored }, (_, i) => (i % stored < c ? r.int(-3, 3) : 0))
}

const scopeOf = (b: EnginePrograms, images: number, callSteps = 1): NeuronScope => ({
  b,
  images,
  callSteps,
  context: { images },
  options: { timeSteps: callSteps },
})

testCases('sums over neurons, of a channel, over images', 120, (r, engine) => {
  const b = new EnginePrograms(engine)
  const shape = [r.int(1, 9), r.int(1, 4), r.int(1, 5)] as const
  const [images, hasDelta] = [r.int(1, 4), r.chance(0.5)]
  const [c, h, w] = shape
  // One for each neuron that is no number of channels.
  const all = h * w > 1 ? c * h * w : 1
  const layer = neuron(
    'output = x*(p + q + r)',
    { p: 1, q: Array<number>(c).fill(1), r: all > 1 ? Array<number>(all).fill(1) : 1 },
    { learn: ['p', 'q', 'r'] },
  )
  const stored = storedChannels(c)
  const image = h * w * stored
  const traces = whole(r, images * h * w * 3, c)
  const delta = hasDelta ? whole(r, images * h * w, c) : undefined
  const sizes = { p: 1, q: stored, r: all > 1 ? image : 1 }
  const gradients = Object.entries(sizes).map(([name, n]) => [name, b.buffer(name, n * 4)] as const)
  withBudgets(few, () =>
    emitLearnGradients(
      scopeOf(b, images),
      { name: '', model: equationsModel(layer), shape } as Neurons,
      b.put('traces', traces),
      delta && b.put('delta', delta),
      new Map(gradients),
    ),
  )
  b.run(descending)
  for (const [row, [name, { address }]] of gradients.entries()) {
    const n = sizes[name as 'p']
    const expected = new Float32Array(n)
    for (let pixel = 0; pixel < images * h * w; pixel++)
      for (let i = 0; i < stored; i++)
        expected[(pixel * stored + i) % n] +=
          traces[(pixel * 3 + row) * stored + i] * (delta?.[pixel * stored + i] ?? 1)
    assert.equal(engine.floats(address, n), expected, name)
  }
})

testCases('a weight of spikes of the step before, or of traces', 120, (r, engine) => {
  const b = new EnginePrograms(engine)
  const shape = [r.int(1, 9), r.int(1, 2), r.int(1, 3)] as const
  const [images, T, isTrace] = [r.int(1, 3), r.int(1, 4), r.chance(0.5)]
  const [oneToOne, accumulate] = [r.chance(0.4), r.chance(0.5)]
  const pixels = shape[1] * shape[2]
  const stored = storedChannels(shape[0])
  const n = pixels * stored
  const [x, delta] = [0, 1].map(() => whole(r, images * pixels * T, shape[0]))
  if (!isTrace) for (const [i, value] of x.entries()) x[i] = Number(value > 0)
  const expected = whole(r, oneToOne ? pixels : pixels * n, shape[0])
  const bias = oneToOne ? undefined : whole(r, pixels, shape[0])
  const buffers = {
    out: b.put('out', expected),
    biasOut: bias && b.put('bias', bias),
    in: b.put('in', x),
    delta: b.put('delta', delta),
  }
  const neurons = { shape, recurrent: oneToOne ? { oneToOne } : undefined } as Neurons
  const scope = scopeOf(b, images, T)
  withBudgets(few, () => emitRecurrentGradient(scope, neurons, buffers, accumulate))
  b.run(descending)
  if (!accumulate) for (const values of [expected, bias]) values?.fill(0)
  const at = (image: number, t: number, i: number): number =>
    ((image * pixels + Math.floor(i / stored)) * T + t) * stored + (i % stored)
  for (let image = 0; image < images; image++)
    for (let t = 0; t < T; t++)
      for (let to = 0; to < n; to++) {
        const d = delta[at(image, t, to)]
        if (bias) bias[to] += d
        for (let from = 0; from < n; from++)
          if (!oneToOne) expected[from * n + to] += x[at(image, t, from)] * d
          else if (from === to) expected[to] += x[at(image, t, to)] * d
      }
  assert.equal(engine.floats(buffers.out.address, expected.length), expected, 'weight')
  if (bias) assert.equal(engine.floats(buffers.biasOut?.address as number, n), bias, 'bias')
})

test.run()
