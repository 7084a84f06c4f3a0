/** Baselines that come from elsewhere: refused, and of a machine that has changed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Baseline,
  compareBaseline,
  effects,
  readBaseline,
} from '../../src/bench/compare/baseline.js'
import { ownOrigin } from '../../src/bench/compare/options.js'
import { change } from '../../src/bench/compare/result.js'
import { mistakeOf } from './mistake.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-baseline-'))
test.after(() => rmSync(folder, { recursive: true }))

/** All of it is refused before anything is measured. */
const options = { selection: { count: 1 }, cases: new URL('./loops.js', import.meta.url).href }

test('a baseline of another machine, another V8 or schema, and a broken one are refused', async () => {
  const base: Baseline = {
    format: 'spikewasm baseline',
    schema: 1,
    origin: await ownOrigin(options),
    others: 0,
    benchmarks: [
      { name: 'loop 0', processes: [{ ms: [1], multiplyAdd: 0, eventAdds: 0, copy: 0 }] },
    ],
  }
  const path = join(folder, 'changed.json')
  writeFileSync(path, JSON.stringify(base))
  assert.equal(await readBaseline(path), base, 'what is changed below is why it is refused')
  const tell = async (text: string): Promise<string> => {
    writeFileSync(path, text)
    return mistakeOf(compareBaseline(path, options))
  }
  const withOrigin = (part: object) =>
    tell(JSON.stringify({ ...base, origin: { ...base.origin, ...part } }))
  assert.match(await withOrigin({ processor: 'Z80' }), /another one: its processor is "Z80", now/)
  assert.match(await withOrigin({ node: '1.2.3' }), /its Node is "1", now it is/)
  assert.match(await withOrigin({ v8: '0' }), /its V8 is "0", now it is .*--save-baseline/)
  assert.match(await tell(JSON.stringify({ ...base, schema: 2 })), /schema: .*make it anew/)
  assert.match(await tell('{'), /must be a baseline, got no JSON/)
  const benchmarks = [base.benchmarks[0], base.benchmarks[0]]
  assert.match(await tell(JSON.stringify({ ...base, benchmarks })), /got "loop 0" twice/)
  const empty = [{ name: 'x', processes: [{ ms: [], multiplyAdd: 0, eventAdds: 0, copy: 0 }] }]
  assert.match(
    await tell(JSON.stringify({ ...base, benchmarks: empty })),
    /benchmarks\.0\.processes\.0\.ms: /,
  )
  assert.match(
    await mistakeOf(compareBaseline(join(folder, 'none.json'), options)),
    /^bench\.baseline must be a readable file/,
  )
})

test('a slower machine is no slower build, and where limits disagree nothing is sure', () => {
  const times = (ms: number, slow: { compute: number; memory: number }) =>
    Array.from({ length: 6 }, (_, i) => ({
      ms: [ms * (1 + 0.002 * i), ms, ms * 1.001],
      multiplyAdd: -slow.compute,
      eventAdds: -slow.compute,
      copy: -slow.memory,
    }))
  const then = times(1, { compute: 0, memory: 0 })
  const throttled = effects(times(Math.exp(0.2), { compute: 0.2, memory: 0.2 }), then)
  assert.ok(
    throttled.every(({ effect }) => Math.abs(effect) < 1e-9),
    JSON.stringify(throttled),
  )
  const half = effects(times(Math.exp(0.2), { compute: 0.2, memory: 0 }), then)
  assert.ok(Math.abs(half[0].effect) < 1e-9 && Math.abs(half[2].effect - 0.2) < 1e-9)
})

test('changes in words', () => {
  assert.is(change(Math.log(1.05)), '+5.0 %')
  assert.is(change(Math.log(0.9)), '−10.0 %')
  assert.is(change(-0.0001), '0.0 %')
  assert.is(change(Number.POSITIVE_INFINITY), '?')
})

test.run()
