/**
 * Figures that follow from several measurements: of samples as a disturbed machine gives them a
 * mark or a refusal must come out, never the impossible.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Figure,
  gainOf,
  handOverOf,
  isRefused,
  marksOf,
  outsideOf,
  shareOf,
} from '../../src/bench/figures.js'
import { measureBeside } from '../../src/bench/measure.js'
import { parseRanges, parseStat, parseThrottled } from '../../src/bench/others.js'
import type { LimitRate } from '../../src/bench/peak.js'
import { randomNumbers } from '../../src/bench/spikes.js'

const figureOf = (figure: Figure): number => {
  assert.ok(!isRefused(figure), JSON.stringify(figure))
  return (figure as { value: number }).value
}
const reasonOf = (figure: Figure): string => {
  assert.ok(isRefused(figure), JSON.stringify(figure))
  return (figure as { refused: string }).refused
}

test('share of a limit: of the slices, each with the looks at the limit beside it', () => {
  assert.is(figureOf(shareOf([20, 10, 20], [40, 40, 20, 40])).toFixed(2), '0.50')
  // Half of the time something else ran: both fell alike.
  assert.is(figureOf(shareOf([30, 20, 20, 30], [60, 60, 40, 40, 60])).toFixed(2), '0.50')
  // As fast as the limit, within what a measurement may be off.
  assert.is(figureOf(shareOf([41, 41, 41], [40, 40, 40, 40])), 1)
})

test('share of a limit: refused where it is above what can be, or the limit is not one', () => {
  assert.match(reasonOf(shareOf([40, 41, 42], [30, 30, 31, 30])), /disturbed/)
  assert.match(reasonOf(shareOf([10, 10, 10], [60, 20, 60, 60])), /changed by a factor of 3\.0/)
  assert.ok(isRefused(shareOf([10], [60])), 'a slice lies between two looks')
  for (const wrong of [[], [0], [Number.NaN], [Number.POSITIVE_INFINITY]])
    assert.ok(
      isRefused(shareOf(wrong, [1, 1])) && isRefused(shareOf([1], [1, ...wrong])),
      `${wrong}`,
    )
})

test('outside kernels: never below nothing', () => {
  const pairs = (...list: [number, number][]) =>
    list.map(([stepMs, kernelMs]) => ({ stepMs, kernelMs }))
  assert.is(figureOf(outsideOf(pairs([100, 90], [200, 180], [100, 90]), 1)).toFixed(2), '0.10')
  assert.is(figureOf(outsideOf(pairs([60, 90], [60, 90], [61, 90]), 2)), 0.25)
  // Timing each record costs a little.
  assert.is(figureOf(outsideOf(pairs([100, 103], [100, 104], [100, 102]), 1)), 0)
  // The profile was taken while another process had the processor.
  assert.match(reasonOf(outsideOf(pairs([100, 141], [100, 141], [100, 141]), 1)), /disturbed/)
  assert.ok(isRefused(outsideOf([], 1)))
  // The step was disturbed in most rounds, the kernels in none: 58 % would be nonsense.
  const rounds = pairs([100, 90], [300, 90], [400, 90], [150, 90])
  assert.match(reasonOf(outsideOf(rounds, 1)), /rounds differ by ± \d+ % of a step/)
})

test('gain of threads: never more than there are', () => {
  assert.is(figureOf(gainOf([100, 200, 100], [60, 120, 60], 2)).toFixed(3), '1.667')
  assert.is(figureOf(gainOf([100, 100, 100], [49, 49, 49], 2)), 2)
  assert.match(reasonOf(gainOf([100, 300, 100], [100, 100, 250], 4)), /rounds differ/)
  assert.match(reasonOf(gainOf([300, 290, 310], [100, 100, 100], 2)), /more than 2 threads/)
})

test('hand-over: undisturbed bursts count, and a thread that waits for a processor is refused', () => {
  assert.is(figureOf(handOverOf([110, 120, 115, 8e6, 4e6])), 115)
  assert.match(reasonOf(handOverOf([8e6, 8e6, 7.9e6])), /share a processor/)
  assert.match(reasonOf(handOverOf([])), /did not run/)
  assert.ok(isRefused(handOverOf([1, 1, 1])))
  assert.ok(isRefused(handOverOf([Number.NaN, 0, -3])))
})

test('what was taken from us: of the processors that we may use, in marks', () => {
  assert.equal(parseRanges('0-2,5'), [0, 1, 2, 5])
  const stat = (a: number, b: number) =>
    `cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 ${a} 1 1 500 7 1 1 2 0 0\ncpu1 ${b} 0 0 500 7 0 0 0 0 0\nintr 5\n`
  assert.equal(parseStat(stat(10, 3), new Set()), { busyMs: 190, processors: 2 })
  assert.equal(parseStat(stat(10, 3), new Set([1])), { busyMs: 30, processors: 1 })
  assert.is(parseThrottled('usage_usec 5\nthrottled_usec 2500\n'), 2.5)
  const quiet = { others: 0, speed: 1, spread: 1 }
  assert.is(marksOf(quiet), '')
  assert.is(marksOf({ ...quiet, away: 0.3 }), 'waited 30 %')
  assert.is(marksOf({ ...quiet, away: 0.3, quota: 0.2 }), 'stopped 20 %')
  assert.is(marksOf({ ...quiet, crowded: true }), 'more threads than processors')
})

test('whatever the samples, no figure is impossible (seeds 1–300)', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomNumbers(seed)
    const draw = (): number => 10 ** (6 * random() - 2) * (random() < 0.1 ? -1 : 1)
    const samples = (): number[] => Array.from({ length: 1 + Math.floor(6 * random()) }, draw)
    const [a, threads] = [samples(), 1 + Math.floor(4 * random())]
    const b = a.map(draw)
    const share = shareOf(a, [...b, draw()])
    const outside = outsideOf(
      a.map((stepMs, i) => ({ stepMs, kernelMs: b[i] })),
      threads,
    )
    const gain = gainOf(a, b, threads)
    const handOver = handOverOf(a)
    for (const [name, figure, least, most] of [
      ['share', share, 0, 1],
      ['outside', outside, 0, 1],
      ['gain', gain, 0, threads],
      ['hand-over', handOver, 5, 5000],
    ] as const)
      assert.ok(
        isRefused(figure)
          ? figure.refused.length > 0
          : figure.value >= least && figure.value <= most,
        `seed ${seed}: ${name} ${JSON.stringify(figure)}`,
      )
  }
})

test('marks say what was wrong with the conditions', () => {
  assert.is(marksOf({ others: 0.02, speed: 0.99, spread: 2 }), '')
  assert.is(marksOf({ others: 0.5, speed: 0.99, spread: 2 }), 'busy 50 %')
  assert.is(marksOf({ others: 0, speed: 0.6, spread: 2 }), 'throttled to 60 %')
  // Others slow the processor down: one mark says it.
  assert.is(marksOf({ others: 1.7, speed: 0.5, spread: 30 }), 'busy 100 %, noisy')
  assert.is(marksOf({ others: 0, speed: -1, spread: 30 }), 'throttled to 0 %, noisy')
})

/** A limit that a test sets. */
const limitOf = (rates: readonly number[]): LimitRate => {
  let at = 0
  return { unit: 'GB/s', best: Math.max(...rates), look: () => rates[at++ % rates.length] }
}

test('a measurement beside a limit: a share, a refusal, and the early calls apart', async () => {
  let calls = 0
  const spin = (): void => {
    calls++
    const end = performance.now() + 0.2
    while (performance.now() < end);
  }
  const budget = { warmupMs: 2, measureMs: 10, minCalls: 8 }
  const measure = (rates: readonly number[]) =>
    measureBeside(spin, budget, () => ({ work: 0.001, limit: limitOf(rates), threads: 1 }))
  const { timing, share } = await measure([1000])
  assert.ok(timing.samples >= 8 && calls > timing.samples + 4, `${calls}, ${timing.samples}`)
  assert.ok(timing.best >= 0.2 && timing.median >= timing.best && timing.spread >= 0)
  assert.ok(share && !isRefused(share) && share.value <= 0.0051, JSON.stringify(share))
  // A limit that is slower than the kernel is none.
  const { share: above } = await measure([1])
  assert.ok(above && isRefused(above))
  const { share: unsteady } = await measure([1000, 4000, 4000])
  assert.ok(unsteady && isRefused(unsteady))
  assert.is((await measureBeside(spin, budget)).share, undefined)
})

test('calls that are too short for the clock are timed in groups', async () => {
  let calls = 0
  const budget = { warmupMs: 2, measureMs: 4, minCalls: 4 }
  const { timing } = await measureBeside(() => calls++, budget)
  assert.ok(calls > 20 * timing.samples, `${calls} calls, ${timing.samples} samples`)
  assert.ok(timing.median > 0)
})

test('promises are waited for', async () => {
  let open = 0
  const call = async (): Promise<void> => {
    assert.is(open++, 0, 'one call after the other')
    await new Promise((resolve) => setTimeout(resolve, 1))
    open--
  }
  const { timing } = await measureBeside(call, { warmupMs: 0, measureMs: 5, minCalls: 4 })
  assert.ok(timing.median >= 0.5, `${timing.median}`)
})

test.run()
