/** Networks as JSON: there and back, the graph is the same. */
import * as assert from 'uvu/assert'
import { methodNames } from '../../src/compile/methods.js'
import * as api from '../../src/index.js'
import { compositeOf, graphToJson } from '../../src/network/json.js'
import { layerKinds } from '../../src/network/kind.js'
import type { Module } from '../../src/network/module.js'
import { trace } from '../../src/network/trace.js'
import { randomNetwork } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { own, test } from '../support/models.js'

const again = (network: Module, input: api.InputShape): void => {
  const graph = trace(network, input)
  const json = JSON.parse(JSON.stringify(graphToJson(graph)))
  assert.equal(trace(compositeOf(json, 'the network'), input), graph)
}

test('the networks of the paper, and a layer alone', () => {
  const zoo: [api.Block, readonly [number, number, number]][] = [
    [api.resnet18(), [3, 32, 32]],
    [api.sewResnet34(), [3, 64, 64]],
    [api.vggsnn(), [3, 48, 48]],
    [
      api.sequential(
        api.linear(4, 3),
        api.integrateAndFire(),
        api.linear(3, 3),
        api.plif({ tau: 3 }),
      ),
      [4, 1, 1],
    ],
  ]
  zoo.push([api.esdResnet18(), [3, 32, 32]])
  for (const [network, input] of zoo) again(network, input)
  again(api.linear(4, 3), [4, 1, 1])
  // JSON has no such number.
  again(api.lif({ tau: [2, Number.POSITIVE_INFINITY] }), [2, 1, 1])
})

test('random networks with every kind of layer', () => {
  const seen = new Set<string>()
  const random = testRandom(21)
  for (let i = 0; i < 180; i++) {
    const input: api.InputShape = i % 7 === 0 ? [12] : [1 + (i % 3), 8, 8]
    const network = randomNetwork(random, input, methodNames[i % methodNames.length], true)
    again(network, input)
    for (const { kind } of trace(network, input).nodes) seen.add(kind)
  }
  assert.equal(
    layerKinds.filter((kind) => !seen.has(kind)),
    [],
  )
})

test('a name that would reach a prototype, and an option that no layer has, are refused', () => {
  const node = { kind: 'linear', name: '0', inputs: [0], layer: { inFeatures: 4, outFeatures: 3 } }
  const refused = (more: object, message: RegExp): void =>
    assert.throws(
      () => compositeOf({ version: 1, nodes: [{ ...node, ...more }], output: 1 }, 'it'),
      message,
    )
  refused({ name: 'a.__proto__' }, /^it: node 1: its name must have no part __proto__/)
  refused({ layer: { ...node.layer, code: 'x' } }, /node 1, "0", .*linear.code is not an option/)
})

test('sums keep their names, among them those of blocks and of sums of sums', async () => {
  const net = api.sequential(
    api.residual(api.sequential(api.conv2d(2, 2, 3, { padding: 1 }), api.batchNorm2d(2))),
    api.lif(),
    api.block({ a: api.relu(), b: api.scale(2) }, ({ a, b }, x, { add }) =>
      add(add(a(x), b(x)), x, x),
    ),
    api.flatten(),
    api.linear(128, 3),
  )
  const model = await own(net.compile({ input: [2, 8, 8] }))
  const names = (network: Module): string[] =>
    trace(network, [2, 8, 8]).nodes.flatMap(({ kind, name }) => (kind === 'add' ? [name] : []))
  const sums = names(net)
  assert.is(sums.length, 3)
  assert.ok(
    sums.every((name) => name !== ''),
    sums.join(),
  )
  const again = api.networkFromJSON(JSON.stringify(model.toJSON()))
  assert.equal(names(again), sums)
  assert.equal(trace(again, [2, 8, 8]), trace(net, [2, 8, 8]))
})

test('cells that nobody has made are refused, or are what they say', () => {
  const wrong = (layer: object, expected: RegExp): void =>
    assert.throws(() => trace(api.sequential(layer as never), [4, 1, 1]), expected)
  const { tau: _, ...lacking } = api.lif()
  wrong(lacking, /lif\.tau is missing/)
  wrong({ ...api.lif(), tau: null }, /lif\.tau must be .*, got null/)
  wrong({ ...api.cubaLif(), tauSyn: null }, /cubaLif\.tauSyn must be .*, got null/)
  wrong({ ...api.lif(), vThreshold: null }, /lif\.vThreshold must be .*, got null/)
  wrong({ ...api.lif(), tauSyn: Number.POSITIVE_INFINITY }, /lif\.tauSyn is not an option/)
  wrong({ ...api.integrateAndFire(), tau: Number.NaN }, /integrateAndFire\.tau is not an option/)
  wrong({ ...api.plif(), learn: [] }, /plif\.learn must hold \["tau"\]/)
  wrong({ ...api.leakyIntegrator(), beta: 1 }, /leakyIntegrator\.beta is not an option/)
  for (const layer of [
    api.alif(),
    api.alif({ tauSyn: 3 }),
    api.lif({ vReset: 0 }),
    api.leakyIntegrator(),
  ])
    assert.equal(trace(api.sequential(layer), [4, 1, 1]).nodes[1].layer, layer)
})

test.run()
