/** Marks of benchmarks: each bound is met from both sides, and others count by their time. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Measured } from '../../src/bench/compare/process.js'
import { bestRate, marksOf, othersOf } from '../../src/bench/conditions.js'

const measuredOf = (more: Partial<Measured> & { readonly rate?: number } = {}): Measured => ({
  name: 'x',
  times: [],
  isSteady: true,
  densities: [],
  others: 0,
  spentMs: 100,
  calibration: { multiplyAdd: Math.log(more.rate ?? 1) },
  ...more,
})

const quiet = false
const slow = measuredOf({ rate: 0.8499 })
const busy = measuredOf({ others: 0.1001 })
const unsteady = measuredOf({ isSteady: false })
const good = measuredOf()

for (const [name, measured, isNoisy, marks] of [
  ['nothing was measured', [], true, []],
  ['a tenth of the processors', [measuredOf({ others: 0.1 })], quiet, []],
  ['more than a tenth', [busy], quiet, ['busy']],
  ['85 % of the best rate', [measuredOf({ rate: 0.85 })], quiet, []],
  ['less than 85 %', [slow], quiet, ['throttled']],
  ['less in most processes', [slow, good, slow], quiet, ['throttled']],
  ['less in few', [slow, good, good], quiet, []],
  ['a wide interval', [good], true, ['noisy']],
  ['unsteady in half of the processes', [unsteady, good], quiet, []],
  ['unsteady in most', [unsteady, good, unsteady], quiet, ['unsteady']],
  [
    'all of it',
    [measuredOf({ others: 0.2, rate: 0.5, isSteady: false })],
    true,
    ['busy', 'throttled', 'noisy', 'unsteady'],
  ],
] as const)
  test(`marks: ${name}`, () => assert.equal(marksOf(measured, 0, isNoisy), marks))

test('others count by the time that a benchmark took; the best rate is the highest', () => {
  const long = measuredOf({ others: 0.4, spentMs: 300 })
  assert.is(othersOf([long, good]), 0.3)
  assert.is(othersOf([]), 0)
  assert.is(othersOf([measuredOf({ others: 0.4, spentMs: 0 })]), 0)
  assert.is(othersOf([measuredOf({ others: 0.4, spentMs: 0.5 })]), 0.4)
  assert.is(bestRate([slow, good, slow]), 0)
  assert.is(bestRate([slow]), Math.log(0.8499))
  assert.is(bestRate([]), Number.NEGATIVE_INFINITY)
})

test.run()
