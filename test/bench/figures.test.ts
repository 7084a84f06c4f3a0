/**
 * Figures that follow from several measurements: of samples as a disturbed machine gives them a
 * mark or a refusal must come out, never the impossible.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseRanges, parseStat } from '../../src/bench/conditions.js'
import { limits, memoryMoves } from '../../src/bench/peak.js'
import { type Figure, shareOf, summarise } from '../../src/bench/run.js'
import { randomNumbers } from '../../src/bench/spikes.js'

const figureOf = (figure: Figure): number => {
  assert.ok('value' in figure, JSON.stringify(figure))
  return (figure as { value: number }).value
}
const reasonOf = (figure: Figure): string => {
  assert.ok('refused' in figure, JSON.stringify(figure))
  return (figure as { refused: string }).refused
}

test('share of a limit: of the mean of the looks beside it', () => {
  assert.is(figureOf(shareOf(15, [40, 20])), 0.5)
  // As fast as the limit, within what a measurement may be off.
  assert.is(figureOf(shareOf(41, [40, 40])), 1)
})

test('share of a limit: refused where it is above what can be, or the limit is not one', () => {
  assert.match(reasonOf(shareOf(40, [30, 30])), /disturbed/)
  assert.match(reasonOf(shareOf(10, [60, 20])), /changed by a factor of 3\.0/)
  for (const wrong of [0, Number.NaN, Number.POSITIVE_INFINITY])
    for (const figure of [shareOf(wrong, [1, 1]), shareOf(1, [1, wrong])])
      assert.is(reasonOf(figure), 'nothing was measured')
})

test('the looks at each limit of this machine are rates above zero, and the best is kept', () => {
  const all = [...Object.values(limits).map((limit) => limit())]
  for (const limit of [...all, memoryMoves(2 ** 14), memoryMoves(2 ** 16, 0), memoryMoves(64, 1)]) {
    const looks = [limit.look(), limit.look()]
    assert.ok(
      looks.every((rate) => rate > 0.01 && rate < 1e5),
      `${looks} ${limit.unit}`,
    )
    assert.ok(limit.best >= Math.max(...looks))
  }
  assert.is(limits['event-adds'](), limits['event-adds'](), 'each is found once')
})

test('what others did: of the processors that we may use', () => {
  assert.equal(parseRanges('0-2,5'), [0, 1, 2, 5])
  const stat = (a: number, b: number) =>
    `cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 ${a} 1 1 500 7 1 1 2 0 0\ncpu1 ${b} 0 0 500 7 0 0 0 0 0\nintr 5\n`
  assert.equal(parseStat(stat(10, 3), new Set()), { busyMs: 190, processors: 2 })
  assert.equal(parseStat(stat(10, 3), new Set([1])), { busyMs: 30, processors: 1 })
  assert.ok(parseStat('', new Set()).busyMs > 0, 'other systems are asked')
})

test('medians and their deviation', () => {
  assert.equal(summarise([4, 1, 2]), { median: 2, best: 1, spread: 50, samples: 3 })
})

test('whatever the samples, no figure is impossible (seeds 1–300)', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomNumbers(seed)
    const draw = (): number => 10 ** (6 * random() - 2) * (random() < 0.1 ? -1 : 1)
    const samples = (): number[] => Array.from({ length: 1 + Math.floor(6 * random()) }, draw)
    const share = shareOf(draw(), samples())
    assert.ok(
      'refused' in share ? share.refused.length > 0 : share.value >= 0 && share.value <= 1,
      `seed ${seed}: ${JSON.stringify(share)}`,
    )
  }
})

test.run()
