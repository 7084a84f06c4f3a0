/** Neurons and activations from texts as ops: the bits of other ops, and derivatives. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'

const random = testRandom(7)
const floats = (length: number, least = -1, most = 2): Float32Array =>
  Float32Array.from({ length }, () => least + (most - least) * random())
const shape = [2, 5, 3, 2, 2] as const
const input = floats(120)
const delta = floats(120)

const lif = {
  input: shape,
  text: 'tau > 1\nu = u*(1 - 1/tau) + x\nspike = u >= th\nu = u - th*detach(spike)',
  parameters: { tau: 3, th: 0.75 },
  surrogate: 'atan',
} as const
const same = { input: shape, tau: 3, vThreshold: 0.75, surrogate: 'atan' } as const

test('a text of lif has the bits of ops.lif, forward and back', () => {
  const outputs = ['spikes', 'eligibilities', 'surrogates'] as const
  assert.equal(ops.neuron({ ...lif, outputs }, input), ops.lif({ ...same, outputs }, input))
  assert.equal(
    ops.neuronBackward(lif, delta, input),
    ops.lifBackward({ ...same, mode: 'time' }, delta, input),
  )
})

test('what is learnt is read behind its map, and has a gradient', () => {
  const raw = Float32Array.of(-Math.log(2))
  const learning = { ...lif, learn: ['tau'] }
  assert.equal(ops.neuron(learning, input, raw), ops.neuron(lif, input))
  const w = Float32Array.of(-Math.log(2))
  const plif = { ...same, learnable: true } as const
  const { wGradient } = ops.lifBackward({ ...plif, mode: 'time' }, delta, input, w)
  const { raw_tauGradient: found } = ops.neuronBackward(learning, delta, input, raw) as Record<
    string,
    Float32Array
  >
  expectClose('gradient', found, wGradient, 1e-5)
})

test('numbers as outputs', () => {
  const text = 'u = 0.5*u + x; output = 2*u'
  const values = ops.neuron(
    { input: [1, 3, 1], text, outputs: ['values'] },
    Float32Array.of(1, 0, 4),
  )
  assert.equal(values, Float32Array.of(2, 1, 8.5))
})

const swish = (x: number, b: number): number => x / (1 + Math.exp(-b * x))

for (const of of [[4, 3, 2, 5], [4, 3], shape] as const)
  test(`an activation of [${of}], and its derivatives`, () => {
    const size = of.reduce((a, b) => a * b, 1)
    const inner = size / (of.length === 5 ? 10 : 4) / 3
    const [x, d] = [floats(size, -4, 4), floats(size)]
    const b = Float32Array.of(0.5, 1, 2)
    const op = { input: of, text: 'x*sigmoid(b*x)', parameters: { b: [1, 1, 1] }, learn: ['b'] }
    const scale = (i: number): number => b[Math.floor(i / inner) % 3]
    expectClose(
      'output',
      ops.elementwise(op, x, b),
      x.map((v, i) => swish(v, scale(i))),
      1e-6,
    )
    const by = (f: (h: number) => number): number => (f(1e-4) - f(-1e-4)) / 2e-4
    const { inputGradient, bGradient } = ops.elementwiseBackward(op, d, x, b) as Record<
      string,
      Float32Array
    >
    const expected = x.map((v, i) => d[i] * by((h) => swish(v + h, scale(i))))
    expectClose('gradient', inputGradient, expected, 1e-5)
    const sums = Float32Array.of(0, 0, 0)
    for (const [i, v] of x.entries())
      sums[Math.floor(i / inner) % 3] += d[i] * by((h) => swish(v, scale(i) + h))
    expectClose('gradient of b', bGradient, sums, 1e-5)
  })

test.run()
