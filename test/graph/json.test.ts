/** Networks as JSON: there and back, the graph is the same. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compositeOf, graphToJson, type NetworkJson, type NodeJson } from '../../src/graph/json.js'
import { trace } from '../../src/graph/trace.js'
import {
  type Block,
  integrateAndFire,
  lif,
  linear,
  plif,
  resnet18,
  sequential,
  sewResnet34,
  vggsnn,
} from '../../src/index.js'
import { layerKinds } from '../../src/nn/layers/kinds.js'
import type { Module } from '../../src/nn/module.js'
import { messageOf } from '../io/temporary.js'
import { testRandom } from '../support/engine.js'
import { randomNetwork } from '../support/random-network.js'

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
  for (const [network, input] of zoo) again(network, input)
  again(linear(4, 3), [4, 1, 1])
})

test('random networks with every kind of layer', () => {
  const seen = new Set<string>()
  const random = testRandom(7)
  for (let i = 0; i < 60; i++) {
    const input = [1 + (i % 3), 8, 8] as const
    const network = randomNetwork(random, input, i % 2 === 0)
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
  [(json) => ({ ...json, output: 9 }), /output must be a node from 1 to 2, got 9$/],
  [(json) => change(json, 0, { kind: 'eval' }), /node 1 must be one of conv2d, .*, got "eval"$/],
  [(json) => change(json, 0, { inputs: [1] }), /node 1 must read one node before it, got a list/],
  [(json) => change(json, 0, { name: '__proto__' }), /node 1: its name must be a text/],
  [
    (json) => change(json, 0, { layer: { inFeatures: -1, outFeatures: 3 } }),
    /node 1, "0", cannot be made: linear\.inFeatures must be an integer ≥ 1, got -1$/,
  ],
  [
    (json) => change(json, 1, { layer: { tau: 1.5, code: 'x' } }),
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

test.run()
