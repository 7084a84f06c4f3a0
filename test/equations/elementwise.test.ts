/** Activations from a text: what they compute, learn and refuse. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  conv2d,
  elementwise,
  exportWasm,
  flatten,
  fromArrays,
  type Layer,
  lif,
  linear,
  neuron,
  openNet,
  ops,
  relu,
  sequential,
} from '../../src/index.js'
import { labelOf } from '../../src/nn/layers/kinds.js'
import { messageOf } from '../io/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'

const random = testRandom(5)
const images = Float32Array.from({ length: 24 * 32 }, () => 2 * random() - 1)
const data = fromArrays({
  images,
  labels: Uint8Array.from({ length: 24 }, (_, i) => i % 3),
  ...{ classes: 3, shape: [2, 4, 4] },
})

async function trained(activation: Layer, method: 'rate' | 'bptt') {
  const net = sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    ...[activation, conv2d(5, 4, 3), lif({ vThreshold: 0.5 }), flatten(), linear(16, 3)],
  )
  const model = await net.compile({ input: [2, 4, 4], method, batchSize: 8, seed: 3 })
  await model.fit(data, { epochs: 2 })
  const state = model.stateDict()
  const { logits } = await model.predict(images.subarray(0, 32))
  const file = await openNet(await exportWasm(model))
  file.input.set(images.subarray(0, 32))
  file.infer()
  assert.equal(file.output, logits, 'an exported file has the same bits')
  await model.dispose()
  return state
}

for (const method of ['rate', 'bptt'] as const) {
  test(`max(x, 0) trains as relu does, ${method}`, async () => {
    const expected = await trained(relu(), method)
    // Through time sums over steps have another order.
    for (const [name, { data }] of Object.entries(await trained(elementwise('max(x, 0)'), method)))
      expectClose(name, data, expected[name].data, method === 'rate' ? 0 : 1e-6)
  })
  test(`a parameter is learnt, and stays in its range, ${method}`, async () => {
    const swish = elementwise('beta > 0\nx * sigmoid(beta*x)', { beta: 1 }, { learn: ['beta'] })
    const { '1.raw_beta': beta } = await trained(swish, method)
    assert.is.not(beta.data[0], 0)
  })
}

test('it is an output line of neuron(), and is called elementwise', () => {
  const made = elementwise('# swish\ny = b*x; x*sigmoid(y) # so', { b: 2 }, { learn: ['b'] })
  const same = neuron('# swish\ny = b*x; output = x*sigmoid(y) # so', { b: 2 }, { learn: ['b'] })
  assert.equal(made, same)
  assert.is(labelOf({ kind: made.kind, layer: made }), 'elementwise')
  const keeps = neuron('u = u/2 + x; output = u')
  assert.is(labelOf({ kind: keeps.kind, layer: keeps }), 'neuron')
})

test('a condition is 1 or 0 where it is the result: of an activation, a neuron, a surrogate', () => {
  const x = Float32Array.of(-2, -0.5, 0.5, 2)
  assert.equal([...ops.elementwise({ input: [1, 4], text: '-1 < x < 1' }, x)], [0, 1, 1, 0])
  const neurons = { input: [1, 4, 1], outputs: ['values', 'surrogates'] } as const
  const { values } = ops.neuron({ ...neurons, text: 'b = x > 0; output = b' }, x)
  assert.equal([...values], [0, 0, 1, 1])
  const spiking = { input: [1, 4, 1], text: 'spike = x > 0', surrogate: 'abs(x) < 1' } as const
  const gradient = ops.neuronBackward(spiking, Float32Array.of(1, 2, 3, 4), x)
  assert.equal(gradient, Float32Array.of(0, 2, 3, 0))
})

test('mistakes are told at their place in the text', async () => {
  const told: readonly (readonly [() => unknown, RegExp])[] = [
    [() => elementwise(''), /^elementwise: line 1, column 1: the last line must be an expression/],
    [() => elementwise('x\ny = 2'), /^elementwise: line 2, column 1: the last line must be/],
    [() => elementwise('2*y'), /^elementwise: line 1, column 3: unknown name y/],
    [() => elementwise('y = y + x; y'), /keeps nothing from step to step, but y is read/],
    [() => elementwise('spike = x > 0; 2*x'), /line 1, column 1: an activation has no line spike/],
    [() => elementwise('x', { b: 1 }), /^elementwise: no line reads the parameter b; leave it out/],
    [() => elementwise('b*x', { b: 1 }, { learn: ['c'] }), /^elementwise.learn must name param/],
    [() => elementwise('b > 1; b*x', { b: 1 }), /^elementwise: line 1, column 3: b is out of the/],
    [() => elementwise(3 as never), /^elementwise takes a text of equations, got 3/],
  ]
  for (const [make, expected] of told) assert.match(await messageOf(async () => make()), expected)
})

test.run()
