/**
 * Convolutions by groups of channels in whole networks: against the float64 reference, finite
 * differences and dense convolutions whose weights are zero between groups.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  flatten,
  type Layer,
  lif,
  linear,
  type StateDict,
  scale,
  sequential,
  sgd,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import { checkCase, compileCase, makeCase, stepOnEngine } from '../support/case.js'
import { testRandom } from '../support/engine.js'
import { byStep } from '../support/frames.js'
import { isLong } from '../support/long.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { Op } from '../support/operations.js'
import { referenceStep } from '../support/reference.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 17)

interface Network {
  readonly name: string
  readonly input: readonly [number, number, number]
  readonly layers: readonly Layer[]
  /** OTTT's traces read spikes alone. */
  readonly currents?: boolean
}

/** Channels at, below and above whole vectors; strides, pools and kernels that leave a rest. */
const networks: readonly Network[] = [
  {
    name: 'depthwise separable',
    input: [3, 7, 6],
    layers: [
      conv2d(3, 12, 3, { padding: 1, bias: false }),
      batchNorm2d(12),
      lif(),
      conv2d(12, 12, 3, { padding: 1, groups: 12, bias: false }),
      batchNorm2d(12),
      lif(),
      conv2d(12, 10, 1),
      lif(),
      conv2d(10, 10, 3, { stride: 2, groups: 10 }),
      lif(),
      flatten(),
      linear(10 * 3 * 2, 5),
    ],
  },
  {
    name: 'groups of vectors and less',
    input: [6, 6, 7],
    layers: [
      conv2d(6, 18, 3, { padding: 1, groups: 3 }),
      lif(),
      conv2d(18, 32, [3, 2], { groups: 2, stride: [2, 1], bias: false }),
      batchNorm2d(32),
      lif(),
      conv2d(32, 20, 2, { groups: 4, padding: [1, 0] }),
      lif(),
      flatten(),
      linear(20 * 3 * 5, 4),
    ],
  },
  {
    name: 'pools and currents before groups',
    input: [4, 6, 8],
    currents: true,
    layers: [
      conv2d(4, 8, 3, { padding: 1, groups: 4 }),
      conv2d(8, 8, 3, { padding: 1, groups: 8 }),
      lif(),
      avgPool2d(2),
      conv2d(8, 16, 2, { groups: 2 }),
      conv2d(16, 16, 1, { groups: 16 }),
      lif(),
      scale(1.5),
      conv2d(16, 6, 1, { groups: 2 }),
      lif({ vThreshold: 0.5 }),
      flatten(),
      linear(6 * 2 * 3, 3),
    ],
  },
  {
    name: 'few large groups',
    input: [4, 8, 8],
    layers: [
      conv2d(4, 32, 3, { padding: 1, bias: false }),
      batchNorm2d(32),
      lif(),
      conv2d(32, 64, 3, { padding: 1, groups: 2 }),
      batchNorm2d(64),
      lif(),
      avgPool2d(2),
      conv2d(64, 48, 3, { padding: 1, groups: 2, bias: false }),
      batchNorm2d(48),
      lif(),
      avgPool2d(4),
      flatten(),
      linear(48, 3),
    ],
  },
  {
    name: 'an image of its own groups',
    input: [3, 5, 5],
    layers: [
      conv2d(3, 3, 3, { groups: 3 }),
      lif(),
      conv2d(3, 9, 2, { groups: 3, padding: 1 }),
      lif(),
      flatten(),
      linear(9 * 16, 4),
    ],
  },
]

for (const [i, { name, layers, input, currents }] of networks.entries())
  for (const [j, [method, stepMode]] of usualModes.entries()) {
    if (method === 'ottt' && currents) continue
    // Each network and each method has both.
    const [timeSteps, frames] = (i + j) % 2 === 0 ? [4, false] : [5, true]
    test(`${name} ${method} ${stepMode}: the float64 reference, T = ${timeSteps}`, async () => {
      const options = { input, timeSteps, batchSize: 3, method, stepMode, frames }
      const c = await makeCase(layers, options, seed)
      await checkCase('release', c)
      // To start threads takes longer than a step.
      if (isLong || frames)
        await checkCase('debug', c, { engine: 'debug', threads: j % 2 === 0 ? 2 : 1 })
    })
  }

test('T = 9 and 17 (two and three planes of masks): the float64 reference', async () => {
  for (const timeSteps of [9, 17])
    for (const { layers, input } of networks.slice(0, 2)) {
      const options = { input, timeSteps, batchSize: 2, method: 'bptt', stepMode: 'm' } as const
      await checkCase(`T=${timeSteps}`, await makeCase(layers, options, seed))
    }
})

test('the networks between them run every kernel of groups', async () => {
  const ops = new Set<string>()
  for (const { layers, input } of networks)
    for (const method of ['rate', 'sltt'] as const) {
      const options = { input, timeSteps: 4, batchSize: 3, method } as const
      const model = await compileCase(layers, options)
      await model.trainStep(
        uniform(
          input.reduce((a, b) => a * b, 3),
          1,
          seed,
        ),
        labels(3, model.classes, seed),
      )
      for (const { op } of await model.profile(1)) ops.add(op)
      await model.dispose()
    }
  assert.equal(
    [...ops].filter((op) => op.startsWith('Grouped')).sort(),
    Object.keys(Op)
      .filter((op) => op.startsWith('Grouped'))
      .sort(),
  )
})

test('standardised weights by groups: the float64 reference', async () => {
  const layers = [
    conv2d(3, 8, 3, { padding: 1, standardise: true }),
    lif(),
    conv2d(8, 16, 3, { groups: 2, standardise: true }),
    lif(),
    conv2d(16, 16, 3, { groups: 16, standardise: true, bias: false }),
    lif(),
    flatten(),
    linear(16 * 4, 4),
  ]
  for (const [method, stepMode] of usualModes) {
    const options = { input: [3, 6, 6], timeSteps: 4, batchSize: 3, method, stepMode } as const
    const c = await makeCase(layers, options, seed)
    await checkCase(`${method} ${stepMode}`, c)
  }
})

for (const method of ['ottt', 'sltt'] as const)
  test(`${method} update everyStep: parameters move as by the definition`, async () => {
    const layers = [
      conv2d(3, 12, 3, { padding: 1, groups: 3 }),
      lif(),
      conv2d(12, 12, 3, { groups: 12, bias: false }),
      lif(),
      conv2d(12, 24, 3, { padding: 1, groups: 2 }),
      lif({ vThreshold: 0.5 }),
      flatten(),
      linear(24 * 4 * 3, 4),
    ]
    const optimizer = { lr: 0.05, momentum: 0.9, weightDecay: 1e-3, decay: 'all' as const }
    const options = { timeSteps: 4, batchSize: 3, method, update: 'everyStep' } as const
    const c = await makeCase(layers, { input: [3, 6, 5], ...options }, seed, { sgd: optimizer })
    const { model } = await stepOnEngine(c, {}, sgd(optimizer))
    const state = model.stateDict()
    await model.dispose()
    for (const name of Object.keys(c.reference.gradients)) {
      const moved = (now: ArrayLike<number>): Float64Array =>
        Float64Array.from(now, (v, i) => v - c.state[name].data[i])
      expectClose(
        `movement of ${name} seed=${c.seed}`,
        moved(state[name].data),
        moved(c.reference.state[name]),
        1e-3,
      )
    }
  })

// Against dense convolutions.

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
      const [all, taps] = [groupIn * layer.groups, kh * kw]
      const whole = new Float32Array(out * all * taps)
      for (let n = 0; n < out; n++) {
        const first = Math.floor(n / (out / layer.groups)) * groupIn
        whole.set(
          data.subarray(n * groupIn * taps, (n + 1) * groupIn * taps),
          (n * all + first) * taps,
        )
      }
      return [name, { shape: [out, all, kh, kw], data: whole }]
    }),
  )
}

for (const [i, { name, layers, input, currents }] of networks.entries())
  test(`${name}: a dense convolution with zeros between the groups gives the same`, async () => {
    for (const [j, [method, stepMode]] of usualModes.entries()) {
      if (method === 'ottt' && currents) continue
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
      await model.dispose()
      await whole.dispose()
    }
  })

// A network without neurons is smooth.

test('gradients equal finite differences of the loss', async () => {
  const layers = [
    conv2d(4, 8, 3, { padding: 1, groups: 4 }),
    conv2d(8, 8, 3, { stride: 2, groups: 8 }),
    batchNorm2d(8),
    conv2d(8, 16, 2, { groups: 2, standardise: true, padding: 1 }),
    conv2d(16, 6, 1, { groups: 2 }),
    flatten(),
    linear(6 * 12, 4),
  ]
  const options = { input: [4, 6, 7], timeSteps: 2, batchSize: 3, method: 'bptt' } as const
  const model = await compileCase(layers, options)
  const state = model.stateDict()
  const x = uniform(3 * 4 * 42, 1, seed)
  const y = labels(3, 4, seed)
  const loss = (): number =>
    referenceStep(layers, state, x, y, { ...options, batch: 3, frames: false }).loss
  await model.trainStep(x, y, { update: false })
  const gradients = model.gradients()
  const random = testRandom(seed)
  for (const [name, { data }] of Object.entries(gradients)) {
    // In float64 a small step is exact enough.
    const value = Float32Array.from(state[name].data)
    for (let tried = 0; tried < 6; tried++) {
      const index = Math.floor(random() * data.length)
      const h = 2 ** -9
      state[name].data.set(value)
      state[name].data[index] = value[index] + h
      const plus = loss()
      const up = state[name].data[index]
      state[name].data[index] = value[index] - h
      const slope = (plus - loss()) / (up - state[name].data[index])
      state[name].data.set(value)
      assert.ok(
        Math.abs(slope - data[index]) < 1e-4 + 1e-3 * Math.abs(slope),
        `${name}[${index}]: ${data[index]}, finite difference ${slope} seed=${seed}`,
      )
    }
  }
  await model.dispose()
})

// Bits.

const sized = (options: Partial<CompileOptions>, { input }: Network) => {
  const batchSize = 9
  const count = input.reduce((a, b) => a * b, batchSize)
  return { options: { input, batchSize, timeSteps: 4, seed: 3, ...options }, batchSize, count }
}

for (const [i, network] of networks.entries())
  for (const [j, [method, stepMode]] of usualModes.entries()) {
    if (method === 'ottt' && network.currents) continue
    // Starting threads takes longer than the steps: two in one build, three in the other, or none.
    // Each network and each method has both.
    const one = isLong ? -1 : (i + j + 2) % 3
    if (one === 2) continue
    test(`${network.name} ${method} ${stepMode}: threads and builds give the same bits`, async () => {
      const { options, batchSize, count } = sized({ method, stepMode }, network)
      const train = async (more: Partial<CompileOptions>): Promise<StateDict> => {
        const model = await sequential(...network.layers).compile({ ...options, ...more })
        for (let step = 0; step < 3; step++)
          await model.trainStep(
            uniform(count, 3, seed + step),
            labels(batchSize, model.classes, seed + step),
            { lr: 0.1 },
          )
        const state = model.stateDict()
        await model.dispose()
        return state
      }
      const first = await train({ threads: 1 })
      if (one !== 1) expectSameBits('3 threads', await train({ threads: 3 }), first)
      if (one !== 0)
        expectSameBits('debug, 2 threads', await train({ threads: 2, engine: 'debug' }), first)
    })
  }

test('inference and streams give the bits of training', async () => {
  for (const network of networks) {
    const { layers, input } = network
    const { options, batchSize, count } = sized({ stepMode: 's' }, network)
    const make = (more: Partial<CompileOptions>) =>
      sequential(...layers).compile({ ...options, ...more })
    for (const stepMode of ['m', 's'] as const) {
      const [full, inference] = [
        await make({ stepMode }),
        await make({ stepMode, purpose: 'inference' }),
      ]
      const x = uniform(count, 3, seed)
      await full.trainStep(x, labels(batchSize, full.classes, seed))
      inference.loadStateDict(full.stateDict())
      assert.equal((await inference.predict(x)).logits, (await full.predict(x)).logits)
      assert.ok(Object.values(full.firingRates()).some((rate) => rate > 0.01))
      await full.dispose()
      await inference.dispose()
    }
    const [whole, stream] = [await make({ frames: true }), await make({ purpose: 'stream' })]
    const x = uniform(4 * count, 3, seed)
    await whole.trainStep(x, labels(batchSize, whole.classes, seed))
    stream.loadStateDict(whole.stateDict())
    const { logits } = await whole.predict(x)
    const steps = byStep(x, 4, batchSize)
    let last: ArrayLike<number> = []
    for (let t = 0; t < 4; t++)
      last = (await stream.step(steps.subarray(t * count, (t + 1) * count))).logits
    assert.equal(last, logits, `a stream, [${input}]`)
    await whole.dispose()
    await stream.dispose()
  }
})

// Parameters.

test("state dicts have PyTorch's shapes and come back as they were", async () => {
  const layers = [
    conv2d(6, 6, 3, { groups: 6, padding: 1 }),
    lif(),
    conv2d(6, 9, [3, 2], { groups: 3, bias: false }),
    lif(),
    conv2d(9, 9, 1, { groups: 9 }),
    flatten(),
    linear(9 * 12, 4),
  ]
  const options = { input: [6, 5, 5], timeSteps: 2, batchSize: 2 } as const
  const model = await compileCase(layers, options)
  const state = model.stateDict()
  assert.equal(
    Object.entries(state).map(([name, { shape }]) => [name, [...shape]]),
    [
      ['0.weight', [6, 1, 3, 3]],
      ['0.bias', [6]],
      ['2.weight', [9, 2, 3, 2]],
      ['4.weight', [9, 1, 1, 1]],
      ['4.bias', [9]],
      ['6.weight', [4, 108]],
      ['6.bias', [4]],
    ],
  )
  assert.is(model.parameterCount, 54 + 6 + 108 + 9 + 9 + 432 + 4)
  // Within PyTorch's bounds, and not far from them.
  for (const [name, fanIn] of [
    ['0.weight', 9],
    ['0.bias', 9],
    ['2.weight', 12],
    ['4.weight', 1],
  ] as const) {
    const most = Math.max(...state[name].data.map(Math.abs))
    const bound = 1 / Math.sqrt(fanIn)
    assert.ok(most <= bound && most > 0.5 * bound, `${name}: ${most} of ${bound}`)
  }
  for (const [name, { shape, data }] of Object.entries(state))
    state[name] = { shape, data: uniform(data.length, 1, name.length) }
  model.loadStateDict(state)
  expectSameBits('what was loaded', model.stateDict(), state)
  await model.dispose()
})

test('one group is what no groups are', async () => {
  assert.equal(conv2d(4, 8, 3, { groups: 1 }), conv2d(4, 8, 3))
})

test('bad groups: one clear error', async () => {
  const wrong = (value: unknown): number => value as number
  for (const [make, message] of [
    [() => conv2d(4, 8, 3, { groups: 0 }), 'conv2d.groups must be an integer ≥ 1, got 0'],
    [() => conv2d(4, 8, 3, { groups: 1.5 }), 'conv2d.groups must be an integer ≥ 1, got 1.5'],
    [
      () => conv2d(4, 8, 3, { groups: wrong('2') }),
      'conv2d.groups must be an integer ≥ 1, got "2"',
    ],
    [
      () => conv2d(4, 8, 3, { groups: 3 }),
      'conv2d.groups must divide inChannels and outChannels, got 3 with inChannels 4; ' +
        'choose a divisor of both',
    ],
    [
      () => conv2d(4, 6, 3, { groups: 4 }),
      'conv2d.groups must divide inChannels and outChannels, got 4 with outChannels 6; ' +
        'choose a divisor of both',
    ],
  ] as const)
    assert.is(await messageOf(make), message)
  const layers = { dw: conv2d(4, 12, 3, { groups: 2, standardise: true }), out: flatten() }
  assert.match(
    await messageOf(() => sequential(layers).compile({ input: [4, 3, 3] })),
    /^dw \(conv2d\): standardise with groups needs a multiple of 4 output channels in each group, got 6/,
  )
})

test.run()
