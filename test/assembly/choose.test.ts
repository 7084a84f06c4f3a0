/** The choice between kernels by spikes, of one call and of calls whose spikes add up. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { choose, spikeSum } from '../../src/kernels/records/schema.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'

const seed = Number(process.env.SEED ?? 29)

for (const variant of variants)
  test(`${variant} choose: at most so many spikes a call, on the average of the calls so far`, () => {
    const random = testRandom(seed)
    const below = (n: number): number => Math.floor(random() * n)
    for (let round = 0; round < 200; round++) {
      const engine = new TestEngine(variant)
      const sources = Array.from({ length: 1 + below(3) }, () =>
        Array.from({ length: 1 + below(5) }, () => below(round % 4 === 0 ? 2 ** 31 : 100)),
      )
      const spikes = sources.flat().reduce((a, b) => a + b, 0)
      const callSteps = below(9)
      const t = callSteps * below(5)
      const calls = callSteps > 0 ? (t + callSteps) / callSteps : 1
      // Often right at the border.
      const limit = Math.min(2 ** 32 - 1, Math.max(0, Math.floor(spikes / calls) + below(3) - 1))
      const table = engine.alloc(sources.length * spikeSum.bytes)
      for (const [i, sums] of sources.entries())
        engine.writeFields(table + i * spikeSum.bytes, spikeSum.schema, {
          sums: engine.putInts(sums),
          units: sums.length,
        })
      const out = engine.alloc(8)
      const record = engine.record(choose, 1, {
        out,
        sources: table,
        sourceCount: sources.length,
        limit,
        callSteps,
      })
      engine.run(record, engine.alloc(0), t)
      const few = spikes <= limit * calls ? 1 : 0
      const what = `${spikes} spikes, limit ${limit}, ${calls} calls, round ${round} seed ${seed}`
      assert.equal([...engine.ints(out, 2)], [few, 1 - few], what)
      engine.checkGuards(what)
    }
  })

test.run()
