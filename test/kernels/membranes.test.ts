/**
 * Neurons of the field beside float64 loops of their published equations, and the list of presets,
 * whose texts make the same neurons again.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adex,
  type Equations,
  exponentialIntegrateAndFire,
  izhikevich,
  neuron,
  neurons,
  quadraticIntegrateAndFire,
  resonateAndFire,
} from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { messageOf } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { surrogateNames } from '../support/tables.js'

const STEPS = 255

const optionsOf = ({ kind: _, recurrence: __, ...of }: Equations, neuronCount = 1) =>
  ({ input: [1, STEPS, neuronCount], ...of }) as const

/** Steps at which a neuron fires. */
function firedAt(layer: Equations, x: readonly number[]): number[] {
  const spikes = ops.neuron(optionsOf(layer), Float32Array.from(x))
  return [...spikes.keys()].filter((t) => spikes[t])
}

/** A step of a neuron: its input → whether it fires. */
type Step = (x: number) => boolean

function izhikevichStep([a, b, c, d] = [0.02, 0.2, -65, 8]): Step {
  let [v, u] = [-65, -65 * b]
  return (x) => {
    ;[v, u] = [v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + x), u + 0.5 * a * (b * v - u)]
    if (v < 30) return false
    ;[v, u] = [c, u + d]
    return true
  }
}

function adexStep(reset = -70.6, cut = -40.4): Step {
  let [v, w] = [-70.6, 0]
  return (x) => {
    const rise = 30 * 2 * Math.exp((v + 50.4) / 2)
    const dv = (30 * (-70.6 - v) + rise - w + x) / 281
    ;[v, w] = [v + dv, w + (4 * (v + 70.6) - w) / 144]
    if (v < cut) return false
    ;[v, w] = [reset, w + 80.5]
    return true
  }
}

/** τ dv/dt = f(v) + x, with a threshold at 1. */
function simpleStep(f: (v: number) => number, dt = 1): Step {
  let v = -0.1
  return (x) => {
    v += (dt * (f(v) + x)) / 2
    if (v < 1) return false
    v = -0.1
    return true
  }
}

function resonateStep(): Step {
  let [re, im] = [0, 0]
  return (x) => {
    re = re + 0.05 * (-re - 10 * im) + x
    im = im + 0.05 * (10 * re - im)
    if (im < 1) return false
    ;[re, im] = [0, 1]
    return true
  }
}

const kinds: readonly (readonly [string, Equations, () => Step, scale: number])[] = [
  ['izhikevich', izhikevich(), () => izhikevichStep(), 12],
  [
    'izhikevich, chattering',
    izhikevich({ a: 0.02, b: 0.2, c: -50, d: 2 }),
    () => izhikevichStep([0.02, 0.2, -50, 2]),
    12,
  ],
  ['adex', adex(), () => adexStep(), 1000],
  ['adex, bursting', adex({ vReset: -48, vCut: -40 }), () => adexStep(-48, -40), 900],
  ['quadratic', quadraticIntegrateAndFire(), () => simpleStep((v) => v * (v - 0.8)), 1],
  [
    'exponential',
    exponentialIntegrateAndFire({ dt: 0.5 }),
    () => simpleStep((v) => 0.2 * Math.exp((v - 0.8) / 0.2) - v, 0.5),
    1.2,
  ],
  ['resonate', resonateAndFire(), resonateStep, 0.6],
]

for (const [name, layer, make, scale] of kinds)
  test(`${name}: spikes are those of float64 at ${STEPS} steps`, () => {
    let total = 0
    for (const seed of [1, 2, 3, 4]) {
      const random = testRandom(seed)
      // Constant, slow and noisy inputs.
      const x = Array.from({ length: STEPS }, (_, t) =>
        Math.fround(scale * (seed === 1 ? 0.8 : 0.6 + 0.4 * Math.sin(t / seed) + 0.4 * random())),
      )
      const step = make()
      const expected = x.flatMap((value, t) => (step(value) ? [t] : []))
      assert.equal(firedAt(layer, x), expected, `seed ${seed}`)
      total += expected.length
    }
    assert.ok(total >= 12, `${total} spikes`)
  })

test('they stay finite, and so do their gradients, whatever comes', () => {
  const random = testRandom(9)
  for (const [name, layer, , scale] of kinds) {
    const x = Float32Array.from({ length: STEPS * 8 }, () => scale * 40 * (random() - 0.5))
    const options = optionsOf(layer, 8)
    const outputs = ['spikes', 'eligibilities', 'surrogates'] as const
    const { eligibilities, surrogates } = ops.neuron({ ...options, outputs }, x)
    const short = { ...options, input: [1, 4, 510] } as const
    const back = ops.neuronBackward(short, new Float32Array(x.length).fill(1), x) as Float32Array
    for (const values of [eligibilities, surrogates, back])
      assert.ok(values.every(Number.isFinite), name)
  }
})

test('more current means more spikes to the eligibility', () => {
  for (const [name, layer, , scale] of kinds.filter(([name]) => /^(izh|adex)/.test(name))) {
    const x = new Float32Array(STEPS).fill(0.8 * scale)
    const eligibilities = ops.neuron({ ...optionsOf(layer), outputs: ['eligibilities'] }, x)
    assert.ok(eligibilities[0] > 0, `${name}: ${eligibilities}`)
  }
})

test('numbers for each channel say where states begin', async () => {
  const layer = izhikevich({ b: [0.2, 0.25] })
  assert.equal(layer.init, { v: -65, u: 'u0' })
  assert.equal(layer.parameters.u0, [-13, -16.25])
  // Potentials are in mV.
  assert.equal([layer.alpha, izhikevich({ surrogate: 'exp(-alpha*abs(x))' }).alpha], [0.2, 0.05])
  const steps = [0.2, 0.25].map((b) => izhikevichStep([0.02, b, -65, 8]))
  const x = new Float32Array(2 * STEPS).fill(6)
  const expected = x.map((value, i) => Number(steps[i % 2](value)))
  assert.equal([...ops.neuron(optionsOf(layer, 2), x)], [...expected])
  const message = await messageOf(async () => adex({ deltaT: 0 }))
  assert.match(message, /^adex: line 2, column 8: deltaT is out of the range/)
  // The recovery begins at 65 times b, which is looked at first.
  const none = await messageOf(async () => izhikevich({ b: null as never }))
  assert.match(none, /^izhikevich\.b must be a number, or an array of numbers .* got null$/)
})

test('each preset is listed with a text that makes its neurons', () => {
  const random = testRandom(3)
  const x = Float32Array.from({ length: 3 * STEPS }, () => 1.5 * random())
  const all = neurons.list()
  assert.is(Object.keys(all).length, 12)
  for (const [name, { text, parameters, ...options }] of Object.entries(all)) {
    assert.equal(neurons.of(neuron(text, parameters, options)), all[name as 'lif'], name)
    assert.ok(
      Object.keys(parameters).every((key) => text.includes(key)),
      name,
    )
  }
  const { text, parameters, surrogate, alpha } = all.lif
  const input = [1, STEPS, 3]
  assert.equal(
    ops.neuron({ input, text, parameters, surrogate, alpha }, x),
    ops.lif({ input, outputs: ['spikes'] }, x),
  )
  assert.equal(Object.keys(neurons.surrogates()).sort(), [...surrogateNames].sort())
})

test.run()
