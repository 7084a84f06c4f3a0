/** Successive halving: what is decided depends on results alone, not on when they come. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readHalving, rungsOf, standings } from '../../src/cli/sweep/spec.js'
import { messageOf } from '../files/temporary.js'

type Results = readonly (readonly number[])[]

/** Fates of all runs, when results come one by one in some order, each as soon as it may. */
function play(results: Results, factor: number, next: (n: number) => number): Map<string, string> {
  const rungs = results[0].length
  const ids = results.map((_, i) => `run${i}`)
  const known = new Map<string, number>()
  const look = () => standings(ids, { factor }, rungs, (id, rung) => known.get(`${id} ${rung}`))
  const decided = new Map<string, string>()
  for (;;) {
    const now = look()
    for (const [id, { rung, state }] of now) {
      if (state !== 'stopped' && state !== 'ended') continue
      const fate = `${state} ${rung}`
      // What was decided once stays.
      assert.is(decided.get(id) ?? fate, fate)
      decided.set(id, fate)
    }
    const due = [...now].filter(([, { state }]) => state === 'trains')
    if (due.length === 0) return decided
    const [id, { rung }] = due[next(due.length)]
    known.set(`${id} ${rung}`, results[Number(id.slice(3))][rung])
  }
}

/** The same with everybody waiting for all. */
function together(results: Results, factor: number): Map<string, string> {
  const fates = new Map<string, string>()
  let members = results.map((_, i) => i)
  for (let rung = 0; rung < results[0].length; rung++) {
    const isLast = rung === results[0].length - 1
    const keep = isLast ? members.length : Math.max(1, Math.floor(members.length / factor))
    const order = [...members].sort(
      (a, b) => results[b][rung] - results[a][rung] || (`run${a}` < `run${b}` ? -1 : 1),
    )
    for (const [place, i] of order.entries())
      if (isLast) fates.set(`run${i}`, `ended ${rung}`)
      else if (place >= keep) fates.set(`run${i}`, `stopped ${rung}`)
    members = order.slice(0, keep)
  }
  return fates
}

test('any order of arrival decides as if all had waited for all', () => {
  const cases = fc.record({
    // Few different figures, so that some are equal.
    results: fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 4 }))
      .chain(([runs, rungs]) => {
        const figure = fc.integer({ min: 0, max: 5 }).map((n) => n / 5)
        const row = fc.array(figure, { minLength: rungs, maxLength: rungs })
        return fc.array(row, { minLength: runs, maxLength: runs })
      }),
    factor: fc.integer({ min: 2, max: 4 }),
    choices: fc.array(fc.nat(1000), { minLength: 60, maxLength: 60 }),
  })
  fc.assert(
    fc.property(cases, ({ results, factor, choices }) => {
      let turn = 0
      const fates = play(results, factor, (n) => choices[turn++ % choices.length] % n)
      const sorted = (of: Map<string, string>) => [...of].sort(([a], [b]) => (a < b ? -1 : 1))
      assert.equal(sorted(fates), sorted(together(results, factor)))
    }),
    { numRuns: 300 },
  )
})

test('a run that is certain to be left out ends before the others have come as far', () => {
  const known = new Map([
    ['a 0', 0.9],
    ['b 0', 0.8],
    ['c 0', 0.1],
  ])
  const now = standings(['a', 'b', 'c', 'd'], { factor: 2 }, 2, (id, rung) =>
    known.get(`${id} ${rung}`),
  )
  // Two of four go on: c is behind two; a cannot be pushed out by d alone, b can.
  assert.is(now.get('c')?.state, 'stopped')
  assert.equal(now.get('a'), { rung: 1, state: 'trains' })
  assert.is(now.get('b')?.state, 'waits')
  assert.is(now.get('d')?.state, 'trains')
})

test('a run that failed is behind all others', () => {
  const now = standings(['a', 'b'], { factor: 2 }, 2, (id) =>
    id === 'a' ? Number.NEGATIVE_INFINITY : 0,
  )
  assert.is(now.get('a')?.state, 'stopped')
  assert.is(now.get('b')?.state, 'ended')
})

test('rungs lie factor times as far apart, and options are checked', async () => {
  assert.equal(rungsOf({ factor: 3, minEpochs: 1 }, 20), [1, 3, 9, 20])
  assert.equal(rungsOf({ factor: 2, minEpochs: 5 }, 5), [5])
  assert.equal(readHalving({}, 'it'), { factor: 3, minEpochs: 1 })
  assert.is(readHalving(undefined, 'it'), undefined)
  for (const wrong of [[], 3, { factor: 1 }, { factor: '3' }, { minEpochs: 0 }, { eta: 3 }])
    assert.match(
      await messageOf(() => readHalving(wrong, 'it')),
      /^it(\.\w+|'s options)? (must be|is not an option)/,
    )
})

test.run()
