/** The table of methods, and what others read from it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type MethodOptions,
  methodNames,
  methodOptionKeys,
  methodOptions,
  pickMethodOptions,
  stepModes,
  stepModesOf,
  takenOptions,
  traitsOf,
} from '../../src/compile/methods.js'

test('every method completes to options that it accepts again, in each of its step modes', () => {
  for (const method of methodNames)
    for (const stepMode of stepModesOf(method)) {
      const complete = methodOptions({ method, stepMode }, 4)
      assert.equal(Object.keys(complete).sort(), [...methodOptionKeys].sort())
      assert.equal(methodOptions(takenOptions(complete), 4), complete)
      if (stepMode === 'm') assert.is(traitsOf(complete).loop, 'layers')
    }
  assert.equal(stepModes, ['m', 's'])
})

test('picks the options of a method that are given', () => {
  const options: MethodOptions & { epochs: number } = {
    epochs: 3,
    method: 'sltt',
    update: undefined,
    backwardSteps: 2,
  }
  assert.equal(pickMethodOptions(options), { method: 'sltt', backwardSteps: 2 })
})

test.run()
