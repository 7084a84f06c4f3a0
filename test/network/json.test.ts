/** Networks as JSON: there and back, the graph is the same. */
import * as assert from 'uvu/assert'
import { methodNames } from '../../src/compile/methods.js'
import * as api from '../../src/index.js'
import {
  compositeOf,
  graphToJson,
  type NetworkJson,
  type NodeJson,
} from '../../src/network/json.js'
import { layerKinds } from '../../src/network/kind.js'
import type { Module } from '../../src/network/module.js'
import { trace } from '../../src/network/trace.js'
import { expectRefusals } from '../files/temporary.js'
import { randomNetwork } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { own, test } from '../support/models.js'

const again = (network: Module, input: readonly [number, number, number]): void => {
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
  JSON.parse(
    JSON.stringify(graphToJson(trace(api.sequential(api.linear(4, 3), api.lif()), [4, 1, 1]))),
  )

const change = (json: NetworkJson, at: number, to: Partial<NodeJson>): NetworkJson => ({
  ...json,
  nodes: json.nodes.map((node, i) => (i === at ? { ...node, ...to } : node)),
})

test('what is no network is refused by its node: shapes.txt has a value in each place', () => {
  const cases: [unknown, string][] = [
    [null, 'it: must be a network of version 1, got null'],
    [{ ...small(), outputs: [['a', 1]] }, 'outputs must be a list of two or more [name, node]'],
    [change(small(), 0, { kind: 'eval' }), '"eval"'],
    [change(small(), 0, { inputs: [1] }), 'node 1 must read one node before it, got a list'],
    [change(small(), 0, { name: '__proto__' }), 'node 1: its name must have no part __proto__'],
    [
      change(small(), 0, { layer: { inFeatures: -1, outFeatures: 3 } }),
      'node 1, "0", cannot be made: linear.inFeatures must be an integer ≥ 1, got -1',
    ],
    [
      change(small(), 1, { layer: { type: 'lif', tau: 1.5, code: 'x' } }),
      'node 2, "1", cannot be made: lif.code is not an option',
    ],
  ]
  return expectRefusals(cases.map(([json, message]) => [() => compositeOf(json, 'it'), message]))
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
