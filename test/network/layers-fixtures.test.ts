/** Layers between neurons against PyTorch's autograd, through time (test/fixtures/layers.py). */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool2d,
  avgPool1d,
  type Block,
  batchNorm1d,
  block,
  conv1d,
  conv2d,
  delay,
  flatten,
  groupNorm,
  layerNorm,
  lif,
  linear,
  type StateDict,
  scale,
  sequential,
  sumPool2d,
} from '../../src/index.js'
import { parseSafetensors, toFloat32 } from '../../src/io/safetensors.js'
import type { InputShape } from '../../src/nn/value.js'
import { bySample } from '../support/frames.js'
import { expectClose, norm } from '../support/measure.js'

const path = new URL('../../../test/fixtures/layers.safetensors', import.meta.url)
const { tensors, metadata } = parseSafetensors(readFileSync(path), 'layers.safetensors')

const branches = {
  a: conv2d(2, 3, 3),
  b: sequential(conv2d(2, 4, 3), lif()),
  c: sequential(conv2d(7, 5, 2), lif()),
  d: sequential(flatten(), linear(60, 6), lif()),
  flat: flatten(),
  out: linear(36, 4),
}

const networks: Record<string, Block> = {
  groupNorm: sequential(
    conv2d(2, 6, 3),
    groupNorm(3, 6),
    lif(),
    conv2d(6, 4, 2),
    groupNorm(1, 4, { eps: 0.01 }),
    lif(),
    flatten(),
    linear(24, 4),
  ),
  layerNorm: sequential(
    conv2d(2, 5, 3),
    layerNorm([5, 4, 3]),
    lif(),
    flatten(),
    linear(60, 7),
    layerNorm(7),
    lif(),
    linear(7, 4),
  ),
  'layerNorm of last sizes': sequential(
    conv2d(2, 5, 2),
    layerNorm(4),
    lif(),
    conv2d(5, 4, 2),
    layerNorm([4, 3], { eps: 0.01 }),
    lif(),
    flatten(),
    linear(48, 4),
  ),
  conv1d: sequential(
    conv1d(3, 6, 4, { padding: 1 }),
    batchNorm1d(6),
    lif(),
    avgPool1d(2),
    conv1d(6, 8, 3, { stride: 2, groups: 2 }),
    lif(),
    flatten(),
    linear(16, 4),
  ),
  adaptiveAvgPool2d: sequential(
    conv2d(2, 5, 2),
    lif(),
    adaptiveAvgPool2d([3, 6]),
    conv2d(5, 4, 2),
    lif(),
    adaptiveAvgPool2d([3, 2]),
    flatten(),
    linear(24, 4),
  ),
  sumPool2d: sequential(
    conv2d(2, 5, 3),
    lif(),
    sumPool2d(2),
    conv2d(5, 4, 1),
    scale([0.5, 2, -1, 1.5]),
    lif(),
    flatten(),
    linear(8, 4),
  ),
  delay: sequential(
    conv2d(2, 5, 3),
    lif(),
    delay([1, 0, 2, 3, 1]),
    conv2d(5, 4, 2),
    delay(2),
    lif(),
    flatten(),
    linear(24, 4),
  ),
  // Currents beside spikes; flat values of an image and of features.
  concat: block(branches, (m, x, { concat }) =>
    m.out(concat(m.flat(m.c(concat([m.a(x), m.b(x)]))), m.d(x))),
  ),
}

for (const [name, network] of Object.entries(networks))
  test(`${name}: output and gradients of PyTorch`, async () => {
    const { target } = JSON.parse(metadata[name])
    const of = (role: string): StateDict =>
      Object.fromEntries(
        [...tensors]
          .filter(([key]) => key.startsWith(`${name}/${role}`))
          .map(([key, tensor]) => [
            key.slice(name.length + role.length + 2),
            { shape: tensor.shape, data: toFloat32(tensor) },
          ]),
      )
    const { shape, data } = of('input')['']
    const model = await network.compile({
      input: shape.slice(2) as unknown as InputShape,
      timeSteps: shape[0],
      batchSize: shape[1],
      frames: true,
      method: 'bptt',
    })
    model.loadStateDict({ ...model.stateDict(), ...of('parameter') })
    const x = bySample(data, model.timeSteps, model.batchSize)
    await model.trainStep(x, target, { update: false })
    expectClose('output', model.output(), of('output')[''].data, 1e-5)
    const gradients = model.gradients()
    for (const [key, { shape, data }] of Object.entries(of('gradient'))) {
      assert.equal(gradients[key].shape, shape, key)
      // A bias before a batch normalisation has none.
      if (norm(data) < 1e-6) continue
      expectClose(`gradient of ${key}`, gradients[key].data, data, 1e-4)
      const got = gradients[key].data
      const dot = data.reduce((sum, v, i) => sum + v * got[i], 0)
      assert.ok(dot / (norm(data) * norm(got)) > 0.9999, key)
    }
    await model.dispose()
  })

test.run()
