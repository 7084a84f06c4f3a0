/** Layers between neurons: the rates of max pooling, and what they refuse. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { modelOf, test } from '../support/models.js'
import { compileNet } from '../support/net.js'

test('max pooling in the rate method: pooled or official', async () => {
  // One window of two neurons that fire at different steps: together at each, each at half.
  const options = { input: [1, 1, 2], timeSteps: 2, batchSize: 1, frames: true } as const
  // ∂L/∂z / T = ∓1/4, times the rate of the window.
  for (const [rate, gradient] of [
    ['pooled', [-0.25, 0.25]],
    ['official', [-0.125, 0.125]],
  ] as const)
    for (const stepMode of ['m', 's'] as const) {
      const text = `lif vThreshold=1, maxPool2d 1x2 rate=${rate}, flatten, linear 2 bias=false`
      const model = await compileNet(text, { ...options, stepMode })
      model.loadStateDict({ '3.weight': { shape: [2, 1], data: new Float32Array(2) } })
      await model.trainStep(Float32Array.of(2, 0, 0, 2), [0], { update: false })
      assert.equal([...model.gradients()['3.weight'].data], gradient)
      await model.dispose()
    }
})

test('what layers refuse of their input or their method is told by name', async () => {
  const input = [2, 5, 5] as const
  const compiled = (...layers: api.Layer[]): Promise<unknown> =>
    modelOf(api.sequential(...layers, api.flatten(), api.linear(9, 2)), { input, method: 'bptt' })
  const joins = (children: Record<string, api.Layer>): Promise<unknown> =>
    modelOf(
      api.block(children, (m, x, { concat }) => concat(m.a(x), m.b(x))),
      { input },
    )
  const late = 'linear 4, lif, delay 1, linear 2'
  const at = (method: 'ottt' | 'sltt') => compileNet(late, { input: [8], method, timeSteps: 3 })
  for (const [make, message] of [
    [
      () => compiled(api.scale([1, 2, 3])),
      /0 \(scale\): has 3 factors; .* needs 2, one for .* or 50/,
    ],
    [
      () => compiled(api.delay([1, 2, 3])),
      /0 \(delay\): has 3 delays, its input \[2, 5, 5\] needs 2/,
    ],
    [() => compiled(api.groupNorm(2, 4)), /0 \(groupNorm\): expects 4 channels, got \[2, 5, 5\]/],
    [
      () => compiled(api.layerNorm([2, 5])),
      /normalises the last sizes \[2, 5\] .*got \[2, 5, 5\]; give it \[2, 5, 5\], \[5, 5\] or \[5\]/,
    ],
    [() => compiled(api.conv1d(2, 3, 3)), /expects a series \[C, L\], got the image \[2, 5, 5\]/],
    [
      () => joins({ a: api.conv2d(2, 2, 3), b: api.conv2d(2, 2, 2) }),
      /concat joins channels of values of one height and width, or flat values, got \[2, 3, 3\]/,
    ],
    [
      () =>
        modelOf(
          api.block({}, (_m, x, { concat }) => concat(x)),
          { input },
        ),
      /concat needs two or more values/,
    ],
    [() => at('ottt'), /2 \(delay\): method 'ottt' .* cannot train through a delay; use 'rate' or/],
    [() => at('sltt'), /2 \(delay\): method 'sltt' .* cannot train through a delay; use 'rate' or/],
  ] as const)
    await expectRefusal(async () => make(), message)
  await (await compileNet(late, { input: [8], method: 'sltt', purpose: 'inference' })).dispose()
})

test.run()
