/** Exported networks: the same bits as `predict`, and nothing that a host would have to give. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { agreement, numbers, randomModel } from '../support/exported.js'

test('random networks of every kind of layer give the bits of predict', async () => {
  for (let seed = 1; seed <= 24; seed++) {
    const random = numbers(seed)
    const model = await randomModel(random)
    const { differ, outputs } = await agreement(model, random)
    assert.is(differ, 0, `seed ${seed}: ${differ} of ${outputs} differ`)
  }
})

test('T calls of step give the bits of predict in step mode s', async () => {
  for (let seed = 101; seed <= 112; seed++) {
    const random = numbers(seed)
    const model = await randomModel(random, 's')
    const { differ, outputs } = await agreement(model, random, { mode: 'step' })
    assert.is(differ, 0, `seed ${seed}: ${differ} of ${outputs} differ`)
  }
})

test.run()
