/** Layers between neurons against PyTorch's autograd, through time (test/fixtures/layers.py). */

import * as assert from 'uvu/assert'
import { type Block, block, conv2d, flatten, linear } from '../../src/index.js'
import type { InputShape } from '../../src/network/value.js'
import { readFixture } from '../support/fixture.js'
import { bySample } from '../support/frames.js'
import { expectClose, norm } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'

const { metadata, of, state } = readFixture('layers.safetensors')

const branches = {
  a: conv2d(2, 3, 3),
  b: netOf([2, 6, 5], 'conv 4 3, lif'),
  c: netOf([7, 4, 3], 'conv 5 2, lif'),
  d: netOf([2, 6, 5], 'flatten, linear 6, lif'),
  flat: flatten(),
  out: linear(36, 4),
}

const networks: Readonly<Record<string, string | Block>> = {
  groupNorm: 'conv 6 3, groupNorm 3, lif, conv 4 2, groupNorm 1 eps=0.01, lif, flatten, linear 4',
  layerNorm: 'conv 5 3, layerNorm 5x4x3, lif, flatten, linear 7, layerNorm 7, lif, linear 4',
  'layerNorm of last sizes':
    'conv 5 2, layerNorm 4, lif, conv 4 2, layerNorm 4x3 eps=0.01, lif, flatten, linear 4',
  conv1d: `conv 6 4 padding=1, norm, lif, avgPool1d 2, conv 8 3 stride=2 groups=2, lif, flatten,
    linear 4`,
  adaptiveAvgPool2d: `conv 5 2, lif, adaptiveAvgPool2d 3x6, conv 4 2, lif, adaptiveAvgPool2d 3x2,
    flatten, linear 4`,
  sumPool2d: 'conv 5 3, lif, sumPool2d 2, conv 4 1, scale 0.5x2x-1x1.5, lif, flatten, linear 4',
  delay: 'conv 5 3, lif, delay 1x0x2x3x1, conv 4 2, delay 2, lif, flatten, linear 4',
  'dilated and transposed': `conv 6 3 dilation=2 padding=2 groups=2, lif,
    transposed 4 3 stride=2 padding=1 outputPadding=1 groups=2, lif,
    transposed 3 2x3 stride=1x2 dilation=2x1 bias=false, lif, conv 3 2 stride=4 dilation=3, lif,
    flatten, linear 4`,
  upsample: `conv 4 2, lif, upsample scale=1.5x2, conv 3 2, lif,
    upsample size=5x9 mode=bilinear alignCorners=true, upsample scale=1.5 mode=bilinear,
    conv 3 3 stride=3, lif, upsample size=3x2, flatten, linear 4`,
  'series of another size': `conv 4 3 dilation=2, lif, transposed 5 4 stride=3 padding=2, lif,
    upsample scale=1.7 mode=linear, conv 3 2, lif, upsample size=7, flatten, linear 4`,
  // Currents beside spikes; flat values of an image and of features.
  concat: block(branches, (m, x, { concat }) =>
    m.out(concat(m.flat(m.c(concat([m.a(x), m.b(x)]))), m.d(x))),
  ),
}

for (const [name, text] of Object.entries(networks))
  test(`${name}: output and gradients of PyTorch`, async () => {
    const { target } = JSON.parse(metadata[name])
    const { shape, data } = of(`${name}/input`)
    const input = shape.slice(2) as unknown as InputShape
    const sizes = { timeSteps: shape[0], batchSize: shape[1] }
    const network = typeof text === 'string' ? netOf(input, text) : text
    const model = await modelOf(network, { input, ...sizes, frames: true, method: 'bptt' })
    model.loadStateDict({ ...model.stateDict(), ...state(`${name}/parameter/`) })
    const x = bySample(data, model.timeSteps, model.batchSize)
    await model.trainStep(x, target, { update: false })
    expectClose('output', model.output(), of(`${name}/output`).data, 1e-5)
    const gradients = model.gradients()
    for (const [key, { shape, data }] of Object.entries(state(`${name}/gradient/`))) {
      assert.equal(gradients[key].shape, shape, key)
      // A bias before a batch normalisation has none.
      if (norm(data) < 1e-6) continue
      expectClose(`gradient of ${key}`, gradients[key].data, data, 1e-4)
    }
  })

test.run()
