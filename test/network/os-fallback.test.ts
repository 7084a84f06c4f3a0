/** Method os where deviations are far from the running ones. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { sizeOf } from '../../src/network/value.js'
import { checkGradients } from '../support/case.js'
import { expectClose, labels, slopeAt, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { layersOf } from '../support/net.js'
import { NearThreshold, referenceStep } from '../support/reference.js'

const channels = 5
const input = [2, 4, 4] as const
const [timeSteps, batch] = [3, 4]
type Fallback = 'channel' | 'layer'

const network = (neurons: readonly api.Layer[]): api.Layer[] => {
  const [before, behind] = [`conv ${channels} 3 padding=1, norm`, 'avgPool2d 2, flatten, linear 3']
  const [neuron] = neurons
  return layersOf(input, `${before}, ${neuron ? 'neuron, ' : ''}${behind}`, {
    neuron: () => neuron,
  })
}

/** Inputs times a number; a channel whose weights are nearly nothing, so that its deviation is too. */
const cases: Readonly<Record<string, readonly [by: number, isSilent: boolean]>> = {
  'inputs × 15': [15, false],
  'inputs × 40': [40, false],
  'inputs × 400': [400, false],
  'a silent channel': [1, true],
  'a silent channel, inputs × 40': [40, true],
}

function stateOf(layers: readonly api.Layer[], seed: number, isSilent: boolean): api.StateDict {
  const last = layers.length - 1
  let drawn = 0
  const of = (shape: number[], size: number, shift = 0) => {
    const numbers = uniform(sizeOf(shape), size, seed + ++drawn)
    return { shape, data: numbers.map((v) => v + shift) }
  }
  const weight = of([channels, 2, 3, 3], 0.4)
  if (isSilent) weight.data.fill(1e-4, 18, 36)
  return {
    '0.weight': weight,
    '0.bias': of([channels], 0.2),
    '1.weight': of([channels], 0.3, 0.9),
    '1.bias': of([channels], 0.1, 0.4),
    '1.running_mean': of([channels], 0.1),
    '1.running_var': of([channels], 0.1, 0.5),
    ...(layers.some(({ kind }) => kind === 'stabilizedLif')
      ? { '2.running_threshold': { shape: [1], data: Float32Array.of(1) } }
      : {}),
    [`${last}.weight`]: of([3, channels * 4], 0.3),
    [`${last}.bias`]: of([3], 0.1),
  }
}

const step = { method: 'os', stepMode: 's', timeSteps, batch, input, frames: false } as const

function referenceOf(layers: readonly api.Layer[], what: string, normFallback: Fallback) {
  const [by, isSilent] = cases[what]
  for (let seed = 1; seed < 100; seed++) {
    const state = stateOf(layers, 20 * seed, isSilent)
    const x = uniform(batch * 32, by, seed)
    const y = labels(batch, 3, seed)
    try {
      const options = { ...step, normFallback, leastMargin: 1e-5 }
      return { state, x, y, reference: referenceStep(layers, state, x, y, options) }
    } catch (error) {
      if (!(error instanceof NearThreshold)) throw error
    }
  }
  throw new Error('no seed keeps potentials away from the threshold')
}

/** The engine's gradients beside those of the forward pass in float64. */
async function check(
  layers: readonly api.Layer[],
  what: string,
  normFallback?: Fallback,
  more: Partial<api.CompileOptions> = {},
) {
  const { state, x, y, reference } = referenceOf(layers, what, normFallback ?? 'channel')
  const options: api.CompileOptions = { input, timeSteps, batchSize: batch, method: 'os', ...more }
  const given = normFallback ? { normFallback } : {}
  const model = await modelOf(api.sequential(...layers), { ...options, ...given })
  model.loadStateDict(state)
  const { loss } = await model.trainStep(x, y, { update: false })
  expectClose(`${what}: output`, model.output(), reference.output, 1e-4)
  expectClose(`${what}: loss`, [loss], [reference.loss], 1e-4)
  checkGradients(what, { layers }, model.gradients(), reference.gradients, 1e-4)
  await model.dispose()
  return reference
}

for (const what of Object.keys(cases))
  for (const neurons of [[api.lif()], [api.stabilizedLif()]])
    for (const fallback of [undefined, 'channel', 'layer'] as const)
      test(`${what}, ${neurons[0].kind}, ${fallback ?? 'by default'}`, async () => {
        await check(network(neurons), what, fallback, fallback ? {} : { engine: 'debug' })
      })

test('where all channels are far, gradients are the slopes of the loss', () => {
  const layers = network([])
  const { state, x, y, reference } = referenceOf(layers, 'inputs × 400', 'channel')
  const lossAt = (): number => referenceStep(layers, state, x, y, step).loss
  for (const [name, index] of [
    ['0.weight', 7],
    ['0.weight', 40],
    ['1.weight', 2],
    ['1.bias', 3],
  ] as const) {
    const slope = slopeAt(state[name].data as Float32Array, index, lossAt, 2 ** -10)
    const gradient = reference.gradients[name][index]
    assert.ok(Math.abs(slope - gradient) < 1e-5, `${name}[${index}]: ${gradient}, slope ${slope}`)
  }
})

test('a silent channel leaves the others to their running statistics', () => {
  const layers = network([api.lif()])
  const far = referenceOf(layers, 'a silent channel', 'channel').reference
  const all = referenceOf(layers, 'a silent channel', 'layer').reference
  assert.not.equal([...far.output], [...all.output], 'by layer they are normalised otherwise')
})

test('a model file keeps normFallback', async () => {
  const options = { input, timeSteps, batchSize: batch, method: 'os' } as const
  const model = await modelOf(api.sequential(...network([api.lif()])), {
    ...options,
    normFallback: 'layer',
  })
  assert.is(model.toJSON().method.normFallback, 'layer')
})

test.run()
