/** Layers that do nothing in evaluation, right on the input: the next weight must not notice. */

import * as assert from 'uvu/assert'
import { uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

// The input is positive: relu does nothing.
const idle = [
  'dropout 0.5',
  'scale 1',
  'avgPool2d 1',
  'maxPool2d 1',
  'adaptiveAvgPool2d 4x5',
  'relu',
]
const nets = { conv2d: 'conv 8 3, lif, flatten, linear 3', linear: 'flatten, linear 3' }

for (const [name, text] of Object.entries(nets))
  test(`${name}: behind a layer that does nothing the outputs are those without it`, async () => {
    for (const channels of [1, 3, 4, 5, 7])
      for (const layer of idle)
        for (const stepMode of ['m', 's'] as const) {
          const options = { input: [channels, 4, 5], batchSize: 3, stepMode } as const
          const behind = (first: string) => compileNet(`${first}, ${text}`, options)
          const [plain, model] = await Promise.all(['identity', layer].map(behind))
          model.loadStateDict(plain.stateDict())
          const x = uniform(3 * channels * 20, 1, channels).map(Math.abs)
          const [a, b] = [await plain.predict(x), await model.predict(x)]
          const about = `${layer}, ${channels} channels, step mode ${stepMode}`
          const apart = Math.max(...a.logits.map((value, i) => Math.abs(value - b.logits[i])))
          assert.ok(apart < 1e-5, about)
          // What was trained is all in the parameters.
          await model.trainStep(x, [0, 1, 2])
          const again = await behind(layer)
          again.loadStateDict(model.stateDict())
          assert.equal((await again.predict(x)).logits, (await model.predict(x)).logits, about)
        }
  })

test.run()
