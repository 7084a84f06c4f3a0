/** Counts of additions and multiply-adds against small cases counted by hand. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  denseOperations,
  flop,
  limitMs,
  type Operations,
  ownOperations,
} from '../../bench/operations.js'
import { type Method, type StepMode, traitsOf } from '../../src/compile/methods.js'
import {
  avgPool2d,
  batchNorm2d,
  conv1d,
  conv2d,
  cubaLif,
  delay,
  flatten,
  lif,
  linear,
  type Module,
  maxPool2d,
  neuron,
  recurrent,
  residual,
  sequential,
  sumPool1d,
} from '../../src/index.js'
import { trace } from '../../src/network/trace.js'

const T = 4
const B = 2

/**
 * [1, 4, 4]: a convolution of 4·4·4 outputs with 9 inputs each, M = 576; spikes at rate 0.2, behind
 * 2×2 pooling at most 0.8; a linear layer of 16 × 3, M = 48.
 */
const small = trace(
  sequential(
    conv2d(1, 4, 3, { padding: 1 }),
    batchNorm2d(4),
    lif(),
    avgPool2d(2),
    flatten(),
    linear(16, 3),
  ),
  [1, 4, 4],
)

function near(got: Operations, additions: number, multiplyAdds: number, what: string): void {
  assert.ok(Math.abs(got.additions - additions) < 1e-6, `${what}: ${got.additions} additions`)
  assert.is(got.multiplyAdds, multiplyAdds, `${what}: multiply-adds`)
}

const own = (graph: typeof small, method: Method, stepMode: StepMode, rate: number): Operations =>
  ownOperations(graph, traitsOf({ method, stepMode }), { 2: rate, 'main.2': rate }, T, B)

test('series, sums, delays and recurrent weights count', () => {
  const text = neuron('u = u/2 + x; spike = u > 1; u = u - spike')
  for (const hearing of [recurrent(cubaLif()), recurrent(text)]) {
    const graph = trace(
      sequential(
        conv1d(2, 4, 3, { stride: 2, padding: 1, groups: 2 }), // [4, 4] of one input channel each
        hearing,
        delay(1),
        sumPool1d(2),
        flatten(),
        linear(8, 3),
      ),
      [2, 8],
    )
    // M: 4·4 outputs of 3 taps; 16² of the recurrent weight; 8·3 behind windows of two.
    const additions = B * T * (0.2 * 256 + 0.4 * 24)
    const rate = ownOperations(graph, traitsOf({ method: 'rate', stepMode: 'm' }), { 1: 0.2 }, T, B)
    near(rate, additions, B * (48 + (48 + 256 + 24) + (256 + 24)), 'rate')
  }
})

test('ours: spikes are added, what else is multiplied depends on the method', () => {
  const spikes = B * T * 0.8 * 48
  // Forward of the image once; a gradient of each weight and of the spikes, once.
  const rate = B * (576 + (576 + 48) + 48)
  near(own(small, 'rate', 'm', 0.2), spikes, rate, 'rate m')
  near(own(small, 'rate', 's', 0.2), spikes, rate, 'rate s')
  // Spikes are added for the gradient of the weight too; theirs has T rows.
  const stepwise = B * (576 + 576 + T * 48)
  near(own(small, 'bptt', 'm', 0.2), 2 * spikes, stepwise, 'bptt')
  near(own(small, 'sltt', 's', 0.2), 2 * spikes, stepwise, 'sltt')
  // A trace is no spike.
  near(own(small, 'ottt', 's', 0.2), spikes, stepwise + B * T * 48, 'ottt')
})

test('ours: never more additions than the dense product', () => {
  near(own(small, 'rate', 'm', 0.5), B * T * 48, B * (576 + 624 + 48), 'pooled at rate 0.5')
})

test('ours: sums of spikes, groups, strides, max pooling, and layers on numbers', () => {
  const neurons = (): Module[] => [batchNorm2d(4), lif()]
  const graph = trace(
    sequential({
      first: sequential(conv2d(1, 4, 3, { padding: 1 }), ...neurons()), // [4, 4, 4], M = 576
      block: residual(sequential(conv2d(4, 4, 1, { groups: 2 }), ...neurons())), // M = 128
      behind: conv2d(4, 4, 2, { stride: 2 }), // [4, 2, 2], M = 256, reads a sum of spikes
      dense: conv2d(4, 2, 1), // M = 32, reads numbers
      last: sequential(...[batchNorm2d(2), lif(), maxPool2d(2)], flatten(), linear(2, 3)), // M = 6
    }),
    [1, 4, 4],
  )
  const rates = Object.fromEntries(
    graph.nodes.filter(({ kind }) => kind === 'cell').map(({ name }) => [name, 0.1]),
  )
  assert.is(Object.keys(rates).length, 3)
  const got = ownOperations(graph, traitsOf({ method: 'bptt', stepMode: 'm' }), rates, T, B)
  const spikes = T * (0.1 * 128 + 0.2 * 256 + 0.4 * 6)
  const numbers = T * 32
  const inputGradients = T * (128 + 256 + 32 + 6)
  near(got, B * 2 * spikes, B * (2 * 576 + 2 * numbers + inputGradients), 'bptt')
})

test('theirs: dense products of each step, and of the passes that each method makes', () => {
  const products = (onImage: number, onSpikes: number): number =>
    B * (576 * onImage + 48 * onSpikes)
  near(denseOperations(small, 'rate', T, B), 0, products(T + 2, T + 3), 'rate')
  near(denseOperations(small, 'bptt', T, B), 0, products(2 * T, 3 * T), 'bptt')
  near(denseOperations(small, 'sltt', T, B), 0, products(2 * T, 3 * T), 'sltt')
  near(denseOperations(small, 'ottt', T, B), 0, products(2 * T, 4 * T), 'ottt')
})

test('a multiply-add counts twice, and the limit is their time at the peak', () => {
  const operations = { additions: 4e9, multiplyAdds: 8e9 }
  assert.is(flop(operations), 20e9)
  assert.is(limitMs(operations, 50), 400)
})

test.run()
