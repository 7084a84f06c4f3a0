/**
 * Random equations: kernels beside float64. Where a potential comes close to its threshold, or a
 * function to a place where it bends, rounding decides: such neurons are left out, and their share
 * is bounded.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { functions } from '../../src/kernels/equations/evaluate.js'
import { Level } from '../../src/kernels/equations/graph.js'
import type { Layer } from '../../src/kernels/equations/layer.js'
import { readNeuron } from '../../src/kernels/equations/neuron.js'
import { ReferenceNeuron } from '../../src/kernels/equations/reference.js'
import { written } from '../../src/kernels/equations/written.js'
import { surrogateTexts } from '../../src/network/surrogates.js'
import { one } from '../support/draw/layers.js'
import { testRandom } from '../support/engine.js'
import { KernelRunner } from '../support/kernel-runner.js'
import { isLong } from '../support/long.js'
import { randomNeuron } from '../support/random-equations.js'
import { surrogateDerivative } from '../support/reference.js'
import { keysOf } from '../support/tables.js'

const COUNT = isLong ? 500 : 60
const MARGIN = 1e-4
const called = new Set<string>()
const [kept, all] = [[0], [0]]
const errors: number[] = []

/** The largest difference, as a share of the largest number. */
function note(what: string, found: number[], expected: number[], seed: number): void {
  const largest = Math.max(1e-3, ...expected.map(Math.abs))
  for (const [i, value] of expected.entries()) {
    const error = Math.abs(found[i] - value) / largest
    errors.push(error)
    assert.ok(error <= 2e-4, `seed ${seed}: ${what} is ${found[i]}, expected ${value}`)
  }
}

function check(seed: number): void {
  const random = testRandom(seed)
  const { text, parameters, calls } = randomNeuron(random)
  for (const name of calls) called.add(name)
  const surrogate = one(random, keysOf(surrogateTexts))
  const alpha = 1 + random()
  const steps = one(random, [1, 2, 3, 4, 7, 8, 9, 13, 25])
  const channels = one(random, [4, 8, 12])
  const [pixels, real] = [3, channels - (random() < 0.5 ? 0 : 1)]
  const source = { what: 'neuron', text }
  const names = Object.keys(parameters)
  const layer: Layer = {
    equations: readNeuron(source, names),
    surrogate: written(surrogateTexts[surrogate]),
    alpha,
    parameters: names.map((name) => ({
      name,
      level: Level.Layer,
      learns: true,
      offset: 0,
      value: parameters[name],
    })),
    learn: names,
    init: {},
    terms: [{}],
    padded: real < channels,
    wide: channels % 8 === 0,
  }
  const runner = new KernelRunner(
    layer,
    { pixels, channels, real, steps },
    names.map((name) => Float32Array.of(parameters[name])),
  )
  const x = Float32Array.from({ length: pixels * steps * channels }, () => 1.6 * random() - 0.3)
  const delta = x.map(() => random() - 0.5)
  const calls3 = steps > 2 ? [1, steps - 2, 1] : [steps]
  const whole = runner.forward(x, [steps])
  const parts = runner.forward(x, calls3)
  assert.equal(parts, whole, `seed ${seed}: calls of ${calls3} steps give other bits`)
  const back = runner.backward(x, delta)
  const slope = (x: number): number => surrogateDerivative({ surrogate, alpha }, x)
  for (let pixel = 0; pixel < pixels; pixel++)
    for (let c = 0; c < channels; c++) {
      const at = Array.from({ length: steps }, (_, t) => (pixel * steps + t) * channels + c)
      const n = pixel * channels + c
      const trace = (of: Float32Array): number[] =>
        names.map((_, i) => of[(pixel * names.length + i) * channels + c])
      if (c >= real) {
        const none = [
          whole.eligibility[n],
          ...trace(whole.traces),
          ...at.map((i) => whole.output[i]),
        ]
        assert.ok(
          none.every((value) => value === 0),
          'padding gives nothing',
        )
        continue
      }
      const neuron = new ReferenceNeuron(
        source,
        at.map((i) => x[i]),
        { parameters, slope },
      )
      all[0]++
      if (neuron.margin < MARGIN) continue
      kept[0]++
      const spikes = neuron.results.map(({ value }) => value)
      assert.equal(
        at.map((i) => whole.output[i]),
        spikes,
        `seed ${seed}: spikes`,
      )
      const mean = neuron.gradients(spikes.map(() => 1 / steps))
      note('eligibility', [whole.eligibility[n]], [mean.inputs.reduce((a, b) => a + b)], seed)
      note('derivatives', trace(whole.traces), Object.values(mean.parameters), seed)
      const through = neuron.gradients(at.map((i) => delta[i]))
      note(
        'gradient',
        at.map((i) => back.delta[i]),
        through.inputs,
        seed,
      )
      note('gradients of parameters', trace(back.traces), Object.values(through.parameters), seed)
    }
}

test('spikes, eligibilities and gradients are those of float64; calls give the same bits', () => {
  for (let seed = 1; seed <= COUNT; seed++) check(seed)
  assert.ok(
    kept[0] > 0.5 * all[0],
    `${kept} of ${all} neurons keep away from where rounding decides`,
  )
  errors.sort((a, b) => a - b)
  const median = errors[errors.length >> 1]
  assert.ok(median <= 1e-6, `median error ${median}`)
  assert.equal(
    Object.keys(functions).filter((name) => !called.has(name) && !name.startsWith('rand')),
    [],
    'functions that no text called',
  )
})

test.run()
