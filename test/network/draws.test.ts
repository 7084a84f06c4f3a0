/**
 * Random networks and fixed trainings reach every entry of the product's tables: a new kind, method
 * or option that no test draws fails here.
 */

import * as assert from 'uvu/assert'
import { purposes } from '../../src/compile/context.js'
import { lossNames } from '../../src/compile/loss-kind.js'
import {
  gradientCheckpoints,
  methodNames,
  methods,
  stepModes,
  stepModesOf,
  updates,
} from '../../src/compile/methods.js'
import { optimizerNames } from '../../src/compile/optimizer-kind.js'
import type { Layer } from '../../src/index.js'
import { cellTypes } from '../../src/network/cell.js'
import { layerKinds } from '../../src/network/kind.js'
import { trace } from '../../src/network/trace.js'
import { imageShape } from '../../src/network/value.js'
import { cases } from '../golden/cases.js'
import { lossMakers, randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { test } from '../support/models.js'
import { keysOf, methodModes, surrogateNames } from '../support/tables.js'

/** Entries of each table that were drawn. */
class Drawn {
  private readonly seen = new Map<string, Set<string>>()

  add(table: string, entry: string | undefined): void {
    const of = this.seen.get(table) ?? new Set()
    this.seen.set(table, of)
    if (entry !== undefined) of.add(entry)
  }

  addLayer(layer: Layer | undefined): void {
    if (layer?.kind === 'cell') {
      this.add('cell', layer.type)
      for (const parameter of layer.learn) this.add(`learnt of ${layer.type}`, parameter)
    }
    if (layer && 'surrogate' in layer) this.add(`surrogate of ${layer.kind}`, layer.surrogate)
  }

  expect(table: string, entries: readonly string[]): void {
    const of = this.seen.get(table)
    assert.equal(
      entries.filter((entry) => !of?.has(entry)),
      [],
      `${table}: no test draws these`,
    )
  }
}

const modes = methodModes().map((mode) => mode.join(' '))
const joins = ['add', 'concat']

test('random plans have every layer, method, purpose, loss and surrogate', () => {
  const drawn = new Drawn()
  // The seeds of test/ops/rest-network.test.ts.
  for (let seed = 1; seed <= 160; seed++) {
    const options = randomPlanOptions(testRandom(seed))
    const { graph, method, stepMode, purpose, training } = options
    for (const { kind, layer } of graph.nodes) {
      drawn.add('kind', kind)
      drawn.addLayer(layer)
    }
    drawn.add('mode', `${method} ${stepMode}`)
    drawn.add('purpose', purpose)
    drawn.add('loss', training?.loss.kind)
    drawn.add('update', options.update)
    drawn.add('gradientCheckpoint', options.gradientCheckpoint)
  }
  drawn.expect('kind', [...layerKinds, ...joins])
  drawn.expect('mode', modes)
  drawn.expect('purpose', keysOf(purposes))
  drawn.expect('loss', lossNames)
  drawn.expect('update', updates)
  drawn.expect('gradientCheckpoint', gradientCheckpoints)
  drawn.expect('cell', keysOf(cellTypes))
  drawn.expect('surrogate of cell', surrogateNames)
})

test('golden trainings have every layer, method, optimizer, loss and surrogate', () => {
  const drawn = new Drawn()
  for (const { network, options, training = {} } of cases) {
    const { method = 'rate' } = options
    drawn.add('mode', `${method} ${options.stepMode ?? stepModesOf(method)[0]}`)
    drawn.add('loss', (options.loss ?? training.loss)?.kind ?? 'crossEntropy')
    drawn.add('optimizer', training.optimizer?.kind ?? 'sgd')
    for (const { kind, layer } of trace(network(), imageShape(options.input)).nodes) {
      drawn.add('kind', kind)
      drawn.addLayer(layer)
    }
  }
  drawn.expect('kind', [...layerKinds, ...joins])
  drawn.expect('mode', modes)
  drawn.expect('loss', lossNames)
  drawn.expect('optimizer', optimizerNames)
  drawn.expect('surrogate of cell', surrogateNames)
})

test('names that stand apart from their tables are the names of the tables', () => {
  assert.equal(methodNames, keysOf(methods))
  assert.equal([...lossNames].sort(), keysOf(lossMakers).sort())
  assert.equal([...new Set(modes.map((mode) => mode.split(' ')[1]))], stepModes)
})

test.run()
