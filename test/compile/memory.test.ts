/** What plans promise about memory: what grows with T, and that nothing overlaps. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assignAddresses, assignAddressesByWorker } from '../../src/compile/memory.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import { type Block, residual } from '../../src/index.js'
import type { Buffer } from '../../src/kernels/records/words.js'
import { testRandom } from '../support/engine.js'
import { netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'
import { overlaps } from '../support/overlaps.js'
import { planOptions } from '../support/plans.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 31)

const input = [3, 12, 12] as const
const plan = (network: Block, options: Partial<PlanOptions> = {}): Plan =>
  makePlan(planOptions(network, input, { batchSize: 8, ...options }), 2)

const texts = {
  cnn: `conv 20 3 padding=1 bias=false, norm, lif, conv 36 3 padding=1 bias=false, norm, lif,
    avgPool2d 2, conv 36 3 padding=1 bias=false, norm, lif, adaptiveAvgPool2d 1, flatten, linear 10`,
  'cnn of odd sizes':
    'conv 5 3x2 stride=2, lif, maxPool2d 2, dropout, conv 33 2, lif, flatten, linear 3',
  'scaled, standardised':
    'conv 17 3 standardise=true, lif, scale 2.74, avgPool2d 2, flatten, linear 7',
  'by groups': `conv 6 3 groups=3 padding=1, lif, conv 6 3 groups=6 stride=2 bias=false, norm, lif,
    conv 24 1, norm, lif, conv 32 3 groups=2 padding=1 standardise=true, lif, avgPool2d 2,
    conv 32 2 groups=32, lif, flatten, linear 5`,
  residual: `conv 16 3 padding=1, norm, lif, skipped, basic 40 2, adaptiveAvgPool2d 1, flatten,
    linear 10`,
}
const skipped = () => residual(netOf([16, 12, 12], 'conv 16 3 padding=1, norm, lif'))
const basic = (from: number, to: number, by: number) => basicBlock(from, to, by)
const networks = Object.fromEntries(
  Object.entries(texts).map(([name, text]) => [name, netOf(input, text, { skipped, basic })]),
)
const { cnn } = networks

for (const [name, network] of Object.entries(networks))
  for (const [method, stepMode] of usualModes)
    test(`${name} ${method} ${stepMode}: buffers in use never overlap and lie within the memory`, () => {
      for (const frames of [false, true]) {
        const made = plan(network, { method, stepMode, frames, inspect: frames })
        assert.equal(overlaps(made.buffers), [])
        assert.ok(made.buffers.length > 20, 'the plan has buffers')
        const end = Math.max(...made.buffers.map((b) => b.address + b.bytes))
        const programEnd = made.encodedAt + made.encoded.bytes.length
        for (const b of made.buffers)
          assert.ok(b.address % 64 === 0 && b.address >= programEnd, `${b.name} at ${b.address}`)
        assert.ok(end <= made.workerScratchAt, 'worker scratch lies behind the buffers')
        assert.ok(
          made.workerScratchAt + 2 * made.workerScratch <= made.memory.total,
          'and within the memory',
        )
      }
    })

test('rate m: what is kept for the backward pass does not grow with T', () => {
  for (const [name, network] of Object.entries(networks)) {
    const kept = [2, 4, 8, 16].map((timeSteps) => plan(network, { timeSteps }).memory.kept)
    assert.ok(kept[0] > 0)
    assert.equal(new Set(kept).size, 1, `${name}: ${kept}`)
  }
})

test('bptt: what is kept grows in proportion to T', () => {
  const kept = (timeSteps: number): number => plan(cnn, { timeSteps, method: 'bptt' }).memory.kept
  for (const T of [4, 8]) {
    const growth = kept(2 * T) / kept(T)
    assert.ok(growth > 1.7 && growth < 2.1, `from T = ${T} to ${2 * T}: ${growth}`)
  }
  assert.ok(
    kept(8) > 2 * plan(cnn, { timeSteps: 8 }).memory.kept,
    'at T = 8 it is more than twice what rate keeps',
  )
})

test('memory by purpose: positive, and at most the total together', () => {
  const { memory } = plan(cnn)
  const { total, kept, ...parts } = memory
  for (const [purpose, bytes] of Object.entries(parts)) assert.ok(bytes > 0, purpose)
  assert.ok(kept <= parts.scratch, 'kept buffers are part of scratch')
  const sum = Object.values(parts).reduce((a, b) => a + b, 0)
  assert.ok(sum <= total && sum > 0.9 * total, `${sum} of ${total}`)
})

// assignAddresses.

function randomBuffers(random: () => number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const first = Math.floor(random() * 40)
    const kind = random()
    return {
      name: `b${i}`,
      bytes: 64 * (1 + Math.floor(random() ** 3 * 200)),
      purpose: 'scratch',
      persistent: kind < 0.1,
      first: kind > 0.95 ? Number.POSITIVE_INFINITY : first,
      last: kind > 0.95 ? -1 : first + Math.floor(random() ** 2 * 15),
      address: 0,
    }
  })
}

test('assignAddresses: random lifetimes never overlap and share memory', () => {
  const random = testRandom(seed)
  for (let round = 0; round < 200; round++) {
    const buffers = randomBuffers(random, 1 + Math.floor(random() * 60))
    const base = 64 * (1 + Math.floor(random() * 100))
    const end = assignAddresses(buffers, base)
    assert.equal(overlaps(buffers), [], `round ${round} seed=${seed}`)
    const used = buffers.filter((b) => b.persistent || b.last >= 0)
    for (const b of used)
      assert.ok(
        b.address >= base && b.address + b.bytes <= end,
        `${b.name} lies within, round ${round} seed=${seed}`,
      )
    // Not less than what is alive at the busiest moment, and less than everything side by side once
    // there are many.
    const alive = (t: number): number =>
      used
        .filter((b) => b.persistent || (b.first <= t && t <= b.last))
        .reduce((sum, b) => sum + b.bytes, 0)
    assert.ok(end - base >= Math.max(0, ...Array.from({ length: 60 }, (_, t) => alive(t))))
    if (used.length > 30)
      assert.ok(
        end - base < used.reduce((sum, b) => sum + b.bytes + 64, 0),
        `memory is shared, round ${round} seed=${seed}`,
      )
  }
})

test('assignAddressesByWorker: within a program buffers share all of their memory or none, as far as the budget goes', () => {
  const random = testRandom(seed)
  let [coincide, across, compact] = [0, 0, 0]
  for (let round = 0; round < 200; round++) {
    const buffers = randomBuffers(random, 1 + Math.floor(random() * 60)).map((b) => ({
      ...b,
      bytes: 64 * Math.ceil(b.bytes / 1024),
    }))
    const [base, second] = [6400, 25]
    const persistent = buffers.reduce((sum, b) => sum + (b.persistent ? b.bytes + 64 : 0), 0)
    const end = assignAddressesByWorker(buffers, base, [second], Number.POSITIVE_INFINITY)
    assert.equal(overlaps(buffers), [], `round ${round} seed=${seed}`)
    const used = buffers.filter((b) => !b.persistent && b.last >= 0)
    for (const b of used)
      assert.ok(
        b.address >= base + persistent && b.address + b.bytes <= end,
        `${b.name}, round ${round} seed=${seed}`,
      )
    for (const [i, a] of used.entries())
      for (const b of used.slice(0, i)) {
        if (a.address >= b.address + b.bytes || b.address >= a.address + a.bytes) continue
        if (a.first >= second !== b.first >= second) across++
        else {
          coincide++
          assert.ok(
            a.address === b.address && a.bytes === b.bytes,
            `${a.name} and ${b.name}, round ${round} seed=${seed}`,
          )
        }
      }
    const bytes = end - base - persistent
    assert.is(assignAddressesByWorker(buffers, base, [second], bytes), end)
    const smaller = assignAddresses(
      buffers.map((b) => ({ ...b })),
      base,
    )
    if (bytes > 0)
      assert.is(
        assignAddressesByWorker(buffers, base, [second], bytes - 1),
        smaller,
        `over the budget, round ${round} seed=${seed}`,
      )
    assert.equal(overlaps(buffers), [], `over the budget, round ${round} seed=${seed}`)
    if (smaller < end) compact++
  }
  assert.ok(
    coincide > 100 && across > 100 && compact > 20,
    `${coincide} coincide, ${across} across programs, ${compact} take more memory`,
  )
})

test('overlaps: finds what overlaps in memory and in time, and nothing else', () => {
  const make = (
    name: string,
    address: number,
    first: number,
    last: number,
    persistent = false,
  ): Buffer => ({ name, bytes: 128, purpose: 'scratch', persistent, first, last, address })
  assert.equal(overlaps([make('a', 64, 0, 3), make('b', 128, 3, 5)]), [
    'a and b share memory while both are in use',
  ])
  assert.equal(overlaps([make('a', 64, 0, 3), make('b', 128, 4, 5)]), [])
  assert.equal(overlaps([make('a', 64, 0, 3), make('b', 192, 3, 5)]), [])
  assert.equal(overlaps([make('a', 64, 0, 0, true), make('b', 64, 9, 9)]).length, 1)
})

test.run()
