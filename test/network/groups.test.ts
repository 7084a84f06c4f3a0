/** Convolutions by groups of channels beside dense ones whose weights are zero between groups. */

import * as assert from 'uvu/assert'
import { type Layer, type StateDict, sequential } from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { compileCase, makeCase, stepOnEngine } from '../support/case.js'
import { groupedChains } from '../support/chains.js'
import { isLong } from '../support/long.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import { Op } from '../support/operations.js'

const seed = Number(process.env.SEED ?? 17)

test('the networks between them run every kernel of groups', async () => {
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

/** The same network without groups. */
const dense = (layers: readonly Layer[]): Layer[] =>
  layers.map((layer) => (layer.kind === 'conv2d' ? { ...layer, groups: 1 } : layer))

/** Its parameters: zero between groups. */
function denseState(layers: readonly Layer[], state: StateDict): StateDict {
  return Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => {
      const [index, role] = name.split('.')
      const layer = layers[Number(index)]
      if (layer.kind !== 'conv2d' || role !== 'weight') return [name, { shape, data }]
      const [out, groupIn, kh, kw] = shape
      const [all, size] = [groupIn * layer.groups, groupIn * kh * kw]
      const whole = new Float32Array(out * all * kh * kw)
      for (let n = 0; n < out; n++) {
        const first = Math.floor(n / (out / layer.groups)) * groupIn
        whole.set(data.subarray(n * size, (n + 1) * size), (n * all + first) * kh * kw)
      }
      return [name, { shape: [out, all, kh, kw], data: whole }]
    }),
  )
}

const unscaled = Object.entries(groupedChains).filter(([name]) => !name.startsWith('standardised'))
for (const [i, [name, { layers, input, modes }]] of unscaled.entries())
  test(`${name}: a dense convolution with zeros between the groups gives the same`, async () => {
    for (const [j, [method, stepMode]] of modes.entries()) {
      if (!isLong && (i + j) % 2 === 0) continue
      const options = { input, timeSteps: 4, batchSize: 3, method, stepMode } as const
      const c = await makeCase(layers, options, seed)
      const { model } = await stepOnEngine(c)
      const whole = await compileCase(dense(layers), options)
      whole.loadStateDict(denseState(layers, c.state))
      await whole.trainStep(c.x, c.y, { update: false })
      const where = `${method} ${stepMode} seed=${c.seed}`
      expectClose(`${where} output`, model.output(), whole.output(), 1e-5)
      const [gradients, expected] = [model.gradients(), whole.gradients()]
      for (const [role, { data }] of Object.entries(denseState(layers, gradients))) {
        // Between groups the dense convolution has gradients, too.
        const inside = denseState(layers, { [role]: gradients[role] })[role].data
        const kept = expected[role].data.map((g, i) => (inside[i] === 0 ? 0 : g))
        const index = Number(role.split('.')[0])
        // Zero but for rounding: see checkGradients.
        if (role.endsWith('bias') && layers[index + 1]?.kind === 'batchNorm2d') continue
        expectClose(`${where} gradient of ${role}`, data, kept, 1e-4)
      }
      await Promise.all([model.dispose(), whole.dispose()])
    }
  })

test("state dicts have PyTorch's shapes and come back as they were", async () => {
  const model = await compileNet(
    `conv 6 3 groups=6 padding=1, lif, conv 9 3x2 groups=3 bias=false, lif, conv 9 1 groups=9,
     flatten, linear 4`,
    { input: [6, 5, 5], timeSteps: 2, batchSize: 2 },
  )
  const state = model.stateDict()
  assert.equal(Object.fromEntries(Object.entries(state).map(([name, of]) => [name, of.shape])), {
    '0.weight': [6, 1, 3, 3],
    '0.bias': [6],
    '2.weight': [9, 2, 3, 2],
    '4.weight': [9, 1, 1, 1],
    '4.bias': [9],
    '6.weight': [4, 108],
    '6.bias': [4],
  })
  assert.is(model.parameterCount, 54 + 6 + 108 + 9 + 9 + 432 + 4)
  // Within PyTorch's bounds, and not far from them.
  const fanIns = { '0.weight': 9, '0.bias': 9, '2.weight': 12, '4.weight': 1 }
  for (const [name, fanIn] of Object.entries(fanIns)) {
    const most = Math.max(...state[name].data.map(Math.abs))
    const bound = 1 / Math.sqrt(fanIn)
    assert.ok(most <= bound && most > 0.5 * bound, `${name}: ${most} of ${bound}`)
  }
  for (const [name, { shape, data }] of Object.entries(state))
    state[name] = { shape, data: uniform(data.length, 1, name.length) }
  model.loadStateDict(state)
  expectSameBits('what was loaded', model.stateDict(), state)
})

test('standardised groups of a width that no vector fills are refused', async () => {
  const dw = netOf([4, 3, 3], 'conv 12 3 groups=2 standardise=true, flatten')
  await expectRefusal(
    () => modelOf(sequential({ dw }), { input: [4, 3, 3] }),
    /^dw\.0 \(conv2d\): standardise with groups needs a multiple of 4 output channels in each group, got 6/,
  )
})

test.run()
