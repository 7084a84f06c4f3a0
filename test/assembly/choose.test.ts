/** The choice between kernels by spikes, of one call and of calls whose spikes add up. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { choose, spikeSum } from '../../src/kernels/records/schema.js'
import { testCases } from '../support/records.js'

const name = 'at most so many spikes a call, on the average of the calls so far'
testCases(name, 400, (r, engine) => {
  const most = r.chance(0.25) ? 2 ** 31 : 100
  const sources = Array.from({ length: r.int(1, 3) }, () =>
    Array.from({ length: r.int(1, 5) }, () => r.int(0, most - 1)),
  )
  const spikes = sources.flat().reduce((a, b) => a + b, 0)
  const callSteps = r.int(0, 8)
  const t = callSteps * r.int(0, 4)
  const calls = callSteps > 0 ? (t + callSteps) / callSteps : 1
  // Often right at the border.
  const limit = Math.min(2 ** 32 - 1, Math.max(0, Math.floor(spikes / calls) + r.int(-1, 1)))
  const sums = sources.map((of) => ({ sums: engine.putInts(of), units: of.length }))
  const table = engine.table(spikeSum, sums)
  const out = engine.alloc(8)
  const sourceCount = sources.length
  const record = { out, sources: table, sourceCount, limit, callSteps }
  engine.run(engine.record(choose, 1, record), engine.alloc(0), t)
  const few = spikes <= limit * calls ? 1 : 0
  const what = `${spikes} spikes, limit ${limit}, ${calls} calls`
  assert.equal([...engine.ints(out, 2)], [few, 1 - few], what)
})

test.run()
