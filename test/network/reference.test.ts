/** Chains of layers by every method against the float64 reference, and the reference itself. */

import * as assert from 'uvu/assert'
import {
  integrateAndFire,
  type Layer,
  lif,
  type NeuronOptions,
  plif,
  type StateDict,
} from '../../src/index.js'
import { checkCase, checkGradients, compileCase, makeCase } from '../support/case.js'
import { groupedChains, mixedChains, plainChains, sizedChains } from '../support/chains.js'
import { isLong, ofLong } from '../support/long.js'
import { labels, slopeAt, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { layersOf } from '../support/net.js'
import { Op } from '../support/operations.js'
import { referenceStep } from '../support/reference.js'
import { offlineModes, surrogateNames } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 11)

const chains = { ...plainChains, ...groupedChains, ...mixedChains, ...sizedChains }
for (const [i, [name, { layers, input, modes }]] of Object.entries(chains).entries())
  for (const [j, [method, stepMode]] of modes.entries()) {
    // Each network and each method has images and frames; layers between neurons have both.
    const frames = name in mixedChains ? [true, false] : ofLong([(i + j) % 2 === 1], [true, false])
    for (const of of frames)
      test(`${name} ${method} ${stepMode} frames=${of}`, async () => {
        // Nine steps are several calls of a loop outside.
        const timeSteps = of ? (name in mixedChains || name in sizedChains ? 9 : 5) : 4
        const options = { input, timeSteps, batchSize: 3, method, stepMode, frames: of }
        const c = await makeCase(layers, options, seed)
        await checkCase(`T=${timeSteps}`, c)
        // To start threads takes longer than a step.
        const debug = { engine: 'debug', threads: j % 2 === 0 ? 2 : 1 } as const
        if (isLong || of) await checkCase(`T=${timeSteps} debug`, c, debug)
      })
  }

test('chains of groups run every kernel of groups', async () => {
  const ops = new Set<string>()
  for (const { layers, input } of Object.values(groupedChains))
    for (const method of ['rate', 'sltt'] as const) {
      const model = await compileCase(layers, { input, timeSteps: 4, batchSize: 3, method })
      const x = uniform(
        input.reduce((a, b) => a * b, 3),
        1,
        seed,
      )
      await model.trainStep(x, labels(3, model.classes, seed))
      for (const { op } of await model.profile(1)) ops.add(op)
      await model.dispose()
    }
  const grouped = (names: readonly string[]) =>
    names.filter((op) => op.startsWith('Grouped')).sort()
  assert.equal(grouped([...ops]), grouped(Object.keys(Op)))
})

const [first] = Object.entries(plainChains)
for (const [name, { layers, input }] of [first, ...Object.entries(groupedChains).slice(0, 2)])
  for (const [method, stepMode] of name === first[0] ? offlineModes : [['bptt', 'm'] as const])
    test(`T = 9 and 17 (two and three planes of masks): ${name} ${method} ${stepMode}`, async () => {
      for (const timeSteps of [9, 17]) {
        const options = { input, timeSteps, batchSize: 2, method, stepMode }
        await checkCase(
          `T=${timeSteps}`,
          await makeCase(layers, { ...options, frames: true }, seed),
        )
      }
    })

const resets: readonly NeuronOptions[] = [
  {},
  { detachReset: false },
  { vReset: 0 },
  { vReset: 0, detachReset: false },
  { vReset: -0.3, detachReset: false },
]
/** In pairs, of which a short run takes one: the other by another method. */
const pairs: readonly NeuronOptions[] = [
  // Input divided by τ needs a lower threshold to fire.
  ...resets.flatMap((reset) => [
    { tau: 2, ...reset },
    { tau: 2, vThreshold: 0.5, ...reset, decayInput: true },
  ]),
  ...surrogateNames.flatMap((surrogate) => [
    { surrogate },
    { surrogate, alpha: 1.7, detachReset: false },
  ]),
]
const own: readonly NeuronOptions[] = [{}, { vReset: 0.1 }, { detachReset: false }]
const learnt: readonly NeuronOptions[] = [
  {},
  { decayInput: true, vThreshold: 0.4 },
  { vReset: 0.1, detachReset: false },
  { decayInput: true, vReset: -0.2, vThreshold: 0.3 },
]
const plain = 'conv 5 3 padding=1, neuron, avgPool2d 2, conv 6 2, neuron, flatten, linear 3'
const normed = 'conv 5 3, norm, neuron, flatten, linear 6, neuron, linear 3'
const kinds: readonly [string, (of: NeuronOptions) => Layer, readonly NeuronOptions[], string][] = [
  ['lif', lif, pairs, plain],
  ['integrate and fire', integrateAndFire as typeof lif, own, plain],
  ['plif', plif as typeof lif, learnt, normed],
]
for (const [name, make, all, text] of kinds)
  for (const [i, options] of all.entries())
    for (const [j, [method, stepMode]] of offlineModes.entries()) {
      if (name === 'plif' && method !== 'bptt') continue
      if (!isLong && all === pairs && (Math.floor(i / 2) + i + j) % 2 === 1) continue
      test(`${name} ${JSON.stringify(options)} ${method} ${stepMode}`, async () => {
        const input = [2, 4, 6] as const
        const shared = { input, timeSteps: 5, batchSize: 3, method, stepMode, frames: true }
        const layers = layersOf(input, text, { neuron: () => make(options) })
        await checkCase(name, await makeCase(layers, shared, seed))
      })
    }

test('without neurons, gradients of the reference and the engine are slopes of the loss', async () => {
  const input = [4, 6, 7] as const
  const layers = layersOf(
    input,
    `conv 8 3 padding=1 groups=4 bias=false, conv 8 3 stride=2 groups=8, norm,
     conv 16 2 groups=2 standardise=true padding=1, avgPool2d 2 padding=1, conv 6 1 groups=2,
     flatten, linear 4`,
  )
  const options = { input, timeSteps: 2, frames: true, method: 'bptt' } as const
  const model = await compileCase(layers, { ...options, batchSize: 3 })
  const state: StateDict = {}
  for (const [name, { shape, data }] of Object.entries(model.stateDict()))
    state[name] = { shape, data: uniform(data.length, 1, seed + name.length).map(Math.abs) }
  model.loadStateDict(state)
  const x = uniform(2 * 3 * 4 * 42, 1, seed)
  const y = [0, 2, 3]
  const step = () => referenceStep(layers, state, x, y, { ...options, batch: 3 })
  const { gradients } = step()
  await model.trainStep(x, y, { update: false })
  checkGradients(`seed=${seed}`, { layers }, model.gradients(), gradients, 1e-4)
  await model.dispose()
  for (const [name, gradient] of Object.entries(gradients))
    for (let tried = 0; tried < 6; tried++) {
      const index = (tried * 7919) % gradient.length
      const slope = slopeAt(state[name].data as Float32Array, index, () => step().loss)
      const apart = Math.abs(slope - gradient[index])
      assert.ok(apart < 1e-4 + 1e-3 * Math.abs(slope), `${name}[${index}]: slope ${slope}`)
    }
})

test.run()
