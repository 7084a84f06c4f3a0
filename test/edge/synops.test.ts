/** Synaptic operations against numbers worked out by hand. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { synapticOperations } from '../../src/edge/synops.js'
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
import { trace } from '../../src/network/trace.js'
import { netOf } from '../support/net.js'

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

test('windows of adaptive pooling: those that are not equal may be larger by one', () => {
  const pooled = (side: number, windows: number, rate: number): number => {
    const network = netOf([1, side, side], `conv 1 1, lif, adaptiveAvgPool2d ${windows}, conv 1 1`)
    const all = synapticOperations(trace(network, [1, side, side]), false, 8, { 1: rate })
    return (all - side * side) / (8 * windows * windows)
  }
  const exact = 1 / 64
  assert.is(pooled(4, 2, exact), 4 * exact)
  assert.is(pooled(5, 2, exact), 16 * exact)
  assert.is(pooled(7, 3, exact), 16 * exact)
  assert.is(pooled(5, 2, 0.5), 1)
})

test('values that stand side by side count by their number', () => {
  const network = sequential(
    block({ a: conv2d(1, 3, 1), s: lif(), b: conv2d(1, 1, 1), t: lif() }, (m, x, { concat }) =>
      concat(m.s(m.a(x)), m.t(m.b(x))),
    ),
    conv2d(4, 1, 1),
  )
  const graph = trace(network, [1, 1, 1])
  const rates = { '0.s': 0.25, '0.t': 0.5 }
  assert.is(synapticOperations(graph, false, 8, rates), 3 + 1 + 8 * 4 * ((3 * 0.25 + 0.5) / 4))
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
