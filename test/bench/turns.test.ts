/** Blocks in turns, on clocks that the test moves: no real time decides. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { median } from '../../src/base/numbers.js'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { type TurnsBudget, takeTurns } from '../../src/bench/compare/child.js'

const random = (seed: number): RandomStream => {
  const stream = new RandomStream(Purpose.Shuffle)
  stream.start(seed, 0, 0)
  return stream
}

const budget: TurnsBudget = { ms: 400, countsWaiting: false }

/** A machine whose time passes only in calls. */
class Machine {
  private wallMs = 0
  private processorMs = 0
  readonly clock = { wall: () => this.wallMs, processor: () => this.processorMs }
  readonly order: number[] = []

  /** @param cost milliseconds of a call at a time; waited: not on the processor */
  call(side: number, cost: (ms: number) => number, waited: () => number = () => 0) {
    return (): void => {
      const ms = cost(this.wallMs)
      this.order.push(side)
      this.processorMs += ms
      this.wallMs += ms + waited()
    }
  }
}

const ratioOf = ([mine, theirs]: readonly (readonly number[])[]): number =>
  median(mine.map((ms, i) => ms / theirs[i]))

test('the ratio of two costs, on a machine that grows slower', async () => {
  const machine = new Machine()
  const drift = (ms: number): number => 1 + ms / 300
  const calls = [
    machine.call(0, (ms) => 0.22 * drift(ms)),
    machine.call(1, (ms) => 0.2 * drift(ms)),
  ]
  const { times } = await takeTurns(calls, budget, random(1), machine.clock)
  assert.ok(times[0].length >= 20, `${times[0].length} rounds`)
  assert.ok(Math.abs(ratioOf(times) - 1.1) < 0.003, `${ratioOf(times)}`)
})

test('each block is announced: a long benchmark does not seem to hang', async () => {
  const machine = new Machine()
  let blocks = 0
  const onBlock = (): void => void blocks++
  const calls = [0, 1].map((side) => machine.call(side, () => 200))
  const { times } = await takeTurns(calls, { ...budget, onBlock }, random(2), machine.clock)
  assert.is(times[0].length, 1)
  // One of each side warms up; a round has four.
  assert.is(blocks, 2 + 4)
})

test('who begins is drawn; both sides make the same number of calls', async () => {
  const machine = new Machine()
  const calls = [0, 1].map((side) => machine.call(side, () => 2))
  await takeTurns(calls, budget, random(2), machine.clock)
  const counts = [0, 1].map((side) => machine.order.filter((one) => one === side).length)
  assert.is(counts[0], counts[1])
  const rounds = machine.order.slice(-80).join('').match(/..../g)!
  assert.ok(rounds.includes('0110') && rounds.includes('1001'), rounds.join(' '))
  assert.ok(
    rounds.every((round) => round === '0110' || round === '1001'),
    rounds.join(' '),
  )
})

test('time of others does not count, unless waiting is part of the work', async () => {
  for (const countsWaiting of [false, true]) {
    const machine = new Machine()
    const calls = [
      machine.call(
        0,
        () => 1,
        () => 1,
      ),
      machine.call(1, () => 1),
    ]
    const { times } = await takeTurns(calls, { ...budget, countsWaiting }, random(3), machine.clock)
    assert.is(ratioOf(times), countsWaiting ? 2 : 1)
  }
})

test('rounds before times have settled are left out; where they never do, that is said', async () => {
  // One side is optimised later than the other, behind the warm-up.
  for (const [until, isSteady] of [
    [220, true],
    [330, false],
  ] as const) {
    const machine = new Machine()
    const calls = [machine.call(0, () => 1), machine.call(1, (ms) => (ms < until ? 3 : 1))]
    const turns = await takeTurns(calls, budget, random(4), machine.clock)
    assert.is(turns.isSteady, isSteady, `until ${until}`)
    if (isSteady) assert.ok(turns.times[1].every((ms) => ms === 1))
  }
})

test('long calls: one warm-up each, and at least one round', async () => {
  const machine = new Machine()
  const calls = [0, 1].map((side) => machine.call(side, () => 5000))
  const { times } = await takeTurns(calls, budget, random(5), machine.clock)
  assert.is(times[0].length, 1)
  assert.ok(machine.order.length <= 8, `${machine.order.length} calls`)
  const more = await takeTurns(calls, { ...budget, leastRounds: 3 }, random(5), machine.clock)
  assert.is(more.times[0].length, 3)
})

test('promises are awaited; other values are not', async () => {
  const machine = new Machine()
  const work = machine.call(0, () => 1)
  let running = 0
  const slow = async (): Promise<void> => {
    assert.is(++running, 1, 'one call at a time')
    await new Promise((done) => setImmediate(done))
    work()
    running--
  }
  const kernel = (): Float32Array => {
    work()
    return new Float32Array(1)
  }
  const { times } = await takeTurns([slow, kernel], { ...budget, ms: 40 }, random(6), machine.clock)
  assert.is(ratioOf(times), 1)
})

test('one side alone', async () => {
  const machine = new Machine()
  const { times } = await takeTurns([machine.call(0, () => 0.5)], budget, random(7), machine.clock)
  assert.ok(times.length === 1 && times[0].every((ms) => Math.abs(ms - 0.5) < 1e-9))
})

test('the clocks of this machine tell the time of a call', async () => {
  const spin = (): void => {
    for (const end = performance.now() + 1; performance.now() < end; );
  }
  const { times } = await takeTurns([spin], { ...budget, ms: 30 }, random(8))
  assert.ok(median(times[0]) > 0.5, times.join())
})

test.run()
