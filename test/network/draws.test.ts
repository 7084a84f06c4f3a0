/**
 * Random networks and fixed trainings reach every entry of the product's tables: a new kind, method
 * or option that no test draws fails here.
 */

import * as assert from 'uvu/assert'
import { purposes } from '../../src/compile/context.js'
import { lossFrom, lossNames } from '../../src/compile/loss-kind.js'
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
import { type Graph, trace } from '../../src/network/trace.js'
import { weightTypes } from '../../src/network/weights.js'
import { cases } from '../golden/cases.js'
import { lossMakers, randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { test } from '../support/models.js'
import { keysOf, methodModes, surrogateNames } from '../support/tables.js'

type Entry = readonly [table: string, entry: string | undefined]

const layersIn = ({ nodes }: Graph): Entry[] =>
  nodes.flatMap(({ kind, layer }): Entry[] => [
    ...ofKind(kind, layer),
    ...(layer && 'weights' in layer ? [['own weights', layer.weights] as const] : []),
  ])

const ofKind = (kind: string, layer: Layer | undefined): Entry[] =>
  layer?.kind === 'cell'
    ? [
        ['kind', kind],
        ['cell', layer.type],
        ['surrogate', layer.surrogate],
      ]
    : [['kind', kind]]

/** Fails for entries of tables that were not drawn. */
function expectAll(drawn: readonly Entry[], tables: Readonly<Record<string, readonly string[]>>) {
  const seen = new Set(drawn.map((entry) => entry.join(' ')))
  const wanted = Object.entries(tables).flatMap(([table, of]) => of.map((one) => `${table} ${one}`))
  assert.equal(
    wanted.filter((entry) => !seen.has(entry)),
    [],
    'no test draws these',
  )
}

const modes = methodModes().map((mode) => mode.join(' '))
const both = {
  kind: [...layerKinds, 'add', 'concat'],
  mode: modes,
  loss: lossNames,
  surrogate: surrogateNames,
}

test('random plans have every layer, method, purpose, loss and surrogate', () => {
  const drawn = Array.from({ length: 160 }, (_, i): Entry[] => {
    const options = randomPlanOptions(testRandom(i + 1))
    const { graph, method, stepMode, training, purpose, update, weights } = options
    const { gradientCheckpoint } = options
    const mode = `${method} ${stepMode}`
    const all = { mode, loss: training?.loss.kind, purpose, update, weights, gradientCheckpoint }
    return [...layersIn(graph), ...Object.entries(all)]
  })
  const types = { weights: weightTypes, 'own weights': weightTypes }
  const plans = { ...types, purpose: keysOf(purposes), cell: keysOf(cellTypes), update: updates }
  expectAll(drawn.flat(), { ...both, ...plans, gradientCheckpoint: gradientCheckpoints })
})

test('golden trainings have every layer, method, optimizer, loss and surrogate', () => {
  const drawn = cases.map(({ network, options, training = {} }): Entry[] => {
    const { method = 'rate', input, stepMode = stepModesOf(method)[0], weights = 'f32' } = options
    const loss = lossFrom(options.loss ?? training.loss)?.kind ?? 'crossEntropy'
    const { kind: optimizer = 'sgd' } = Object(training.optimizer)
    const all = { mode: `${method} ${stepMode}`, loss, optimizer, weights }
    return [...layersIn(trace(network(), input)), ...Object.entries(all)]
  })
  expectAll(drawn.flat(), { ...both, optimizer: optimizerNames, weights: weightTypes })
})

test('names that stand apart from their tables are the names of the tables', () => {
  assert.equal(methodNames, keysOf(methods))
  assert.equal([...lossNames].sort(), keysOf(lossMakers).sort())
  assert.equal([...new Set(modes.map((mode) => mode.split(' ')[1]))], stepModes)
})

test.run()
