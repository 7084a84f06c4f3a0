/**
 * Networks whose weights are whole numbers: as a network of floats whose weights are the products,
 * with gradients straight through the rounding; and the whole numbers are those of the parameters,
 * however these change.
 */
import * as assert from 'uvu/assert'
import { traitsOf } from '../../src/compile/methods.js'
import * as api from '../../src/index.js'
import { checkCase, checkMoves, makeCase } from '../support/case.js'
import {
  exactScales,
  type IntegerType,
  integerTypes,
  mostOf,
  quantised,
  rounded,
} from '../support/integers.js'
import { ofLong } from '../support/long.js'
import { expectAllClose, expectClose, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { layersOf, netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'
import { methodModes, usualModes } from '../support/tables.js'

const input = [3, 7, 8] as const
const fires = () => api.lif({ vThreshold: 0.3 })
const own = {
  fires,
  sums: (channels: number) =>
    api.residual(netOf([channels, 7, 8], `conv ${channels} 3 padding=1, fires`, { fires })),
  currents: (channels: number) => basicBlock(channels, channels, 1, { vThreshold: 0.3 }),
  stabilised: () => api.stabilizedLif({ vThreshold: 0.3 }),
  /** The same spikes through two windows. */
  twice: () => {
    const pooled = (options: { stride?: number }, features: number) =>
      api.sequential(api.avgPool2d(2, options), api.flatten(), api.linear(features, 5))
    const children = { apart: pooled({}, 8 * 3 * 4), over: pooled({ stride: 1 }, 8 * 6 * 7) }
    return api.block(children, (m, x, { add }) => add(m.apart(x), m.over(x)))
  },
}

const texts = {
  chain: `conv 8 3 padding=1, fires, conv 12 3 padding=1, fires, avgPool2d 2, conv 33 2, fires,
    flatten, linear 5`,
  windows: 'conv 8 3 padding=1, fires, twice',
  sums: 'conv 8 3 padding=1, fires, sums, sums, conv 20 3 stride=2, fires, flatten, linear 5',
  normalised: `conv 8 3 padding=1 bias=false, norm, fires, currents, maxPool2d 2, conv 9 2 bias=false, norm,
    fires, flatten, linear 5`,
  stabilised: `conv 8 3 padding=1 bias=false, norm, stabilised, conv 9 3 bias=false, norm, stabilised, flatten, linear 5`,
}

const size = 3 * 7 * 8
const x = uniform(4 * size, 2, 5)
const y = [0, 2, 4, 1]
const options = { input, timeSteps: 3, batchSize: 4, seed: 11 } as const

/** Names of the weights that are whole numbers. */
const wholeOf = ({ session }: api.Model): string[] => session.plan.integers.map(({ name }) => name)

const stateOf = (model: api.Model, weights: IntegerType): api.StateDict =>
  exactScales(model.stateDict(), wholeOf(model), mostOf[weights])

// Sums of exact products are those of floats: spikes are the same, gradients close.

const rows = methodModes().flatMap(([method, stepMode]): [string, Partial<api.CompileOptions>][] =>
  Object.keys(texts)
    .filter(
      (name) =>
        (method === 'os') === (name === 'stabilised') &&
        !(method === 'ottt' && name === 'normalised'),
    )
    .map((name) => [name, { method, stepMode }]),
)
rows.push(
  ['chain', { method: 'bptt', gradientCheckpoint: 'layers', timeSteps: 9 }],
  ['normalised', { method: 'rate', timeSteps: 9, frames: true }],
  ['sums', { method: 'sltt', backwardSteps: 2, timeSteps: 9 }],
)
for (const [i, [name, more]] of rows.entries()) {
  const weights = integerTypes[i % 2]
  test(`${name}, ${weights}, ${JSON.stringify(more)}: as floats that are the products`, async () => {
    const network = netOf(input, texts[name as keyof typeof texts], own)
    const training = more.method === undefined || more.method === 'rate' || more.method === 'bptt'
    const given = { ...options, ...more, ...(training && { inputGradient: true as const }) }
    const model = await modelOf(network, { ...given, weights })
    const state = stateOf(model, weights)
    const floats = await modelOf(network, given)
    model.loadStateDict(state)
    floats.loadStateDict(rounded(state, wholeOf(model), mostOf[weights]))
    assert.ok(wholeOf(model).length > 1)
    assert.not.equal(model.stateDict(), floats.stateDict())
    const images = more.frames ? uniform(9 * x.length, 2, 5) : x
    const [found, wanted] = [model, floats]
    const results = []
    for (const of of [found, wanted]) {
      const { loss } = await of.trainStep(images, y, { update: false })
      results.push([loss, ...of.output(), ...Object.values(of.firingRates())])
    }
    expectClose('loss, output, rates', results[0], results[1], 1e-5)
    assert.ok(Object.values(found.firingRates()).every((rate) => rate > 0.01))
    expectAllClose('gradient of', found.gradients(), wanted.gradients(), 1e-5)
    if (training)
      expectClose('gradient of input', found.inputGradient(), wanted.inputGradient(), 1e-5)
    assert.equal((await found.predict(images)).logits, (await wanted.predict(images)).logits)
    // A weight that rounds to 0 costs nothing.
    const frames = more.frames && { timeSteps: 9 }
    const data = api.fromArrays({ images, labels: y, shape: input, classes: 5, ...frames })
    const [ours, theirs] = await Promise.all([found, wanted].map((of) => of.evaluate(data)))
    assert.equal(ours.operations, theirs.operations)
    assert.ok((ours.operations?.connectionSparsity ?? 0) > 0)
  })
}

test('an output is the whole sum, times scale by pooling, plus bias: each rounded once', async () => {
  const network = netOf(input, 'conv 8 3, fires, avgPool2d 3x2, flatten, linear 5', own)
  for (const weights of integerTypes) {
    const model = await modelOf(network, { ...options, timeSteps: 1, weights, record: true })
    const { '4.weight': weight, '4.bias': bias } = model.stateDict()
    const { values, scales } = quantised(weight.data, 5, mostOf[weights])
    const { logits } = await model.predict(x)
    // [T = 1, B, 8, 5, 6], in windows of 3 × 2 without rests.
    const { data: spikes } = model.spikes('1')
    const sums = new Int32Array(4 * 5)
    for (const [i, fired] of spikes.entries()) {
      const [column, row, channel, image] = [
        i % 6,
        Math.floor(i / 6) % 5,
        Math.floor(i / 30) % 8,
        Math.floor(i / 240),
      ]
      if (row >= 3) continue
      const k = channel * 3 + Math.floor(column / 2)
      for (let n = 0; n < 5; n++) sums[image * 5 + n] += fired * values[n * 24 + k]
    }
    const { fround } = Math
    const outputs = Float32Array.from(sums, (sum, i) => {
      const factor = fround(scales[i % 5] * fround(1 / 6))
      return fround(fround(sum * factor) + bias.data[i % 5])
    })
    assert.equal(logits, outputs)
    assert.ok(new Set(sums).size > 10)
  }
})

// Against the reference in float64, of layers that are told so in models of floats.

const told = `conv 5 3 padding=1, fires, avgPool2d 2, conv 6 2 weights=int8, fires, flatten,
  linear 4 weights=int6`
const standardised = `conv 5 3 padding=1 standardise=true, fires, conv 18 3 standardise=true weights=int6,
  fires, flatten, linear 3 weights=int8`
for (const [i, [method, stepMode]] of usualModes.entries())
  for (const text of method === 'ottt'
    ? [standardised]
    : ofLong([[told, standardised][i % 2]], [told, standardised]))
    for (const update of traitsOf({ method, stepMode }).backward === 'everyCall'
      ? (['afterwards', 'everyStep'] as const)
      : [undefined])
      test(`${method} ${stepMode} ${update ?? ''} ${text}: the reference's step`, async () => {
        const small = [2, 6, 5] as const
        const shared = { input: small, timeSteps: 3, batchSize: 3, method, stepMode, update }
        const c = await makeCase(layersOf(small, text, own), shared, 3)
        if (update === 'everyStep') await checkMoves(c, { lr: 0.1, momentum: 0.9 })
        else await checkCase(method, c)
      })

test.run()
