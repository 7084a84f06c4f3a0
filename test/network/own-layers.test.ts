/** Layers of one's own: what is learnt in them, what files keep of them, what is refused. */

import * as assert from 'uvu/assert'
import {
  type Block,
  block,
  type CompileOptions,
  exportWasm,
  flatten,
  fromArrays,
  type Layer,
  layer,
  layerNorm,
  lif,
  linear,
  loadModel,
  type Model,
  type Module,
  type Ops,
  type OwnLayer,
  type OwnParameter,
  openNet,
  sequential,
  sgd,
} from '../../src/index.js'
import { parameter } from '../../src/nn/layers/parameter.js'
import { expectRefusals, type Refusal } from '../files/temporary.js'
import { expectAllClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { methodModes } from '../support/tables.js'

const [B, T, F, C] = [4, 5, 13, 3]
const options = { input: [F], batchSize: B, timeSteps: T, seed: 2 } as const
const x = uniform(B * F, 2, 1)
const y = labels(B, C, 3)

const byHand = (from: number, to: number): Block =>
  layer({
    name: 'by hand',
    parameters: { weight: { shape: [to, from] }, bias: { shape: [to], start: 0 } },
    forward: ({ add, matmul }, value, { weight, bias }) => add(matmul(weight, value), bias),
  })

const chain = (of: (from: number, to: number) => Module): Block =>
  sequential(of(F, 20), lif({ vThreshold: 0.4 }), of(20, C))

const stepped = async (network: Module, more: Partial<CompileOptions>, like?: Model) => {
  const model = await modelOf(network, { ...options, ...more })
  if (like) model.loadStateDict(like.stateDict())
  await model.trainStep(x, y, { update: false })
  return model
}

for (const [method, stepMode] of methodModes())
  test(`a linear layer by hand is linear(): ${method} ${stepMode}`, async () => {
    const built = await stepped(chain(linear), { method, stepMode })
    const made = await stepped(chain(byHand), { method, stepMode, threads: 2 }, built)
    expectAllClose('outputs', { y: { data: made.output() } }, { y: { data: built.output() } }, 1e-5)
    const { '2.weight': traced, ...rest } = made.gradients()
    const { '2.weight': whole, ...expected } = built.gradients()
    expectAllClose('gradients', rest, expected, 1e-5)
    // What reads spikes by traces sees more than the step.
    if (method !== 'ottt') expectAllClose('weight', { traced }, { traced: whole }, 1e-5)
    assert.ok(traced.data.some(Boolean))
  })

const mixing = layer({
  parameters: {
    scale: { shape: [4, 1, 1], start: 1.5 },
    place: { shape: [4, 3, 5], start: { normal: 0.5 } },
    gate: { shape: [3, 5], start: { uniform: 1 } },
  },
  layers: { norm: layerNorm([4, 3, 5]) },
  forward: ({ add, mul, elementwise, reshape }, value, p, m) =>
    m.norm(
      add(mul(value, p.scale), mul(p.place, elementwise('tanh(x)', reshape(p.gate, [1, 3, 5])))),
    ),
})
const deep = (): Block =>
  sequential({
    one: mixing,
    fire: lif({ vThreshold: 0.5 }),
    two: mixing,
    out: sequential(lif({ vThreshold: 0.5 }), flatten(), linear(60, C)),
  })
const ofImages = { ...options, input: [4, 3, 5] } as const
const images = uniform(B * 60, 2, 5)

test('state dicts, groups and frozen names are <layer>.<parameter>; both places share them', async () => {
  const model = await modelOf(deep(), ofImages)
  const state = model.stateDict()
  assert.equal(
    Object.entries(state).map(([name, { shape }]) => [name, ...shape].join()),
    ['one.scale,4,1,1', 'one.place,4,3,5', 'one.gate,3,5', 'one.norm.weight,4,3,5'].concat([
      ...['one.norm.bias,4,3,5', 'out.2.weight,3,60', 'out.2.bias,3'],
    ]),
  )
  assert.match(model.summary(), /one\.gate +parameter +\[3, 5\] +15\n/)
  assert.match(model.summary(), /two\.gate +parameter +\[3, 5\] +as one\.gate\n/)
  // Numbers are in PyTorch's order, under the names of both places.
  const list = Float32Array.from({ length: 60 }, (_, i) => i)
  const { 'one.place': _, ...others } = state
  model.loadStateDict({ ...others, 'two.place': { shape: [4, 3, 5], data: list } })
  assert.equal(model.stateDict()['one.place'].data, list)
  const groups = [{ params: 'one.scale', lr: 0 }]
  const before = model.stateDict()
  const data = fromArrays({ images, labels: y, shape: [4, 3, 5], classes: C })
  const optimizer = sgd({ lr: 0.5, weightDecay: 0.1, groups })
  await model.fit(data, { epochs: 1, optimizer, freeze: ['two.gate'] })
  const moved = Object.entries(model.stateDict()).filter(([name, { data }]) =>
    data.some((value, i) => value !== before[name].data[i]),
  )
  assert.equal(
    moved.map(([name]) => name),
    ['one.place', 'one.norm.weight', 'one.norm.bias', 'out.2.weight', 'out.2.bias'],
  )
})

for (const [method, stepMode] of methodModes())
  test(`a file needs no function, and nothing else changes bits: ${method} ${stepMode}`, async () => {
    const how = { ...ofImages, method, stepMode } as const
    const model = await modelOf(deep(), how)
    const loaded = await own(
      loadModel(await model.toBytes(), { ...how, purpose: 'train', threads: 3 }),
    )
    const more = method === 'bptt' ? ({ gradientCheckpoint: 'layers' } as const) : {}
    const other = await modelOf(deep(), { ...how, ...more })
    for (const one of [model, loaded, other])
      for (let i = 0; i < 3; i++) await one.trainStep(images, y, { lr: 0.1 })
    expectSameBits('loaded', loaded.stateDict(), model.stateDict())
    expectSameBits('made again', other.stateDict(), model.stateDict())
    const { logits } = await model.predict(images)
    const stream = await own(loadModel(await model.toBytes(), { purpose: 'stream', batchSize: B }))
    let last: Float32Array = new Float32Array()
    for (let t = 0; t < T; t++) ({ logits: last } = await stream.step(images))
    expectAllClose('stream', { y: { data: last } }, { y: { data: logits } }, 1e-6)
    const net = await openNet(await exportWasm(model))
    net.input.set(images.subarray(0, 60))
    net.infer()
    expectAllClose(
      'file',
      { y: { data: net.output } },
      { y: { data: logits.subarray(0, C) } },
      1e-6,
    )
  })

const start = async (of: Omit<OwnParameter, 'shape'>, shape: OwnParameter['shape'], seed = 1) => {
  const network = layer({
    parameters: { p: { shape, ...of } },
    forward: ({ reshape, concat }, value, { p }) => concat(value, reshape(p, [-1])),
  })
  const model = await modelOf(network, { ...options, seed, purpose: 'inference' })
  return model.stateDict().p.data
}

test('parameters begin where they say', async () => {
  assert.equal(await start({ start: 2.5 }, [3]), new Float32Array(3).fill(2.5))
  const list = [1, 2, 3, 4, 5, 6]
  assert.equal(await start({ start: list }, [2, 3]), Float32Array.from(list))
  assert.equal(await start({ start: Float32Array.from(list) }, [3, 1, 2]), Float32Array.from(list))
  const shape = [40, 10, 5] as const
  for (const [of, bound] of [
    [undefined, 1 / Math.sqrt(50)],
    ['default', 1 / Math.sqrt(50)],
    ['kaiming', Math.sqrt(6 / 50)],
    ['xavier', Math.sqrt(6 / 250)],
    [{ uniform: 0.5 }, 0.5],
  ] as const) {
    const found = await start(of === undefined ? {} : { start: of }, shape)
    const most = found.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
    assert.ok(most <= bound && most > 0.99 * bound, `${most} of ${bound}`)
    assert.ok(Math.abs(found.reduce((a, b) => a + b, 0) / 2000) < 0.05 * bound)
  }
  const normal = await start({ start: { normal: 3 } }, shape)
  const variance = normal.reduce((sum, value) => sum + value ** 2, 0) / 2000
  assert.ok(Math.abs(Math.sqrt(variance) / 3 - 1) < 0.05)
  assert.equal(await start({ start: { normal: 3 } }, shape), normal)
  assert.not.equal(await start({ start: { normal: 3 } }, shape, 2), normal)
})

test('weights decay, and what has one size above 1 does not, unless it says so', () => {
  const decays = (of: OwnParameter) => parameter('p', { start: 0, ...of }).decays
  assert.is(decays({ shape: [4, 3] }), true)
  for (const shape of [[4], [4, 1, 1], [1, 5]] as const) assert.is(decays({ shape }), false)
  assert.is(decays({ shape: [4], decays: true }), true)
  assert.is(decays({ shape: [4, 3], decays: false }), false)
})

const made = (own: unknown) => () =>
  layer(own as OwnLayer<Record<string, OwnParameter>, Record<string, Module>>)
const withParameter = (of: unknown) =>
  made({ name: 'odd', parameters: { w: of }, forward: () => 1 })
const compiled =
  (forward: OwnLayer<{ w: OwnParameter }, { f: Layer }>['forward'], more: object = {}) =>
  () =>
    modelOf(
      sequential({
        mine: layer({
          name: 'odd',
          parameters: { w: { shape: [2, 3], start: 1 } },
          layers: { f: lif() },
          forward,
        }),
        end: linear(F, C),
      }),
      { ...options, ...more },
    )

test('what a layer cannot be is refused by name', () =>
  expectRefusals([
    [made(undefined), "layer's options must be an object with any of name, parameters, layers, "],
    [made({ forward: 3 }), 'layer: forward must be a function (ops, x, p, m) => …, got 3'],
    [made({ name: 3 }), 'layer.name must be a text, got 3'],
    [made({ parameter: {} }), 'layer.parameter is not an option; known are name, parameters'],
    [
      made({ parameters: [], forward() {} }),
      'layer: parameters must be an object by names, got []',
    ],
    [made({ layers: 3, forward() {} }), 'layer: layers must be an object by names, got 3'],
    [made({ layers: { a: 3 }, forward() {} }), 'layer.a must be a layer or a block, got 3'],
    [
      made({ name: 'odd', parameters: { a: { shape: [1] } }, layers: { a: lif() }, forward() {} }),
      "layer 'odd': a names a parameter and a layer; rename one",
    ],
    [withParameter(undefined), /layer 'odd': parameters\.w.*must be an object.*got undefined/],
    [
      withParameter({ shape: 3 }),
      "layer 'odd': parameters.w.shape must be [features], [channels, ",
    ],
    [withParameter({ shape: [2, 0] }), 'parameters.w.shape must be [features], '],
    [withParameter({ shape: [2, 2], begin: 1 }), 'parameters.w.begin is not an option'],
    [
      withParameter({ shape: [2, 2], decays: 1 }),
      'parameters.w.decays must be true or false, got 1',
    ],
    [withParameter({ shape: [2] }), /w\.start must be .*of two sizes or more.*got none for \[2\]/],
    [withParameter({ shape: [2], start: 'default' }), /got "default" for \[2\]/],
    ...[
      ...['xavier', 'zeros', Number.NaN, { normal: -1 }, { normal: 1, uniform: 1 }, null],
      ...[[1], [1, '1'], [1, Number.NaN], { values: [1, 2] }, new Float32Array(3)],
    ].map(
      (start): Refusal => [
        withParameter({ shape: [2], start }),
        /w\.start must be a finite number, a list of 2 of them, \{ normal: .*got .* for \[2\]$/,
      ],
    ),
    [compiled((_, value) => value), 'mine.w (parameter): nothing reads it; use it in the layer'],
    [compiled(() => 3 as never), 'mine (odd): the forward function must return what a'],
    [
      compiled(({ add }, value, { w }) => add(value, w)),
      /mine \(odd\): add needs .* \[13\] and \[2, 3\]/,
    ],
    [
      compiled(({ mul }, value, { w }) => mul(value, w)),
      /mul \(mul\): .*reshape\(…\) puts sizes of 1/,
    ],
    [
      compiled(({ elementwise }, value) => elementwise('x +', value)),
      /elementwise: line 1, column 4/,
    ],
    [
      compiled((_, value, p, m) => m.f((value && p) as never)),
      /mine\.f \(lif\) must be called with the value/,
    ],
  ]))

test('names of parameters are those of the types', async () => {
  const parameters = { weight: { shape: [2, 2] } } as const
  // @ts-expect-error: there is no bias.
  const bias = layer({ parameters, forward: ({ add }, value, { bias }) => add(value, bias) })
  const start = () =>
    // @ts-expect-error: a start of no such name.
    layer({ parameters: { p: { shape: [2, 2], start: 'ones' } }, forward: (_, value) => value })
  const layers = { fire: lif() }
  // @ts-expect-error: there is no other layer.
  const other = layer({ layers, forward: (_, value, __, m) => m.other(value) })
  await expectRefusals([
    [start, 'got "ones"'],
    [
      () => modelOf(bias, options),
      'layer): add needs values that the children gave, got undefined',
    ],
  ])
  assert.throws(() => other.forward({}, { node: 0, shape: [1, 1, 1], flat: true }, {} as Ops))
})

test('sums of random values in blocks stretch sizes of 1, gradients add up over them', async () => {
  const net = block({ f: linear(F, 6), out: linear(6, C) }, (m, value, { add, reshape, slice }) => {
    const h = m.f(value)
    const rows = add(reshape(slice(h, 0, 2), [2, 1]), reshape(slice(h, 2, 5), [1, 3]))
    return m.out(add(reshape(rows, [6]), slice(h, 5), h))
  })
  const model = await stepped(net, { method: 'bptt' })
  const gradients = model.gradients()
  // Number i of h goes to all places that it was stretched to, and to its own.
  const weight = model.stateDict()['out.weight'].data
  const column = (k: number): number[] => [0, 1, 2].map((n) => weight[n * 6 + k])
  const toLogits = (k: number): number[] => {
    const places =
      k < 2 ? [0, 1, 2].map((j) => 3 * k + j) : k < 5 ? [k - 2, k + 1] : [0, 1, 2, 3, 4, 5]
    return [...places, k].reduce((sum, at) => sum.map((v, n) => v + column(at)[n]), [0, 0, 0])
  }
  const delta = gradients['out.bias'].data
  const expected = [0, 1, 2, 3, 4, 5].map((k) =>
    toLogits(k).reduce((sum, v, n) => sum + v * delta[n], 0),
  )
  expectAllClose(
    'bias',
    { b: gradients['f.bias'] },
    { b: { data: Float32Array.from(expected) } },
    1e-5,
  )
})

test.run()
