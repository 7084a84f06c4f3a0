/** Synaptic operations against numbers worked out by hand. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { synapticOperations } from '../../src/edge/synops.js'
import { trace } from '../../src/graph/trace.js'
import {
  avgPool2d,
  block,
  conv2d,
  flatten,
  lif,
  linear,
  relu,
  residual,
  sequential,
} from '../../src/index.js'

const net = sequential(
  conv2d(2, 4, 3, { padding: 1 }), // 4·6·6 outputs of 2·9 inputs
  lif(),
  conv2d(4, 4, 3, { padding: 1, groups: 2 }), // 4·6·6 outputs of 2·9 inputs
  lif(),
  avgPool2d(2),
  flatten(),
  linear(36, 5),
)
const dense = 4 * 36 * 18
const graph = trace(net, [2, 6, 6])

test('at most: every neuron fires at every step; a still input counts once', () => {
  assert.is(synapticOperations(graph, false, 4), dense + 4 * dense + 4 * 180)
  assert.is(synapticOperations(graph, true, 4), 4 * dense + 4 * dense + 4 * 180)
})

test('measured: by the rate of the neurons before; pooling at most window times', () => {
  const rates = { 1: 0.25, 3: 0.125 }
  assert.is(synapticOperations(graph, false, 4, rates), dense + dense + 4 * 180 * 0.5)
  assert.is(synapticOperations(graph, false, 4, { 1: 0, 3: 0.5 }), dense + 4 * 180)
})

test('sums of spikes count both, numbers count fully', () => {
  const sum = sequential(
    conv2d(1, 1, 1),
    lif(),
    residual(sequential(conv2d(1, 1, 1), lif())),
    conv2d(1, 1, 1),
    relu(),
    conv2d(1, 1, 1),
  )
  const rates = { 1: 0.25, '2.main.1': 0.5 }
  const count = synapticOperations(trace(sum, [1, 1, 1]), false, 8, rates)
  assert.is(count, 1 + 8 * 0.25 + 8 * 0.75 + 8)
  const once = block({ c: conv2d(1, 1, 1), s: lif() }, (m, x) => m.s(m.c(x)))
  assert.is(synapticOperations(trace(once, [1, 2, 2]), false, 8, {}), 4)
})

test.run()
