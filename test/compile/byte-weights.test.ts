/**
 * Plans whose weights are bytes. Weights that bytes hold exactly give the float plan's outputs, bit
 * for bit: each weight is an integer times a power of two, so that all sums are exact.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dequantise, quantise, standardised } from '../../src/compile/emit/norm.js'
import { placesOf, unpack } from '../../src/compile/layout.js'
import { makePlan, type PlanOptions } from '../../src/compile/plan.js'
import * as api from '../../src/index.js'
import { weightStandardise } from '../../src/kernels/records/norm.js'
import { TestEngine, testRandom } from '../support/engine.js'
import { netOf } from '../support/net.js'
import { nameOf, Op } from '../support/operations.js'
import { PlanRunner } from '../support/plan-runner.js'
import { planOptions } from '../support/plans.js'
import { putRecord } from '../support/records.js'

type Size = readonly [number, number, number]

const optionsOf = (network: api.Block, input: Size, more: Partial<PlanOptions> = {}) =>
  planOptions(network, input, { batchSize: 1, purpose: 'inference', ...more })

/** A weight that bytes hold exactly: ±127 · 2^e is in each channel, the rest integers · 2^e. */
function exactWeight(shape: readonly number[], random: () => number): Float32Array {
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1)
  const scale = 2 ** Math.round(Math.log2(1 / (73 * Math.sqrt(0.2 * fanIn))))
  // A loop, as below: callbacks for millions of numbers take seconds.
  const weight = new Float32Array(shape[0] * fanIn)
  for (let i = 0; i < weight.length; i++)
    weight[i] = i % fanIn === 0 ? 127 * scale : Math.round((random() * 2 - 1) * 127) * scale
  return weight
}

/** A state dict for a network, with normalisations that make neurons fire. */
function stateOf(options: PlanOptions, seed: number, anyWeight = false): api.StateDict {
  const random = testRandom(seed)
  const { parameters, statistics } = makePlan({ ...options, weights: 'f32' }, 1)
  const state: api.StateDict = {}
  for (const { name, layout } of [...parameters, ...statistics]) {
    const { shape } = layout
    const length = shape.reduce((a, b) => a * b, 1)
    const numbers = (from: number, size: number): Float32Array =>
      Float32Array.from({ length }, () => from + size * random())
    let data = shape.length > 1 ? exactWeight(shape, random) : numbers(0.6, 0.8)
    if (shape.length > 1) {
      if (anyWeight) data = data.map((w) => w * (0.9 + 0.2 * random()))
    } else if (name.endsWith('bias')) data = numbers(0, 0.4)
    else if (name.endsWith('running_mean')) data = numbers(-0.5, 1)
    state[name] = { shape, data }
  }
  return state
}

const imageOf = ([C, H, W]: Size, seed: number): Float32Array => {
  const random = testRandom(seed)
  return Float32Array.from({ length: C * H * W }, () => 2 * random())
}

/** Names of the weights that are bytes, and that are floats. */
const namesOf = (plan: PlanRunner['plan']): { bytes: string[]; floats: string[] } => ({
  bytes: plan.byteWeights.map(({ name }) => name),
  floats: plan.parameters.filter(({ role }) => role === 'weight').map(({ name }) => name),
})

const conv = (to: number, stride = 1): string =>
  `conv ${to} 3 padding=1 stride=${stride} bias=false, norm, lif`
const sew = (): api.Block =>
  netOf(
    [3, 11, 9],
    `${conv(12)}, twice, twice, ${conv(40, 2)}, once, adaptiveAvgPool2d 1, flatten, linear 6`,
    {
      twice: () => api.residual(netOf([12, 11, 9], `${conv(12)}, ${conv(12)}`)),
      once: () => api.residual(netOf([40, 6, 5], conv(40))),
    },
  )

const networks: readonly (readonly [name: string, () => api.Block, Size, floats: number])[] = [
  ['cnn', () => api.cnn([1, 12, 12], 10), [1, 12, 12], 1],
  ['mlp', () => api.mlp([1, 8, 8], 10), [1, 8, 8], 1],
  ['resnet18', api.resnet18, [3, 16, 16], 1],
  ['vgg11', api.vgg11, [3, 16, 16], 1],
  ['sums of spikes', sew, [3, 11, 9], 1],
]

for (const [name, make, input, floats] of networks)
  for (const timeSteps of name === 'resnet18' || name === 'vgg11' ? [4] : [1, 3, 4, 6, 9])
    test(`${name}, T = ${timeSteps}: bytes give the bits of the floats that they stand for`, () => {
      const options = optionsOf(make(), input, { timeSteps })
      const state = stateOf(options, 11)
      const exact = new PlanRunner(options, state)
      const bytes = new PlanRunner({ ...options, weights: 'int8' }, state)
      const names = namesOf(bytes.plan)
      assert.is(names.floats.length, floats + countNorms(state), names.floats.join())
      assert.ok(names.bytes.length > 0)
      const ops = bytes.plan.programs.evaluate!.records.map(({ op }) => op)
      assert.ok(ops.includes(Op.SpikeForwardBytes))
      for (const op of [Op.Choose, Op.SpikeForward, Op.SpikeLists, Op.SpikeConv])
        assert.not.ok(ops.includes(op), nameOf(op))
      for (const seed of [1, 2]) {
        const x = imageOf(input, seed)
        assert.equal(bytes.run(x), exact.run(x), `image ${seed}`)
        assert.is(bytes.spikes, exact.spikes)
        assert.ok(bytes.spikes > 100, `${bytes.spikes} spikes`)
      }
      const [less, more] = [bytes, exact].map(({ plan }) => plan.memory.parameters)
      if (name === 'resnet18' || name === 'vgg11') assert.ok(less < 0.26 * more, `${less} ${more}`)
    })

/** Normalisations' weights, which are vectors. */
const countNorms = (state: api.StateDict): number =>
  Object.keys(state).filter((name) => name.endsWith('running_mean')).length

test('streams and step mode s: the bits of the floats', () => {
  const input: Size = [3, 11, 9]
  for (const more of [{ purpose: 'stream' }, { stepMode: 's' }] as const) {
    const options = optionsOf(sew(), input, more)
    const state = stateOf(options, 5)
    const exact = new PlanRunner(options, state)
    const bytes = new PlanRunner({ ...options, weights: 'int8' }, state)
    assert.ok(bytes.plan.byteWeights.length > 5)
    for (let call = 0; call < 5; call++) {
      const x = imageOf(input, call)
      assert.equal(bytes.run(x), exact.run(x), `call ${call}`)
    }
    assert.ok(bytes.spikes > 100)
  }
})

test('any weights: near the floats that the bytes stand for', () => {
  const input: Size = [1, 8, 8]
  const options = optionsOf(api.mlp(input, 10), input)
  const state = stateOf(options, 3, true)
  const rounded: api.StateDict = { ...state }
  for (const [name, { shape, data }] of Object.entries(state))
    if (name === '3.weight') rounded[name] = { shape, data: dequantise(quantise(data, shape[0])) }
  const exact = new PlanRunner(options, rounded)
  const bytes = new PlanRunner({ ...options, weights: 'int8' }, state)
  const x = imageOf(input, 1)
  const [got, wanted] = [bytes.run(x), exact.run(x)]
  for (const [i, value] of wanted.entries())
    assert.ok(Math.abs(got[i] - value) < 1e-5, `${got[i]} ${value}`)
})

test('what dense kernels or groups read stays float; gains go into the bytes', () => {
  const input: Size = [3, 8, 8]
  const network = api.sequential({
    first: api.conv2d(3, 8, 3, { padding: 1, standardise: true }),
    a: api.lif(),
    depthwise: api.conv2d(8, 8, 3, { padding: 1, groups: 8 }),
    b: api.lif(),
    pooled: api.maxPool2d(2),
    scaled: api.conv2d(8, 16, 3, { padding: 1, standardise: true }),
    floats: api.relu(),
    dense: api.conv2d(16, 8, 1),
    c: api.lif(),
    mean: api.avgPool2d(2),
    flat: api.flatten(),
    last: api.linear(32, 5),
  })
  const options = optionsOf(network, input)
  const bytes = new PlanRunner({ ...options, weights: 'int8' }, stateOf(options, 4))
  assert.equal(namesOf(bytes.plan), {
    bytes: ['scaled.weight', 'last.weight'],
    floats: ['first.weight', 'depthwise.weight', 'dense.weight'],
  })
  assert.equal(
    bytes.plan.byteWeights.map(({ gain }) => gain),
    ['scaled.gain', undefined],
  )
  const names = bytes.plan.parameters.map(({ name }) => name)
  assert.ok(names.includes('scaled.bias') && names.includes('first.gain'))
  assert.not.ok(names.includes('scaled.gain'))
  const ops = bytes.plan.programs.evaluate!.records.map(({ op }) => op)
  assert.is(ops.filter((op) => op === Op.WeightStandardise).length, 1)
  assert.ok(bytes.run(imageOf(input, 1)).every(Number.isFinite) && bytes.spikes > 0)
  assert.throws(() => makePlan({ ...options, purpose: 'train', weights: 'int8' }, 1), /int8/)
})

test('plans of floats have no bytes, and those of bytes are the same twice', () => {
  const options = optionsOf(api.cnn([1, 12, 12], 10), [1, 12, 12])
  assert.is(makePlan(options, 1).byteWeights.length, 0)
  const encoded = () => makePlan({ ...options, weights: 'int8' }, 1).encoded.bytes
  assert.equal(encoded(), encoded())
})

test('quantise: to the nearest of 255 levels, halves away from zero, channel by channel', () => {
  const { values, scales } = quantise(
    Float32Array.from([127, 2.5, -2.5, -0.49, 0, 0, 0, 0, -63.5, 1, -1, 0.25]),
    3,
  )
  assert.equal([...scales], [1, 0, 0.5])
  assert.equal([...values], [127, 3, -3, 0, 0, 0, 0, 0, -127, 2, -2, 1])
  const random = testRandom(9)
  const weight = Float32Array.from(
    { length: 4000 },
    () => (random() - 0.5) * 10 ** (-40 * random()),
  )
  const some = quantise(weight, 100)
  const back = dequantise(some)
  assert.ok(some.values.every((q) => q >= -127 && q <= 127))
  for (const [i, w] of weight.entries()) {
    const scale = some.scales[Math.floor(i / 40)]
    assert.ok(Math.abs(back[i] - w) <= 0.5001 * scale + 1e-45, `${w} became ${back[i]}`)
  }
  assert.equal([...quantise(Float32Array.from([1e-45, 0]), 1).values], [0, 0])
  // The smallest scale: a channel's maximum may be more than 127 of it.
  const tiny = quantise(Float32Array.from([178 * 2 ** -149, -178 * 2 ** -149]), 1)
  assert.equal([...tiny.values], [127, -127])
})

test('standardised: what the engine writes, to rounding', () => {
  const engine = new TestEngine('engine')
  const random = testRandom(2)
  const options = optionsOf(
    netOf([5, 3, 3], 'conv 12 3 standardise=true, lif, flatten, linear 2'),
    [5, 3, 3],
  )
  const { layout } = makePlan(options, 1).parameters.find(({ name }) => name === '0.weight')!
  const weight = Float32Array.from({ length: 12 * 45 }, () => random() - 0.3)
  const gain = Float32Array.from({ length: 16 }, (_, n) => (n < 12 ? random() : 0))
  const stored = new Float32Array(layout.stored)
  const placeOf = placesOf(layout)
  for (const [i, value] of weight.entries()) stored[placeOf(i)] = value
  const out = engine.alloc(layout.stored * 4)
  const sizes = { taps: 9, inC: 5, realC: 5, blockWidth: 16, kRows: layout.stored / 16 }
  const fields = { weight: engine.putFloats(stored), gain: engine.putFloats(gain), out }
  engine.run(
    putRecord(engine, weightStandardise, 1, { ...sizes, ...fields, epsilon: 1e-4 }),
    engine.alloc(64),
  )
  const wanted = unpack(layout, engine.floats(out, layout.stored))
  for (const [i, w] of standardised(weight, gain.subarray(0, 12)).entries())
    assert.ok(Math.abs(w - wanted[i]) <= 1e-6, `${i}: ${w} ${wanted[i]}`)
})

test.run()
