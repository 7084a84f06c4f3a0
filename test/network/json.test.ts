/** Networks as JSON: there and back, the graph is the same. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { methodNames } from '../../src/compile/methods.js'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  alif,
  avgPool1d,
  avgPool2d,
  type Block,
  batchNorm1d,
  batchNorm2d,
  block,
  conv1d,
  conv2d,
  cubaLif,
  delay,
  dropout,
  elementwise,
  esdResnet18,
  flatten,
  groupNorm,
  identity,
  integrateAndFire,
  integrator,
  type Layer,
  layerNorm,
  leakyIntegrator,
  lif,
  linear,
  maxPool1d,
  maxPool2d,
  networkFromJSON,
  neuron,
  plif,
  recurrent,
  relu,
  residual,
  resnet18,
  type SurrogateName,
  scale,
  sequential,
  sewResnet34,
  stabilizedLif,
  sumPool1d,
  sumPool2d,
  timeMean,
  vggsnn,
} from '../../src/index.js'
import {
  compositeOf,
  graphToJson,
  type NetworkJson,
  type NodeJson,
} from '../../src/network/json.js'
import { layerKinds } from '../../src/network/kind.js'
import type { Module } from '../../src/network/module.js'
import { trace } from '../../src/network/trace.js'
import type { InputShape } from '../../src/network/value.js'
import { messageOf } from '../files/temporary.js'
import { randomNetwork } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'

const again = (network: Module, input: readonly [number, number, number]): void => {
  const graph = trace(network, input)
  const json = JSON.parse(JSON.stringify(graphToJson(graph)))
  assert.equal(trace(compositeOf(json, 'the network'), input), graph)
}

test('the networks of the paper, and a layer alone', () => {
  const zoo: [Block, readonly [number, number, number]][] = [
    [resnet18(), [3, 32, 32]],
    [sewResnet34(), [3, 64, 64]],
    [vggsnn(), [3, 48, 48]],
    [sequential(linear(4, 3), integrateAndFire(), linear(3, 3), plif({ tau: 3 })), [4, 1, 1]],
  ]
  zoo.push([esdResnet18(), [3, 32, 32]])
  for (const [network, input] of zoo) again(network, input)
  again(linear(4, 3), [4, 1, 1])
})

test('random networks with every kind of layer', () => {
  const seen = new Set<string>()
  const random = testRandom(7)
  for (let i = 0; i < 100; i++) {
    const input = [1 + (i % 3), 8, 8] as const
    const network = randomNetwork(random, input, methodNames[i % methodNames.length], true)
    again(network, input)
    for (const { kind } of trace(network, input).nodes) seen.add(kind)
  }
  assert.equal(
    layerKinds.filter((kind) => !seen.has(kind)),
    [],
  )
})

const small = (): NetworkJson =>
  JSON.parse(JSON.stringify(graphToJson(trace(sequential(linear(4, 3), lif()), [4, 1, 1]))))

const wrong: [(json: NetworkJson) => unknown, RegExp][] = [
  [() => null, /^it: must be a network of version 1, got null$/],
  [(json) => ({ ...json, version: 2 }), /^it: must be a network of version 1, got version 2$/],
  [(json) => ({ ...json, nodes: [] }), /nodes must be a list of 1 to 2500, got a list of 0$/],
  [
    (json) => ({ ...json, outputs: [['a', 1]] }),
    /outputs must be a list of two or more \[name, node\].* 2, got a list of 1$/,
  ],
  [
    (json) =>
      ({
        ...json,
        outputs: [
          ['a', 2],
          ['b', 1],
        ],
      }) as never,
    /outputs must be a list .* the last node being 2, got a list of 2$/,
  ],
  [(json) => ({ ...json, outputs: null as never }), /outputs must be a list .* got null$/],
  [(json) => ({ ...json, output: 9 }), /output must be a node from 1 to 2, got 9$/],
  [(json) => change(json, 0, { kind: 'eval' }), /node 1 must be one of .*conv2d, .*, got "eval"$/],
  [(json) => change(json, 0, { inputs: [1] }), /node 1 must read one node before it, got a list/],
  [
    (json) => change(json, 0, { name: '__proto__' }),
    /node 1: its name must have no part __proto__/,
  ],
  [
    (json) => change(json, 0, { layer: { inFeatures: -1, outFeatures: 3 } }),
    /node 1, "0", cannot be made: linear\.inFeatures must be an integer ≥ 1, got -1$/,
  ],
  [
    (json) => change(json, 1, { layer: { type: 'lif', tau: 1.5, code: 'x' } }),
    /node 2, "1", cannot be made: lif\.code is not an option/,
  ],
]

const change = (json: NetworkJson, at: number, to: Partial<NodeJson>): NetworkJson => ({
  ...json,
  nodes: json.nodes.map((node, i) => (i === at ? { ...node, ...to } : node)),
})

for (const [make, message] of wrong)
  test(`what is no network is refused: ${message.source.slice(0, 50)}`, async () => {
    assert.match(await messageOf(() => compositeOf(make(small()), 'it')), message)
  })

const surrogates: readonly SurrogateName[] = [
  'atan',
  'triangle',
  'rectangle',
  'fastSigmoid',
  'piecewiseExp',
  'erf',
]

/** Layers with each of their options away from its default. */
const layers: Readonly<Record<Layer['kind'], readonly Layer[]>> = {
  equations: [
    neuron('u = u/tau + x\nspike = u > 1\nu = u - spike', { tau: 2 }),
    neuron(
      'tau > 1\ndu/dt = (x - u)/tau\noutput = u',
      { tau: [2, 3] },
      { learn: ['tau'], dt: 0.5 },
    ),
    neuron(
      'u = u + x; spike = u > th',
      { th: 1 },
      { surrogate: 'alpha/(1 + x^2)', alpha: 3, init: { u: 2 } },
    ),
    elementwise('beta > 0; y = beta*x; x*sigmoid(y)', { beta: [1, 2] }, { learn: ['beta'] }),
    neuron('du/dt = x - u; spike = u > 1', {}, { solver: 'exponentialEuler', surrogate: 'atan' }),
  ],
  conv2d: [
    conv2d(2, 6, [3, 2]),
    conv2d(2, 6, 3, { stride: [2, 1] }),
    conv2d(2, 6, 3, { padding: [0, 1] }),
    conv2d(2, 6, 3, { groups: 2 }),
    conv2d(2, 6, 3, { bias: false }),
    conv2d(2, 6, 3, { standardise: true }),
    conv2d(2, 6, 3, { init: { normal: 0.02 } }),
    conv2d(2, 6, 3, { init: { normal: 0.02, bias: 'default' } }),
  ],
  linear: [
    linear(128, 5),
    linear(128, 5, { bias: false }),
    linear(128, 5, { standardise: true }),
    linear(128, 5, { init: { normal: 0.3 } }),
  ],
  timeMean: [timeMean()],
  stabilizedLif: [
    stabilizedLif(),
    stabilizedLif({ tau: 3, decayInput: true }),
    stabilizedLif({ vThreshold: 2, vReset: 0.5 }),
    stabilizedLif({ surrogate: 'atan' }),
    stabilizedLif({ alpha: 3 }),
    stabilizedLif({ momentum: 0.3 }),
  ],
  batchNorm2d: [batchNorm2d(2), batchNorm2d(2, { eps: 1e-3 }), batchNorm2d(2, { momentum: 0.3 })],
  cell: [
    lif({ tau: [2, Number.POSITIVE_INFINITY] }),
    lif({ vThreshold: new Float32Array([0.5, 1]), vReset: [-0.5, 0.25] }),
    lif({ refractory: 2, fires: 'above', vRest: 0.5, inputScale: 2 }),
    plif({ tau: [2, 3], learn: ['vThreshold'] }),
    integrateAndFire({ vThreshold: [1, 2] }),
    cubaLif(),
    cubaLif({ tauSyn: [2, 3], decayInput: true, learn: ['tauSyn', 'tau'], vReset: 0 }),
    alif(),
    alif({ tauAdaptation: 5, beta: [0.5, 1], surrogate: 'atan', detachReset: false }),
    leakyIntegrator({ tau: 3, tauSyn: 4, learn: ['tau'] }),
    integrator(),
    integrator({ inputScale: 0.5 }),
    recurrent(lif()),
    recurrent(integrateAndFire({ vReset: 0 }), { bias: false }),
    recurrent(plif({ tau: 3 }), { init: { normal: 0.1 } }),
    recurrent(cubaLif({ refractory: 1 })),
    recurrent(alif(), { allToAll: false }),
    lif(),
    lif({ tau: 3 }),
    lif({ tau: Number.POSITIVE_INFINITY, decayInput: true }),
    lif({ decayInput: true }),
    lif({ vThreshold: 0.7 }),
    lif({ vReset: -0.25 }),
    lif({ vReset: 0 }),
    lif({ detachReset: false }),
    lif({ alpha: 1.5 }),
    ...surrogates.map((surrogate) => lif({ surrogate })),
    integrateAndFire(),
    integrateAndFire({ vThreshold: 2, vReset: 0, surrogate: 'erf', alpha: 3 }),
    plif(),
    plif({ tau: 4, decayInput: true, vReset: 0.1, detachReset: false, surrogate: 'triangle' }),
  ],
  avgPool2d: [
    avgPool2d(2),
    avgPool2d([2, 4], { stride: [1, 2] }),
    avgPool2d(3, { padding: [1, 0] }),
  ],
  maxPool2d: [
    maxPool2d(2),
    maxPool2d([2, 4], { stride: [1, 2] }),
    maxPool2d(3, { padding: [1, 0] }),
    maxPool2d(2, { rate: 'official' }),
  ],
  adaptiveAvgPool2d: [adaptiveAvgPool2d(1), adaptiveAvgPool2d([4, 2]), adaptiveAvgPool2d(3)],
  flatten: [flatten()],
  dropout: [dropout(), dropout(0.125)],
  scale: [scale(-0.3), scale(1e-7), scale([0.5, -2])],
  identity: [identity()],
  relu: [relu()],
  sumPool2d: [sumPool2d(2), sumPool2d([2, 4], { stride: [1, 2] }), sumPool2d(3, { padding: 1 })],
  groupNorm: [groupNorm(1, 2), groupNorm(2, 2, { eps: 0.5 }), groupNorm(1, 2, { affine: false })],
  layerNorm: [
    layerNorm([2, 8, 8]),
    layerNorm([2, 8, 8], { eps: 0.5 }),
    layerNorm([2, 8, 8], { affine: false }),
    layerNorm([8, 8]),
    layerNorm(8),
  ],
  delay: [delay(0), delay(3), delay([1, 0])],
  conv1d: [
    conv1d(2, 6, 3),
    conv1d(2, 6, 3, { stride: 2 }),
    conv1d(2, 6, 3, { padding: 1 }),
    conv1d(2, 6, 3, { groups: 2 }),
    conv1d(2, 6, 3, { bias: false }),
    conv1d(2, 6, 3, { standardise: true }),
    conv1d(2, 6, 3, { init: { normal: 0.02 } }),
  ],
  avgPool1d: [avgPool1d(2), avgPool1d(2, { stride: 1 }), avgPool1d(3, { padding: 1 })],
  sumPool1d: [sumPool1d(2), sumPool1d(2, { stride: 1 }), sumPool1d(3, { padding: 1 })],
  maxPool1d: [maxPool1d(2), maxPool1d(2, { stride: 1 }), maxPool1d(3, { padding: 1 })],
  adaptiveAvgPool1d: [adaptiveAvgPool1d(1), adaptiveAvgPool1d(4), adaptiveAvgPool1d(3)],
  batchNorm1d: [batchNorm1d(2), batchNorm1d(2, { eps: 1e-3 }), batchNorm1d(2, { momentum: 0.3 })],
}

/** Layers of series end in 1d. */
const inputOf = (kind: Layer['kind']): InputShape => (kind.endsWith('1d') ? [2, 8] : [2, 8, 8])

/** A network of images in which the layer is the first of its kind. */
function networkWith(layer: Layer): Block {
  if (layer.kind === 'linear') return sequential(flatten(), layer)
  if (layer.kind === 'flatten') return sequential(layer, linear(128, 3))
  return sequential(layer, adaptiveAvgPool2d(1), flatten())
}

for (const kind of layerKinds)
  test(`${kind}: each option survives model.toJSON and networkFromJSON`, async () => {
    const texts = new Set<string>()
    for (const layer of layers[kind]) {
      const net = networkWith(layer)
      const input = inputOf(kind)
      const method = kind === 'stabilizedLif' ? 'os' : 'bptt'
      const model = await net.compile({ input, method, timeSteps: 2 })
      const json = model.toJSON()
      const text = JSON.stringify(json)
      texts.add(text)
      // From a text and from an object; what is made again says the same again.
      for (const from of [text, json]) {
        const network = networkFromJSON(from)
        const found = trace(network, input)
        const own = found.nodes.find((node) => node.kind === kind)?.layer
        assert.equal(own, layer)
        const again = await network.compile({ input, method, timeSteps: 2 })
        assert.is(JSON.stringify(again.toJSON()), text)
        assert.equal(
          Object.entries(again.stateDict()).map(([name, { shape }]) => [name, shape]),
          Object.entries(model.stateDict()).map(([name, { shape }]) => [name, shape]),
        )
        await again.dispose()
      }
      await model.dispose()
    }
    assert.is(texts.size, layers[kind].length, 'each option is written')
  })

test('sums keep their names, among them those of blocks and of sums of sums', async () => {
  const net = sequential(
    residual(sequential(conv2d(2, 2, 3, { padding: 1 }), batchNorm2d(2))),
    lif(),
    block({ a: relu(), b: scale(2) }, ({ a, b }, x, { add }) => add(add(a(x), b(x)), x, x)),
    flatten(),
    linear(128, 3),
  )
  const model = await net.compile({ input: [2, 8, 8] })
  const names = (network: Module): string[] =>
    trace(network, [2, 8, 8]).nodes.flatMap(({ kind, name }) => (kind === 'add' ? [name] : []))
  const sums = names(net)
  assert.is(sums.length, 3)
  assert.ok(
    sums.every((name) => name !== ''),
    sums.join(),
  )
  const again = networkFromJSON(JSON.stringify(model.toJSON()))
  assert.equal(names(again), sums)
  assert.equal(trace(again, [2, 8, 8]), trace(net, [2, 8, 8]))
  await model.dispose()
})

test('cells that nobody has made are refused, or are what they say', () => {
  const wrong = (layer: object, expected: RegExp): void =>
    assert.throws(() => trace(sequential(layer as never), [4, 1, 1]), expected)
  const { tau: _, ...lacking } = lif()
  wrong(lacking, /lif\.tau is missing/)
  wrong({ ...lif(), tau: null }, /lif\.tau must be .*, got null/)
  wrong({ ...cubaLif(), tauSyn: null }, /cubaLif\.tauSyn must be .*, got null/)
  wrong({ ...lif(), vThreshold: null }, /lif\.vThreshold must be .*, got null/)
  wrong({ ...lif(), tauSyn: Number.POSITIVE_INFINITY }, /lif\.tauSyn is not an option/)
  wrong({ ...integrateAndFire(), tau: Number.NaN }, /integrateAndFire\.tau is not an option/)
  wrong({ ...plif(), learn: [] }, /plif\.learn must hold \["tau"\]/)
  wrong({ ...leakyIntegrator(), beta: 1 }, /leakyIntegrator\.beta is not an option/)
  for (const layer of [alif(), alif({ tauSyn: 3 }), lif({ vReset: 0 }), leakyIntegrator()])
    assert.equal(trace(sequential(layer), [4, 1, 1]).nodes[1].layer, layer)
})

test.run()
