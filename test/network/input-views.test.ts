/** Layers that do nothing in evaluation, right on the input: the next weight must not notice. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  compile,
  conv2d,
  dropout,
  flatten,
  identity,
  lif,
  linear,
  maxPool2d,
  relu,
  scale,
  sequential,
} from '../../src/index.js'
import type { Module } from '../../src/nn/module.js'
import { uniform } from '../support/measure.js'

const idle: Readonly<Record<string, Module>> = {
  dropout: dropout(0.5),
  scale: scale(1),
  avgPool2d: avgPool2d(1),
  maxPool2d: maxPool2d(1),
  adaptiveAvgPool2d: adaptiveAvgPool2d([4, 5]),
  identity: identity(),
  // The input is positive.
  relu: relu(),
}

const nets: Readonly<Record<string, (channels: number, layer: Module) => Module>> = {
  conv2d: (channels, layer) =>
    sequential(layer, conv2d(channels, 8, 3), lif(), flatten(), linear(48, 3)),
  linear: (channels, layer) => sequential(layer, flatten(), linear(channels * 20, 3)),
}

for (const [name, net] of Object.entries(nets))
  test(`${name}: behind a layer that does nothing the outputs are those without it`, async () => {
    for (const channels of [1, 3, 4, 5, 7])
      for (const [layer, module] of Object.entries(idle))
        for (const stepMode of ['m', 's'] as const) {
          const options = { input: [channels, 4, 5], batchSize: 3, stepMode } as const
          const [plain, model] = await Promise.all([
            compile(net(channels, identity()), options),
            compile(net(channels, module), options),
          ])
          model.loadStateDict(plain.stateDict())
          const x = uniform(3 * channels * 20, 1, channels).map(Math.abs)
          const [a, b] = [await plain.predict(x), await model.predict(x)]
          const about = `${layer}, ${channels} channels, step mode ${stepMode}`
          assert.is(
            Math.max(...a.logits.map((value, i) => Math.abs(value - b.logits[i]))) < 1e-5,
            true,
            about,
          )
          // What was trained is all in the parameters.
          await model.trainStep(x, [0, 1, 2])
          const again = await compile(net(channels, module), options)
          again.loadStateDict(model.stateDict())
          assert.equal((await again.predict(x)).logits, (await model.predict(x)).logits, about)
        }
  })

test.run()
