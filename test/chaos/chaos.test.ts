/** A short form of `npm run chaos`. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chaos } from './chaos.js'

test('trainings that are ended at random moments, and go on, have the bits of whole ones', async () => {
  const { ends, failures } = await chaos({ runs: 4, seed: 4, ends: 3 })
  assert.equal(failures, [])
  assert.ok(ends >= 6, `${ends} ends`)
})

test.run()
