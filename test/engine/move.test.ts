/** What stays of a model's memory when it is planned anew. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Move, moveAcross, moveWithin } from '../../src/engine/memory/session-memory.js'
import { flatten, lif, linear, sequential } from '../../src/index.js'
import { testRandom } from '../support/engine.js'

/** Gaps and sizes at random: each range behind the one before. */
function ranges(random: () => number, sizes: readonly number[]): number[] {
  let next = 0
  return sizes.map((size) => {
    const at = next + Math.floor(random() * 40)
    next = at + size
    return at
  })
}

test('ranges move up and down over each other; the rest is zero', () => {
  const random = testRandom(5)
  for (let round = 0; round < 200; round++) {
    const sizes = Array.from({ length: 1 + Math.floor(random() * 5) }, () =>
      Math.floor(random() * 60),
    )
    const [from, to] = [ranges(random, sizes), ranges(random, sizes)]
    const moves: Move[] = sizes.map((bytes, i) => ({ from: from[i], to: to[i], bytes }))
    const before = Uint8Array.from({ length: 520 }, (_, i) => 1 + (i % 255))
    const expected = new Uint8Array(520)
    for (const { from, to, bytes } of moves) expected.set(before.slice(from, from + bytes), to)
    const across = new Uint8Array(520)
    moveAcross(before.buffer, across.buffer, moves)
    assert.equal(across, expected)
    // What lies behind the plan's end is nobody's.
    expected.fill(before[519], 519)
    moveWithin(before.buffer, moves, 519)
    assert.equal(before, expected, JSON.stringify(moves))
  }
})

test('an average that has taken no step is the parameters behind another plan too', async () => {
  const model = await sequential(flatten(), linear(4, 8), lif(), linear(8, 2)).compile({
    input: [1, 2, 2],
    batchSize: 2,
    timeSteps: 2,
  })
  const { session } = model
  await session.replan(undefined, { average: true })
  await model.prepare({ method: 'bptt' })
  const { parameters, training } = session.plan.named
  const of = ({ address, bytes }: { address: number; bytes: number }) =>
    new Float32Array(session.memory.buffer, address, bytes / 4).slice()
  const average = of((training as NonNullable<typeof training>).states.average)
  assert.ok(average.some((value) => value !== 0))
  assert.equal(average, of(parameters))
  await model.dispose()
})

test.run()
