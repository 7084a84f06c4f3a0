/** Files and networks whose ways double: sums of sums, graphs that hand on what they get. */

import * as assert from 'uvu/assert'
import { nirTree } from '../../src/files/nir/from-model.js'
import type { NirGraph } from '../../src/files/nir/graph.js'
import { identity, lif, linear, residual, sequential } from '../../src/index.js'
import { flatGraph } from '../../src/model/nir/flatten.js'
import { own, test } from '../support/models.js'
import { nodesOf } from './trees.js'

test('a value that is doubled twenty times is written as few nodes', async () => {
  const network = sequential(
    linear(4, 4),
    ...Array.from({ length: 20 }, () => residual(identity())),
    lif(),
    linear(4, 2),
  )
  const model = await own(network.compile({ input: [4], timeSteps: 2, batchSize: 1 }))
  const tree = nirTree(model.session, model.stateDict(), { dt: 1e-4, discretisation: 'euler' })
  const { size } = nodesOf(tree)
  assert.ok(size < 600, `${size} nodes`)
})

/** Inner graphs that hand on what they get, two beside each other, so many times. */
function diamonds(count: number): NirGraph {
  const ends = (): [string, object][] => [
    ['input', { type: 'Input', fields: new Map() }],
    ['output', { type: 'Output', fields: new Map() }],
  ]
  const passing = () => ({ type: 'NIRGraph', nodes: new Map(ends()), edges: [['input', 'output']] })
  const nodes = new Map<string, object>(ends())
  const edges: [string, string][] = []
  let before = ['input']
  for (let i = 0; i < count; i++) {
    const pair = [`a${i}`, `b${i}`]
    for (const name of pair) {
      nodes.set(name, passing())
      for (const from of before) edges.push([from, name])
    }
    before = pair
  }
  for (const from of before) edges.push([from, 'output'])
  return { nodes, edges } as unknown as NirGraph
}

test('ways through graphs within graphs that double end in one message', () => {
  assert.is(flatGraph(diamonds(3), 'it').output.from.length, 8)
  assert.throws(
    () => flatGraph(diamonds(40), 'it'),
    /it: graphs within graphs must join at most 100000 pairs of nodes, got more at/,
  )
})

test.run()
