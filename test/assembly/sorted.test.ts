/** Levels of sums of spikes: the steps at which so many sources fire, or more. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sortedSource, sortSpikes } from '../../src/kernels/records/spikes.js'
import { testCases } from '../support/records.js'

testCases(
  'levels hold a step as often as sources fire at it, the first ones first',
  400,
  (r, engine) => {
    const [bytes, sourceCount] = [4 * r.int(1, 20), r.int(1, 8)]
    const bytesPerUnit = r.pick([16, 48, 100])
    const rate = r.pick([0, 0.1, 0.5, 0.9, 1])
    const draw = (): number =>
      Array.from({ length: 8 }, () => Number(r.chance(rate))).reduce(
        (mask, bit) => 2 * mask + bit,
        0,
      )
    const sources = Array.from({ length: sourceCount }, () => Array.from({ length: bytes }, draw))
    const levels = sources.map(() => engine.alloc(bytes))
    const table = engine.table(
      sortedSource,
      sources.map((masks, i) => ({ masks: engine.putBytes(masks), level: levels[i] })),
    )
    const units = Math.ceil(bytes / bytesPerUnit)
    const entries = engine.alloc(4 * units)
    const record = { sources: table, sourceCount, bytes, bytesPerUnit, entries }
    engine.run(engine.record(sortSpikes, units, record), engine.alloc(128), 0)
    const found = levels.map((at) => [...engine.bytes(at, bytes)])
    const expected = found.map((_, level) =>
      Array.from({ length: bytes }, (_, i) => {
        const counts = Array.from({ length: 8 }, (_, bit) =>
          sources.reduce((sum, masks) => sum + ((masks[i] >> bit) & 1), 0),
        )
        return counts.reduce((mask, count, bit) => mask + (count > level ? 2 ** bit : 0), 0)
      }),
    )
    assert.equal(found, expected)
    const active = (from: number, to: number): number =>
      expected
        .flatMap((level) => level.slice(from, to))
        .reduce((sum, mask) => sum + (mask % 16 > 0 ? 1 : 0) + (mask > 15 ? 1 : 0), 0)
    assert.equal(
      [...engine.ints(entries, units)],
      Array.from({ length: units }, (_, i) => active(i * bytesPerUnit, (i + 1) * bytesPerUnit)),
    )
  },
)

test.run()
