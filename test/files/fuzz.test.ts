import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzz } from './fuzz.js'

test('mutated files end in a value or one clear error, whatever reads them', async () => {
  const { read, refused, faults } = await fuzz(1400, Number(process.env.SPIKEWASM_TEST_SEED ?? 1))
  assert.equal(faults, [])
  assert.ok(read > 0 && refused > 500, `${read} read, ${refused} refused`)
})

test.run()
