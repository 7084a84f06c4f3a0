/** Baselines that come from elsewhere: refused, and of a machine that has changed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Baseline,
  compareBaseline,
  effects,
  readBaseline,
} from '../../src/bench/compare/baseline.js'
import { change } from '../../src/bench/compare/command.js'
import { ownOrigin } from '../../src/bench/compare/options.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { optionsOf } from './loops.js'

/** All of it is refused before anything is measured. */
const options = optionsOf({ count: 1 }, {})
const times = { ms: [1], multiplyAdd: 0, eventAdds: 0, copy: 0 }
const benchmark = { name: 'loop 0', processes: [times] }

test('a baseline of another machine, another V8 or schema, and a broken one are refused', () =>
  withFolder(async (folder) => {
    const origin = await ownOrigin(options)
    const base: Baseline = {
      ...{ format: 'spikewasm baseline', schema: 1, others: 0 },
      ...{ origin, benchmarks: [benchmark] },
    }
    const path = join(folder, 'changed.json')
    await writeFile(path, JSON.stringify(base))
    assert.equal(await readBaseline(path), base, 'what is changed below is why it is refused')
    for (const [change, pattern] of [
      [{ origin: { ...origin, processor: 'Z80' } }, /another one: its processor is "Z80", now/],
      [{ origin: { ...origin, node: '1.2.3' } }, /its Node is "1", now it is/],
      [{ origin: { ...origin, v8: '0' } }, /its V8 is "0", now it is .*--save-baseline/],
      [{ schema: 2 }, /schema: .*make it anew/],
      [{ benchmarks: [benchmark, benchmark] }, /got "loop 0" twice/],
      [
        { benchmarks: [{ ...benchmark, processes: [{ ...times, ms: [] }] }] },
        /benchmarks\.0\.processes\.0\.ms: /,
      ],
      ['{', /must be a baseline, got no JSON/],
    ] as const) {
      const text = typeof change === 'string' ? change : JSON.stringify({ ...base, ...change })
      await writeFile(path, text)
      await expectRefusal(() => compareBaseline(path, options), pattern)
    }
    const none = join(folder, 'none.json')
    await expectRefusal(
      () => compareBaseline(none, options),
      /^bench\.baseline must be a readable file/,
    )
  }))

test('a slower machine is no slower build, and where limits disagree nothing is sure', () => {
  const timesOf = (ms: number, slow: { compute: number; memory: number }) =>
    Array.from({ length: 6 }, (_, i) => ({
      ms: [ms * (1 + 0.002 * i), ms, ms * 1.001],
      multiplyAdd: -slow.compute,
      eventAdds: -slow.compute,
      copy: -slow.memory,
    }))
  const then = timesOf(1, { compute: 0, memory: 0 })
  const throttled = effects(timesOf(Math.exp(0.2), { compute: 0.2, memory: 0.2 }), then)
  assert.ok(
    throttled.every(({ effect }) => Math.abs(effect) < 1e-9),
    JSON.stringify(throttled),
  )
  const half = effects(timesOf(Math.exp(0.2), { compute: 0.2, memory: 0 }), then)
  assert.ok(Math.abs(half[0].effect) < 1e-9 && Math.abs(half[2].effect - 0.2) < 1e-9)
})

test('changes in words', () => {
  assert.is(change(Math.log(1.05)), '+5.0 %')
  assert.is(change(Math.log(0.9)), '−10.0 %')
  assert.is(change(-0.0001), '0.0 %')
  assert.is(change(Number.POSITIVE_INFINITY), '?')
})

test.run()
