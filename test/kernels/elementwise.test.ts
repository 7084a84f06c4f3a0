/** Activations from a text: what they compute, learn and refuse. */
import * as assert from 'uvu/assert'
import {
  elementwise,
  exportWasm,
  fromArrays,
  type Layer,
  neuron,
  openNet,
  ops,
  relu,
} from '../../src/index.js'
import { labelOf } from '../../src/network/kind.js'
import type { CellGradients } from '../../src/ops/kinds/neurons.js'
import { expectRefusals } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

const random = testRandom(5)
const ones = Float32Array.of(1, 1, 1)
const images = Float32Array.from({ length: 24 * 32 }, () => 2 * random() - 1)
const data = fromArrays({
  images,
  labels: Uint8Array.from({ length: 24 }, (_, i) => i % 3),
  classes: 3,
  shape: [2, 4, 4],
})

async function trained(activation: Layer, method: 'rate' | 'bptt') {
  const text = 'conv 5 3 padding=1, activation, conv 4 3, lif vThreshold=0.5, flatten, linear 3'
  const options = { input: [2, 4, 4], method, batchSize: 8, seed: 3 } as const
  const model = await compileNet(text, options, { activation: () => activation })
  await model.fit(data, { epochs: 2 })
  const state = model.stateDict()
  const { logits } = await model.predict(images.subarray(0, 32))
  const file = await openNet(await exportWasm(model))
  file.input.set(images.subarray(0, 32))
  file.infer()
  assert.equal(file.output, logits, 'an exported file has the same bits')
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

/** Halves go to the even one. */
const nearest = (x: number): number =>
  Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)

const edges = ['0/0', '1/0', '-1/0', '0', '-0', '3', '-1', '2.5', '-1.5', '0.5', '-0.5', '-0.3']
const more = ['3.5', '90', '-90', '3e38', '1e-38', '2e-38', '-1e-40', '1/3', '0.7', '-20.75']

/** A text by y and z, the same in JavaScript, and the largest relative error. */
type Same = readonly [text: string, of: (y: number, z: number) => number, limit?: number]
const ofOne: readonly Same[] = [
  ['round(y)', nearest],
  ['floor(y)', Math.floor],
  ['abs(y)', Math.abs],
  ['sign(y)', Math.sign],
  ['sqrt(y)', Math.sqrt],
  ['-+y', (y) => -y],
  ['-y^2', (y) => -(y ** 2)],
  ['y^0', () => 1],
  ['2 - y/4*3', (y) => 2 - Math.fround(y * 0.25) * 3],
  // Where a number is known kernels take the faster pmin.
  ['min(y, 0/0)', () => NaN],
  ['max(y, 0.5)', (y) => Math.max(y, 0.5)],
  ['exp(y)', (y) => (y < -87.3 ? 0 : y > 88.72 ? Infinity : Math.exp(y)), 2e-7],
  // Subnormal numbers count as 0.
  ['log(y)', (y) => Math.log(y > 0 && y < 2 ** -126 ? 0 : y), 1e-6],
  ['tanh(y) + 0', (y) => Math.tanh(y) + 0, 3e-7],
  ['sigmoid(y)', (y) => (y < -88 ? 0 : 1 / (1 + Math.exp(-y))), 3e-7],
  ['y^0.5', Math.sqrt],
  ['y^-3', (y) => 1 / y ** 3, 3e-7],
  ['y^13', (y) => y ** 13, 1e-6],
  ['(1 + y^2)^1.7', (y) => (1 + y * y) ** 1.7, 2e-5],
]
const ofTwo: readonly Same[] = [
  // Which of two zeros it is, is left open.
  ['min(y, z) + 0', (y, z) => Math.min(y, z) + 0],
  ['max(y, z) + 0', (y, z) => Math.max(y, z) + 0],
  ['where(y < z, 1, 2) + where(y > z, 10, 20)', (y, z) => (y < z ? 1 : 2) + (y > z ? 10 : 20)],
  ['where(y <= z, 1, 2) + where(y >= z, 10, 20)', (y, z) => (y <= z ? 1 : 2) + (y >= z ? 10 : 20)],
  [
    'where(y == z, 1, 2) + where(y != z, 10, 20)',
    (y, z) => (y === z ? 1 : 2) + (y !== z ? 10 : 20),
  ],
  ['where(y < 1 and not z > 0 or y > 2, 1, 2)', (y, z) => ((y < 1 && !(z > 0)) || y > 2 ? 1 : 2)],
]

/** What a text gives for values that it is written with: the i-th where x is i. */
function ofConstants(text: string, values: readonly (readonly [string, string])[]): Float32Array {
  const lines = values.map(([y, z], i) => {
    const own = text.replace(/\b[yz]\b/g, (name) => `(${name === 'y' ? y : z})`)
    return `a = where(x == ${i}, ${own}, a)`
  })
  const x = Float32Array.from(values.keys())
  return ops.elementwise({ input: [1, x.length], text: ['a = x', ...lines, 'a'].join('\n') }, x)
}

/** The same of the current x, and of y and z that are learnt. */
function ofLearnt(text: string, values: Readonly<Record<string, Float32Array>>): Float32Array {
  const learn = ['y', 'z'].filter((name) => text.includes(name))
  const n = values.x.length
  const parameters = Object.fromEntries(learn.map((name) => [name, Array<number>(n).fill(0)]))
  const options = { input: [1, n], text, parameters, learn }
  return ops.elementwise(options, values.x, ...learn.map((name) => values[name]))
}

for (const [all, list] of [
  [[...edges, ...more].map((y) => [y, '0'] as const), ofOne],
  [edges.slice(0, 9).flatMap((y) => edges.slice(0, 9).map((z) => [y, z] as const)), ofTwo],
] as const)
  for (const [text, of, limit = 0] of list)
    test(`${text} has JavaScript's numbers where it is known, learnt, and of currents`, () => {
      const valuesOf = (at: 0 | 1): Float32Array =>
        Float32Array.from(all, (one) => {
          const [a, b = '1'] = one[at].split('/')
          return Number(a) / Number(b)
        })
      const [y, z] = [valuesOf(0), valuesOf(1)]
      const found = [
        ofConstants(text, all),
        ofLearnt(`where(x == 0, ${text}, x)`, { x: new Float32Array(y.length), y, z }),
        ofLearnt(text.replaceAll('y', 'x'), { x: y, z }),
      ]
      for (const [i, values] of all.entries()) {
        const wanted = Math.fround(of(y[i], z[i]))
        const margin = Number.isFinite(wanted) ? limit * Math.abs(wanted) : 0
        for (const [way, { [i]: value }] of found.entries())
          assert.ok(
            Object.is(value, wanted) || (margin > 0 && Math.abs(value - wanted) <= margin),
            `${way} ${values}: ${value}, expected ${wanted}`,
          )
      }
    })

test('where functions bend the derivative is that of the first argument', () => {
  const at = Float32Array.of(0, 1, 2)
  for (const [text, ...expected] of [
    ['min(x, 1)', 1, 1, 0],
    ['min(1, x)', 1, 0, 0],
    ['min(x, 2*x - 1)', 2, 1, 1],
    ['max(x, 1)', 0, 1, 1],
    ['max(1, x)', 0, 0, 1],
    ['max(x, 2*x - 1)', 1, 1, 2],
    ['abs(x - 1)', -1, 1, 1],
    ['x*sign(x - 1) + floor(x) + round(x)', -1, 0, 1],
    ['where(x > 1, 3*x, -x)', -1, -1, 3],
  ] as const) {
    const found = ops.elementwiseBackward({ input: [1, 3], text }, ones, at) as Float32Array
    assert.equal([...found], expected, text)
    const own = { text: `${text.replaceAll(/\bx\b/g, 'y')} + x`, parameters: { y: [0, 0, 0] } }
    const options = { ...own, input: [1, 3], learn: ['y'] }
    const { yGradient } = ops.elementwiseBackward(options, ones, at, at) as CellGradients
    assert.equal([...yGradient], expected, own.text)
  }
})

test('what is learnt stays in its range, and comes back from its bounds', () => {
  const sigmoid = (w: number): number => 1 / (1 + Math.exp(-w))
  type Map = (w: number) => number
  const clamped = (least: number, most: number): [Map, Map] => [
    (w) => Math.min(most, Math.max(least, w)),
    () => 1,
  ]
  const ranges: readonly (readonly [string, value: Map, slope: Map])[] = [
    ['0 <= y <= 2', ...clamped(0, 2)],
    ['0 < y <= 2', ...clamped(0, 2)],
    ['-1 <= y < 2', ...clamped(-1, 2)],
    ['y <= 2', ...clamped(-Infinity, 2)],
    ['y >= 1', ...clamped(1, Infinity)],
    ['y < 3', (w) => 3 - Math.exp(-w), (w) => Math.exp(-w)],
    ['y > -1', (w) => Math.exp(-w) - 1, (w) => -Math.exp(-w)],
    ['-2 < y < 3', (w) => 5 * sigmoid(w) - 2, (w) => 5 * sigmoid(w) * sigmoid(-w)],
  ]
  const raw = Float32Array.of(-3, -0.5, 0.25, 1.5, 4)
  const x = Float32Array.from({ length: 20 }, () => 2 * random() - 1)
  const delta = x.map(() => random())
  for (const [range, map, slope] of ranges) {
    const parameters = { y: Array<number>(5).fill(1.5) }
    const options = { input: [4, 5], text: `${range}; x*y`, parameters, learn: ['y'] }
    const expected = x.map((value, i) => value * map(raw[i % 5]))
    expectClose(range, ops.elementwise(options, x, raw), expected, 2e-7)
    const gradients = ops.elementwiseBackward(options, delta, x, raw) as CellGradients
    const name = Object.keys(gradients).find((one) => one.endsWith('yGradient')) as string
    const sums = raw.map((w, c) =>
      [c, c + 5, c + 10, c + 15].reduce((sum, i) => sum + delta[i] * x[i] * slope(w), 0),
    )
    expectClose(`gradient of ${range}`, gradients[name], sums, 1e-6)
  }
})

test('mistakes are told at their place in the text', () => {
  const starting = (init: Record<string, number | string>): Layer =>
    neuron('u = p*u + x; output = u', { p: 1 }, { init, learn: ['p'] })
  return expectRefusals([
    [() => elementwise(''), /^elementwise: line 1, column 1: the last line must be an expression/],
    [() => elementwise('x\ny = 2'), /^elementwise: line 2, column 1: the last line must be/],
    [() => elementwise('2*y'), /^elementwise: line 1, column 3: unknown name y/],
    [() => elementwise('y = y + x; y'), /keeps nothing from step to step, but y is read/],
    [() => elementwise('spike = x > 0; 2*x'), /line 1, column 1: an activation has no line spike/],
    [() => elementwise('x', { b: 1 }), /^elementwise: no line reads the parameter b; leave it out/],
    [() => elementwise('b*x', { b: 1 }, { learn: ['c'] }), /^elementwise.learn must name param/],
    [() => elementwise('b > 1; b*x', { b: 1 }), /^elementwise: line 1, column 3: b is out of the/],
    [() => starting({ u: 'q' }), /^neuron.init.u must be a number, or the name of a param/],
    [() => starting({ u: 'p' }), /parameter that is not learnt, got "p"$/],
    [() => starting({ u: NaN }), /^neuron.init.u must be a number/],
    [() => starting({ v: 1 }), /^neuron.init: the text has no state "v"; there are u/],
    [() => elementwise(3 as never), /^elementwise takes a text of equations, got 3/],
  ])
})

test.run()
