/** What the package writes is read as a user's text is. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { alif, cubaLif, integrator, leakyIntegrator, lif, plif } from '../../src/index.js'
import { type ForwardOptions, forwardKernel } from '../../src/kernels/equations/forward.js'
import { Level } from '../../src/kernels/equations/graph.js'
import type { Layer } from '../../src/kernels/equations/layer.js'
import { readNeuron, readSurrogate } from '../../src/kernels/equations/neuron.js'
import { written } from '../../src/kernels/equations/written.js'
import { presetOf } from '../../src/network/presets.js'
import { surrogateTexts } from '../../src/network/surrogates.js'

const all = { refractory: 2, vReset: 0.1, vRest: 0.2, inputScale: 0.5, decayInput: true } as const
const presets = {
  lif: lif(),
  all: lif({ ...all, fires: 'above', detachReset: false, learn: ['vThreshold'] }),
  delayed: lif({ tau: 5, fires: 'above', reset: 'delayed' }),
  delayedHard: lif({ ...all, reset: 'delayed', detachReset: false }),
  plif: plif({ vReset: 0 }),
  cuba: cubaLif({ ...all, learn: ['tau', 'tauSyn'] }),
  alif: alif({ learn: ['beta', 'tauAdaptation'] }),
  leaky: leakyIntegrator({ tauSyn: 3, vRest: 0.5 }),
  integrator: integrator(),
}

const options: ForwardOptions = { steps: 3, totalSteps: 3, eligibility: true, traces: true }
const ofLayer = { terms: [{ affine: true }], padded: true, wide: false } as const
const parameterOf = (name: string, value: number, learns = false) => {
  return { name, value, learns, level: Level.Layer, offset: 0 }
}

for (const [name, preset] of Object.entries(presets))
  test(`${name}: states, ranges and kernels`, () => {
    const { equations, parameters: values, surrogate, alpha, init, learn } = presetOf(preset)
    const names = Object.keys(values)
    const read = readNeuron({ what: equations.what, text: equations.text }, names)
    for (const key of ['what', 'states', 'potential', 'output'] as const)
      assert.equal(read[key], equations[key], key)
    const ranges = Array.from(read.ranges, ([of, { leastAt: _, mostAt: __, ...range }]) => [
      of,
      range,
    ])
    assert.equal(ranges, [...equations.ranges])
    const parameters = names.map((one) => parameterOf(one, values[one] as number, learn.has(one)))
    const own = { ...ofLayer, surrogate, alpha, init, parameters, learn: [...learn.keys()] }
    const [ours, theirs] = [equations, read].map(
      (of) => forwardKernel({ ...own, equations: of }, options).func,
    )
    assert.is(ours, theirs)
  })

test('surrogates', () => {
  const { equations } = presetOf(lif())
  const parameters = ['tau', 'vThreshold'].map((name) => parameterOf(name, 2))
  const own = { ...ofLayer, equations, parameters, alpha: 2, init: {}, learn: [] }
  const kernelOf = (surrogate: Layer['surrogate']): string =>
    forwardKernel({ ...own, surrogate }, options).func
  for (const text of Object.values(surrogateTexts))
    assert.is(kernelOf(written(text)), kernelOf(readSurrogate({ what: 'surrogate', text })))
})

test.run()
