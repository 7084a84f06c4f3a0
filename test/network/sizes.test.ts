/**
 * Dilated and transposed convolutions and upsampling: 200 random networks of currents, whose
 * outputs and gradients (of the layer's own parameters, and of those before it through its input)
 * are those of the float64 reference; and what they refuse.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { checkGradients, compileCase } from '../support/case.js'
import { Draw } from '../support/draw/layers.js'
import { put } from '../support/draw/networks.js'
import { Sketch } from '../support/draw/sketch.js'
import { testRandom } from '../support/engine.js'
import { expectClose, labels, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { referenceStep } from '../support/reference.js'

const kinds = ['dilated', 'convTranspose1d', 'convTranspose2d', 'upsample'] as const
const methods = ['rate', 'bptt', 'sltt'] as const

for (const [k, kind] of kinds.entries())
  test(`50 random networks with ${kind} have the gradients of the reference`, async () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = testRandom(1000 * k + seed)
      const d = new Draw(random, { large: seed % 5 === 0 })
      const method = methods[seed % methods.length]
      const isSeries = kind.endsWith('1d') || (kind !== 'convTranspose2d' && seed % 3 === 0)
      const input = isSeries
        ? ([2, d.int(3, 12)] as const)
        : ([2, d.int(2, 7), d.int(2, 7)] as const)
      const stepMode = method === 'sltt' ? 's' : 'm'
      const sketch = new Sketch(input, method, stepMode, 2)
      sketch.put(isSeries ? api.conv1d(2, 5, 1) : api.conv2d(2, 5, 1))
      put(d, sketch, [kind])
      sketch.put(api.flatten())
      const features = sketch.signals[sketch.last].shape.reduce((a, b) => a * b, 1)
      sketch.put(api.linear(features, 4))
      const layers = sketch.nodes.flatMap(({ layer }) => layer ?? [])
      const options = { input, timeSteps: 2, frames: true, method, stepMode } as const
      const model = await compileCase(layers, { ...options, batchSize: 3, seed })
      const x = uniform(6 * input.reduce((a, b) => a * b, 1), 2, seed)
      const y = labels(3, 4, seed)
      const shape = input.length === 2 ? ([2, 1, input[1]] as const) : input
      const how = { ...options, input: shape, batch: 3 }
      const reference = referenceStep(layers, model.stateDict(), x, y, how)
      await model.trainStep(x, y, { update: false })
      const what = `${kind} seed=${seed} ${method} ${JSON.stringify(layers[1])}`
      expectClose(what, model.output(), reference.output, 1e-5)
      checkGradients(what, { layers }, model.gradients(), reference.gradients, 1e-5)
      await model.dispose()
    }
  })

const { convTranspose2d, convTranspose1d, conv2d, upsample } = api
const refusals: Readonly<Record<string, readonly [() => unknown, RegExp]>> = {
  'a dilation of 0': [() => conv2d(1, 1, 3, { dilation: 0 }), /conv2d.dilation must be .*≥ 1/],
  'more output padding than stride': [
    () => convTranspose2d(1, 1, 3, { stride: 2, outputPadding: 2 }),
    /convTranspose2d.outputPadding must be below the stride \(2,2\) or the dilation \(1,1\), got 2,2/,
  ],
  'more output padding of a series': [
    () => convTranspose1d(1, 1, 3, { outputPadding: 1 }),
    /convTranspose1d.outputPadding must be below the stride \(1\)/,
  ],
  'groups that do not divide': [
    () => convTranspose2d(4, 6, 3, { groups: 4 }),
    /groups must divide .* outChannels 6/,
  ],
  'a standardised transposed weight': [
    () => convTranspose2d(1, 1, 3, { standardise: true } as object),
    /convTranspose2d.standardise is not an option; known are stride/,
  ],
  'no size': [() => upsample({}), /upsample needs one of size .* and scale, got none/],
  'two sizes': [() => upsample({ size: 2, scale: 2 }), /upsample needs one of .* got both/],
  'a scale of 0': [() => upsample({ scale: 0 }), /upsample.scale must be a number > 0/],
  'half a pixel': [() => upsample({ size: [2, 1.5] }), /upsample.size must be an integer ≥ 1/],
  'another mode': [() => upsample({ size: 2, mode: 'cubic' as never }), /upsample.mode must be/],
  'corners of nearest pixels': [
    () => upsample({ size: 2, alignCorners: true }),
    /upsample.alignCorners is of the modes 'linear' and 'bilinear'/,
  ],
}
for (const [name, [make, message]] of Object.entries(refusals))
  test(`${name} is refused`, () => void assert.throws(make, message))

const shapes: Readonly<Record<string, readonly [api.Layer, api.CompileOptions['input'], RegExp]>> =
  {
    'a dilated kernel beyond the image': [
      conv2d(1, 1, 3, { dilation: 4 }),
      [1, 8, 8],
      /its kernel 3×3 with dilation 4×4 is larger than the padded input/,
    ],
    'padding that leaves nothing': [
      convTranspose2d(1, 1, 2, { padding: 2 }),
      [1, 3, 3],
      /its padding 2×2 leaves nothing of the output/,
    ],
    'features behind a transposed one': [convTranspose2d(1, 1, 2), [8], /expects an image/],
    'bilinear series': [upsample({ scale: 2, mode: 'bilinear' }), [1, 8], /use 'linear'/],
    'linear images': [upsample({ scale: 2, mode: 'linear' }), [1, 8, 8], /use 'bilinear'/],
    'two sizes of a series': [upsample({ size: [1, 4] }), [1, 8], /a series \[1, 8\] has one size/],
    'a scale that leaves nothing': [upsample({ scale: 0.1 }), [1, 8, 8], /must be from 1 to/],
  }
for (const [name, [layer, input, message]] of Object.entries(shapes))
  test(`${name}: refused when the network is compiled`, async () => {
    const made = api.sequential(layer, api.flatten(), api.linear(1, 2)).compile({ input })
    const error = await made.then(() => undefined).catch((error: Error) => error)
    assert.match(error?.message ?? '', message)
  })

test('weights start as those of PyTorch', async () => {
  const layer = convTranspose2d(8, 6, 3, { groups: 2 })
  const net = api.sequential(layer, api.flatten(), api.linear(96, 2))
  const model = await net.compile({ input: [8, 2, 2], seed: 3 })
  const { '0.weight': weight, '0.bias': bias } = model.stateDict()
  assert.equal([weight.shape, bias.shape], [[8, 3, 3, 3], [6]])
  // Fan-in of PyTorch: the second size of the weight and its kernel.
  const bound = 1 / Math.sqrt(3 * 9)
  const most = Math.max(...weight.data.map(Math.abs))
  assert.ok(most <= bound && most > 0.95 * bound)
  assert.ok(Math.max(...bias.data.map(Math.abs)) <= bound)
  await model.dispose()
})

test.run()
