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
  plif: plif({ vReset: 0 }),
  cuba: cubaLif({ ...all, learn: ['tau', 'tauSyn'] }),
  alif: alif({ learn: ['beta', 'tauAdaptation'] }),
  leaky: leakyIntegrator({ tauSyn: 3, vRest: 0.5 }),
  integrator: integrator(),
}

const options: ForwardOptions = { steps: 3, totalSteps: 3, eligibility: true, traces: true }

for (const [name, preset] of Object.entries(presets))
  test(`${name}: states, ranges and kernels`, () => {
    const { equations, parameters, surrogate, alpha, init, learn } = presetOf(preset)
    const names = Object.keys(parameters)
    const read = readNeuron({ what: equations.what, text: equations.text }, names)
    for (const key of ['what', 'states', 'potential', 'output'] as const)
      assert.equal(read[key], equations[key], key)
    const ranges = Array.from(read.ranges, ([of, { leastAt: _, mostAt: __, ...range }]) => [
      of,
      range,
    ])
    assert.equal(ranges, [...equations.ranges])
    const layer: Omit<Layer, 'equations'> = {
      ...{ surrogate, alpha, init, learn: [...learn.keys()] },
      parameters: names.map((one) => ({
        ...{ name: one, level: Level.Layer, learns: learn.has(one), offset: 0 },
        value: parameters[one] as number,
      })),
      ...{ terms: [{ affine: true }], padded: true, wide: false },
    }
    const [ours, theirs] = [equations, read].map(
      (of) => forwardKernel({ ...layer, equations: of }, options).func,
    )
    assert.is(ours, theirs)
  })

test('surrogates', () => {
  const { equations } = presetOf(lif())
  const kernelOf = (surrogate: Layer['surrogate']): string =>
    forwardKernel(
      {
        ...{ equations, surrogate, alpha: 2, init: {}, learn: [] },
        parameters: ['tau', 'vThreshold'].map((name) => ({
          ...{ name, value: 2, level: Level.Layer, learns: false, offset: 0 },
        })),
        ...{ terms: [{}], padded: false, wide: true },
      },
      options,
    ).func
  for (const text of Object.values(surrogateTexts))
    assert.is(kernelOf(written(text)), kernelOf(readSurrogate({ what: 'surrogate', text })))
})

test.run()
