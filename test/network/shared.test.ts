/** Layers that are called more than once: one layer with one set of parameters. */

import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { callsOf } from '../../src/edge/abi.js'
import { showSample } from '../../src/edge/accuracy.js'
import { exportWasm } from '../../src/edge/export.js'
import { openNet } from '../../src/edge/net.js'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { checkCase, makeCase, stepOnEngine } from '../support/case.js'
import { integer, one } from '../support/draw/random.js'
import { testRandom } from '../support/engine.js'
import { differing } from '../support/exported.js'
import { ofLong } from '../support/long.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 11)
const spiking = { vThreshold: 0.4 }
const lif = () => api.lif(spiking)

/** A chain by a picture of it: equal letters are one layer. */
const chainOf = (picture: string, make: Readonly<Record<string, () => api.Layer>>): api.Layer[] => {
  const made = new Map<string, api.Layer>()
  return picture.split(' ').map((letter) => {
    if (letter === '|') return lif()
    const layer = made.get(letter) ?? make[letter]()
    made.set(letter, layer)
    return layer
  })
}

type Shape = api.InputShape & readonly number[]
/** Input, picture, layers. */
const chains: Readonly<Record<string, readonly [Shape, string, Record<string, () => api.Layer>]>> =
  {
    'linear, without and with a bias': [
      [6],
      'a | b | b | a | b | c',
      {
        a: () => api.linear(6, 6),
        b: () => api.linear(6, 6, { bias: false }),
        c: () => api.linear(6, 3),
      },
    ],
    'a convolution that reads the input too': [
      [3, 5, 6],
      'a | a | a | f c',
      {
        a: () => api.conv2d(3, 3, 3, { padding: 1 }),
        f: () => api.flatten(),
        c: () => api.linear(90, 3),
      },
    ],
    'wide convolutions, strides apart': [
      [5, 9, 8],
      'i | a | a | d | d | f c',
      {
        i: () => api.conv2d(5, 33, 1),
        a: () => api.conv2d(33, 33, 3, { padding: 1 }),
        d: () => api.conv2d(33, 33, 3, { padding: 1, stride: 2 }),
        f: () => api.flatten(),
        c: () => api.linear(33 * 6, 3),
      },
    ],
    'groups, depthwise and standardised weights': [
      [4, 6, 5],
      'i | a | b | a | b | s | t | s | t | f c',
      {
        i: () => api.conv2d(4, 8, 1),
        a: () => api.conv2d(8, 8, 3, { padding: 1, groups: 8 }),
        b: () => api.conv2d(8, 8, 3, { padding: 1, groups: 2 }),
        s: () => api.conv2d(8, 8, 3, { padding: 1, standardise: true }),
        t: () => api.conv2d(8, 8, 1, { groups: 2, standardise: true, bias: false }),
        f: () => api.flatten(),
        c: () => api.linear(240, 3),
      },
    ],
    'normalisations of batches': [
      [3, 4, 5],
      'a n | a n | a n | f c',
      {
        a: () => api.conv2d(3, 3, 3, { padding: 1, bias: false }),
        n: () => api.batchNorm2d(3, { momentum: 0.3 }),
        f: () => api.flatten(),
        c: () => api.linear(60, 3),
      },
    ],
    'normalisations of samples': [
      [4, 3, 4],
      'a g | a g | b n | b n | f c',
      {
        a: () => api.conv2d(4, 4, 3, { padding: 1 }),
        b: () => api.conv2d(4, 4, 1),
        g: () => api.groupNorm(2, 4),
        n: () => api.layerNorm([4, 3, 4]),
        f: () => api.flatten(),
        c: () => api.linear(48, 3),
      },
    ],
    'neurons that learn': [
      [6],
      'a p a p a q b q c',
      {
        a: () => api.linear(6, 6),
        b: () => api.linear(6, 6),
        p: () => api.plif(spiking),
        q: () => api.lif({ tau: [2, 3, 2, 4, 2, 3], vThreshold: 0.4, learn: ['vThreshold'] }),
        c: () => api.linear(6, 3),
      },
    ],
    'transposed convolutions': [
      [3, 4, 5],
      't | t | s | s | f c',
      {
        t: () => api.convTranspose2d(3, 3, 3, { padding: 1 }),
        s: () => api.convTranspose2d(3, 3, 1, { bias: false }),
        f: () => api.flatten(),
        c: () => api.linear(60, 3),
      },
    ],
    'recurrent neurons': [
      [6],
      'a r a r | c',
      {
        a: () => api.linear(6, 6),
        r: () => api.recurrent(lif(), { bias: true }),
        c: () => api.linear(6, 3),
      },
    ],
  }

const online = (method: api.Method): boolean => method !== 'rate' && method !== 'bptt'

for (const [name, [input, picture, make]] of Object.entries(chains))
  for (const [method, stepMode] of usualModes) {
    if (name === 'neurons that learn' && online(method)) continue
    if (name === 'recurrent neurons' && (method === 'rate' || method === 'ottt')) continue
    test(`${name}: ${method} ${stepMode}`, async () => {
      const options = { input, timeSteps: 6, batchSize: 3, method, stepMode }
      await checkCase(name, await makeCase(chainOf(picture, make), options, seed), {}, 1e-5)
    })
  }

const delays = {
  dcls1d: () => api.dcls1d(6, 6, { maxDelay: 3, kernelCount: 2 }),
  delay: () => api.delay([0, 0.5, 1.25, 2, 1, 0], { maxDelay: 3 }),
}
for (const [name, make] of Object.entries(delays))
  test(`${name} at two places has the sum of the gradients of two that are alike`, async () => {
    const trained = async (second: api.Layer, from?: api.StateDict): Promise<api.Model> => {
      const net = api.sequential(layer, lif(), second, lif(), api.linear(6, 3))
      const options = { input: [6], timeSteps: 6, batchSize: 3, frames: true } as const
      const model = await modelOf(net, { ...options, method: 'bptt' })
      if (from) model.loadStateDict(from)
      await model.trainStep(uniform(108, 2, seed), [0, 1, 2], { update: false })
      return model
    }
    const layer = make()
    const shared = await trained(layer)
    const state = shared.stateDict()
    const learnt = Object.keys(state).filter((key) => key.startsWith('0.'))
    const twins = learnt.map((key) => [key.replace('0.', '2.'), state[key]])
    const alike = await trained(make(), { ...state, ...Object.fromEntries(twins) })
    const [found, each] = [shared.gradients(), alike.gradients()]
    for (const key of learnt) {
      const [one, two] = [each[key].data, each[key.replace('0.', '2.')].data]
      const most = Math.max(...one.map(Math.abs))
      for (const [i, value] of found[key].data.entries())
        assert.ok(most > 0 && Math.abs(value - one[i] - two[i]) <= 1e-5 * most, `${key} ${i}`)
    }
  })

/** Stages [C, H, W] → [C, H, W] whose layers come from small pools, so that they repeat. */
function randomChain(random: () => number, input: Shape, method: api.Method): api.Layer[] {
  const [c, h, w] = input
  const pick = <T>(list: readonly T[]): T => one(random, list)
  const pool = <T>(make: () => T): T[] => [make(), make()]
  const divisors = Array.from({ length: c }, (_, i) => i + 1).filter((n) => c % n === 0)
  const convs = pool(() => {
    const kernel = pick([1, 3, 3, 5])
    return api.conv2d(c, c, kernel, { padding: kernel >> 1, standardise: random() < 0.3 })
  })
  const grouped = pool(() =>
    api.conv2d(c, c, 3, { padding: 1, groups: pick(divisors), bias: random() < 0.5 }),
  )
  // Behind a bias a normalisation of batches leaves no gradient.
  const plain = pool(() => api.conv2d(c, c, 3, { padding: 1, bias: false }))
  const batch = pool(() => api.batchNorm2d(c))
  const norms = pool(() => api.groupNorm(1, c))
  const learnt = pool(() => api.lif({ ...spiking, tau: 2.5, learn: ['vThreshold'] }))
  const heard = pool(() => api.recurrent(lif()))
  const stages: (() => api.Layer[])[] = [
    () => [pick(convs), lif()],
    () => [pick(grouped), lif()],
    () => [pick(convs), pick(norms), lif()],
    () => [pick(plain), pick(batch), lif()],
    () => [pick(convs), online(method) ? lif() : pick(learnt)],
    () => [pick(convs), method === 'ottt' || method === 'rate' ? lif() : pick(heard)],
  ]
  const chain = Array.from({ length: 6 }, () => pick(stages)()).flat()
  return [...chain, api.flatten(), api.linear(c * h * w, 3)]
}

test('random chains whose layers repeat have the gradients of float64', async () => {
  for (let i = 0; i < ofLong(8, 200); i++) {
    const random = testRandom(seed + i)
    const [method, stepMode] = usualModes[i % usualModes.length]
    const input = [one(random, [2, 3, 4, 8, 9]), integer(random, 2, 5), integer(random, 2, 5)]
    const shape = input as unknown as Shape
    const chain = randomChain(random, shape, method)
    const options = { input: shape, timeSteps: integer(random, 1, 5), batchSize: 2, method }
    const of = await makeCase(chain, { ...options, stepMode, frames: random() < 0.5 }, seed + i)
    const { model } = await stepOnEngine(of)
    const found = Object.entries(model.gradients())
    await model.dispose()
    const { gradients } = of.reference
    const most = Math.max(...Object.values(gradients).map((all) => largest(all)))
    for (const [name, { data }] of found) {
      const far = largest(data.map((value, at) => value - gradients[name][at]))
      assert.ok(far <= 1e-5 * most, `network ${i}, ${method} ${stepMode}: ${name} ${far / most}`)
    }
  }
})

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** A convolution at two places, a normalisation and a linear layer called twice at one. */
const mixed = (): api.Block => {
  const conv = api.conv2d(4, 4, 3, { padding: 1, bias: false })
  return api.block(
    {
      head: api.sequential(api.conv2d(1, 4, 3, { padding: 1 }), lif()),
      a: conv,
      b: api.sequential({ same: conv }),
      norm: api.batchNorm2d(4),
      act: lif(),
      flat: api.flatten(),
      wide: api.linear(64, 32),
      fc: api.linear(32, 32),
      cell: api.plif(spiking),
      out: api.linear(32, 3),
    },
    (m, x) => {
      const y = m.act(m.norm(m.b(m.act(m.norm(m.a(m.head(x)))))))
      return m.out(m.cell(m.fc(m.cell(m.fc(m.act(m.wide(m.flat(y))))))))
    },
  )
}
const input = [1, 4, 4] as const
const batch = (n: number) => uniform(16 * n, 2, seed)
const labelsOf = [0, 1, 2, 0]
const trained = async (options: Partial<api.CompileOptions> = {}): Promise<api.Model> => {
  const model = await modelOf(mixed(), { input, timeSteps: 5, batchSize: 4, ...options })
  for (let step = 0; step < 3; step++) await model.trainStep(batch(4), labelsOf, { lr: 0.1 })
  return model
}

test('threads, parts that are made again and a file leave the bits of shared layers', async () => {
  const state = (await trained()).stateDict()
  expectSameBits('threads', (await trained({ threads: 3 })).stateDict(), state)
  const bptt = { method: 'bptt' } as const
  const again = { ...bptt, gradientCheckpoint: 'layers' } as const
  const plain = await trained(bptt)
  expectSameBits('layers', (await trained(again)).stateDict(), plain.stateDict())
  const accumulated = await trained({ ...bptt, stepMode: 's' })
  assert.is(Object.keys(accumulated.gradients()).length, 12)
  const loaded = await own(api.loadModel(await plain.toBytes(), { purpose: 'train', batchSize: 4 }))
  expectSameBits('file', loaded.stateDict(), plain.stateDict())
  const networks = [loaded, plain].map((model) => ({ ...model.toJSON() }))
  assert.equal(networks[0], networks[1])
  for (const model of [loaded, plain]) await model.trainStep(batch(4), labelsOf, { update: false })
  expectSameBits('gradients', loaded.gradients(), plain.gradients())
})

test('a state dict has the names of first places, and takes those of PyTorch, which has all', async () => {
  const model = await trained()
  const state = model.stateDict()
  const names = Object.keys(state).map((name) => name.replace(/\.[^.]+$/, ''))
  assert.equal([...new Set(names)], ['head.0', 'a', 'norm', 'wide', 'fc', 'cell', 'out'])
  const twin = (): api.StateDict => ({ ...state, 'b.same.weight': state['a.weight'] })
  const other = await modelOf(mixed(), { input, timeSteps: 5 })
  other.loadStateDict(twin())
  expectSameBits('both names', other.stateDict(), state)
  const { 'a.weight': weight, ...rest } = state
  const third = await modelOf(mixed(), { input, timeSteps: 5 })
  third.loadStateDict({ ...rest, 'b.same.weight': weight })
  expectSameBits('the second names', third.stateDict(), state)
  const moved = { shape: weight.shape, data: weight.data.map((x) => x + 1) }
  for (const wrong of [
    { ...state, 'b.same.weight': moved },
    { 'b.same.weight': moved, ...state },
  ])
    await expectRefusal(
      () => other.loadStateDict(wrong),
      "the state dict's b.same.weight must have the numbers of a.weight, since they are one " +
        'layer; leave one out, or make a layer for each place',
    )
})

test('parameters of shared layers are counted once, frozen and grouped by either name', async () => {
  const model = await trained()
  const rows = model.summary().split('\n')
  const row = (name: string) => rows.filter((line) => line.startsWith(`${name} `))
  assert.match(row('a')[0], / 144$/)
  assert.match(row('b.same')[0], / as a$/)
  assert.equal(
    row('fc').map((line) => line.split(/\s+/).slice(3).join(' ')),
    ['1,056', 'as fc'],
  )
  assert.match(model.summary(), /parameters 3,428;/)
  const data = api.fromArrays({ images: batch(4), labels: labelsOf, shape: input, classes: 3 })
  const fit = async (options: api.FitOptions) => {
    const before = model.stateDict()
    await model.fit(data, { epochs: 1, ...options })
    const after = model.stateDict()
    const stays = (name: string) => before[name].data.every((x, i) => x === after[name].data[i])
    return Object.keys(before).filter((name) => stays(name) && !name.includes('running'))
  }
  assert.equal(await fit({ freeze: 'b' }), ['a.weight'])
  const { operations } = await model.evaluate(data)
  assert.equal(
    Object.keys(operations?.layers ?? {}).filter((name) => /^(fc|a$|b)/.test(name)),
    ['a', 'b.same', 'fc', 'fc (call 2)'],
  )
  const groups = [{ params: 'b.same.weight', lr: 0 }]
  assert.equal(await fit({ optimizer: api.sgd({ lr: 0.1, groups }) }), ['a.weight'])
})

test('files of shared layers have the bits of predict, and each parameter once', async () => {
  const model = await trained()
  const x = batch(1)
  const { logits } = await model.predict(x)
  for (const weights of ['f32', 'int8'] as const) {
    const bytes = (await exportWasm(model, { weights })) as Uint8Array
    const file = await openNet(bytes)
    showSample(file, callsOf(file.info)[0], new Uint8Array(x.buffer))
    if (weights === 'f32') assert.is(differing(file.output, logits), 0)
    assert.is(file.info.parameters, 3428)
  }
})

test('what depends on one place is refused by name', async () => {
  const at = (layers: api.Module[], shape: api.InputShape, options = {}) =>
    modelOf(api.sequential(...layers), { input: shape, ...options })
  const fc = api.linear(8, 8)
  const images = [api.conv2d(2, 2, 1), lif(), api.flatten(), fc, lif(), fc]
  await expectRefusal(
    () => at(images, [2, 2, 2]),
    '5 (linear): 3 is called with [2, 2, 2] too, and its weight cannot be the same for ' +
      '[8, 1, 1]; call it with values of one shape [C, H, W], or make a layer of its own for each',
  )
  const own = api.recurrent(lif())
  const twice = api.block({ own, pool: api.avgPool2d(2), f: api.flatten(), l: fc }, (m, x) =>
    m.l(m.f(m.own(m.pool(m.own(x))))),
  )
  await expectRefusal(
    () => modelOf(twice, { input: [8, 2, 2], method: 'bptt' }),
    /^own \(recurrent\(lif\)\): it is called with \[8, 2, 2\] too, and its recurrent\.weight cannot be the same for \[8, 1, 1\]/,
  )
  const model = await at([fc, lif(), fc], [8], { method: 'bptt', inspect: true, batchSize: 1 })
  await model.trainStep(uniform(8, 1, seed), [0])
  await expectRefusal(
    () => model.diagnostics(),
    'diagnostics: 2 (linear) is called more than once, so that its gradient is a sum; it takes ' +
      'networks without shared layers',
  )
})

test('NIR has the weights of a shared layer at each place', () =>
  withFolder(async (folder) => {
    const fc = api.linear(6, 6)
    const model = await modelOf(api.sequential(fc, lif(), fc, lif(), api.linear(6, 2)), {
      input: [6],
      timeSteps: 4,
    })
    const path = join(folder, 'a.nir')
    await model.saveNir(path)
    const loaded = await own(api.loadNir(path))
    const x = uniform(6, 3, seed)
    assert.equal((await loaded.predict(x)).logits, (await model.predict(x)).logits)
    assert.is(Object.keys(loaded.stateDict()).length, Object.keys(model.stateDict()).length + 2)
  }))

test.run()
