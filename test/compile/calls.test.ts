/** How T steps become calls of the network, and what plans of them hold. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callsOf, mostCallSteps } from '../../src/compile/context.js'
import type { MethodOptions } from '../../src/compile/methods.js'
import { makePlan, type Plan } from '../../src/compile/plan.js'
import { netOf } from '../support/net.js'
import { planOptions } from '../support/plans.js'

test('calls make every step once, in order, as few and as equal as can be', () => {
  for (let most = 1; most <= 9; most++)
    for (let timeSteps = 1; timeSteps <= 40; timeSteps++) {
      const calls = callsOf(timeSteps, most)
      const sizes = calls.flatMap(({ steps, repeats }) => new Array<number>(repeats).fill(steps))
      const what = `${timeSteps} steps, at most ${most}: ${sizes.join(' + ')}`
      assert.is(
        sizes.reduce((a, b) => a + b, 0),
        timeSteps,
        what,
      )
      assert.is(sizes.length, Math.ceil(timeSteps / most), what)
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, what)
      let from = 0
      for (const call of calls) {
        assert.is(call.from, from, what)
        assert.ok(call.repeats >= 1, what)
        from += call.steps * call.repeats
      }
    }
  assert.equal(callsOf(11, 4), [
    { from: 0, steps: 4, repeats: 2 },
    { from: 8, steps: 3, repeats: 1 },
  ])
})

const network = netOf(
  [3, 16, 16],
  `conv 32 3 padding=1, norm, lif detachReset=false, conv 32 3 padding=1, norm, lif, flatten,
   linear 10`,
)

const planOf = (given: MethodOptions, timeSteps: number): Plan =>
  makePlan(planOptions(network, [3, 16, 16], { ...given, timeSteps }), 1)

/** Steps of the calls in which a program has its first convolution. */
const callSteps = (plan: Plan, name: 'train' | 'evaluate'): number[] =>
  (plan.programs[name]?.sections ?? [])
    .filter(({ records }) => records.some(({ phase, layer }) => phase === 'forward' && layer === 1))
    .flatMap(({ steps, repeats }) => new Array<number>(repeats).fill(steps))

test('a call has several steps, and one where weights or gradients need single steps', () => {
  for (const [given, timeSteps, expected] of [
    [{ method: 'rate', stepMode: 's' }, 8, [8]],
    [{ method: 'rate', stepMode: 's' }, 13, [7, 6]],
    [{ method: 'ottt' }, 4, [4]],
    [{ method: 'ottt' }, 6, [3, 3]],
    [{ method: 'sltt' }, 11, [4, 4, 3]],
    [{ method: 'sltt', update: 'everyStep' }, 3, [1, 1, 1]],
    [{ method: 'sltt', backwardSteps: 1 }, 3, [1, 1, 1]],
    [{ method: 'sltt', backwardSteps: 5 }, 6, [3, 3]],
    [{ method: 'sltt', backwardSteps: 3 }, 3, [3]],
    [{ method: 'bptt' }, 11, [11]],
  ] as const) {
    const plan = planOf(given, timeSteps)
    const what = `${JSON.stringify(given)}, T = ${timeSteps}`
    assert.equal(callSteps(plan, 'train'), expected, what)
    // Forward alone single steps have the bits of a stream.
    const single = given.method === 'bptt' ? [timeSteps] : new Array<number>(timeSteps).fill(1)
    assert.equal(callSteps(plan, 'evaluate'), single, `${what}, evaluate`)
  }
})

test('memory does not grow with T from the longest call on', () => {
  for (const given of [
    { method: 'rate', stepMode: 's' },
    { method: 'ottt' },
    { method: 'sltt' },
  ] as const) {
    // Records of calls of another size have memory of their own, of records alone.
    const bytes = (timeSteps: number): number => {
      const { memory } = planOf(given, timeSteps)
      return memory.total - memory.program
    }
    const [most, many] = [2 * mostCallSteps[given.method === 'rate' ? 'one' : 'steps'], 32]
    assert.is(bytes(many), bytes(most), `${given.method}: T = ${most} and ${many}`)
    for (const timeSteps of [17, 23, 29, 31])
      assert.ok(
        bytes(timeSteps) <= 1.02 * bytes(many),
        `${given.method}: T = ${timeSteps}: ${bytes(timeSteps)} beside ${bytes(many)}`,
      )
  }
  const rate = planOf({ method: 'rate', stepMode: 'm' }, 32).memory.total
  assert.ok(
    planOf({ method: 'rate', stepMode: 's' }, 32).memory.total < rate,
    'less than in mode m',
  )
})

test.run()
