// runs: apart
/** How workers share units: each runs once, whatever the numbers of units, groups and workers. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, Fault } from '../../assembly/opcodes.js'
import { layOut } from '../../src/compile/emit/encode.js'
import { assignAddresses } from '../../src/compile/memory.js'
import { ProgramBuilder } from '../../src/compile/program.js'
import { instantiateEngine, loadEngine } from '../../src/engine/load.js'
import { breathe } from '../../src/engine/threads/breathe.js'
import { poison } from '../../src/engine/threads/executor.js'
import { PoolExecutor } from '../../src/engine/threads/pool.js'
import { trace } from '../../src/kernels/records/gradient.js'
import type { Buffer } from '../../src/kernels/records/words.js'
import { expectRefusal } from '../files/temporary.js'
import { soon } from '../support/soon.js'

const CHANNELS = 4
const REPEATS = 6

/** A program that counts how often each unit of many records runs, in memory of its own. */
function countingProgram(workers: number) {
  const b = new ProgramBuilder()
  b.program('count')
  b.startSection(REPEATS)
  const cases: { units: number; groups: number; out: Buffer }[] = []
  const one = b.buffer('one', 100 * CHANNELS * 4, 'scratch', true)
  for (const groups of [1, 2, 3])
    for (const units of [32, 0, 1, 2, 3, 4, 7].map((n) => n * groups)) {
      const out = b.buffer(
        `${units} in ${groups}`,
        Math.max(1, units) * CHANNELS * 4,
        'scratch',
        true,
      )
      // out = 1 at step 0, out + 1 at the others: a unit that ran twice or not at all shows.
      const fields = {
        in: one,
        out,
        pixels: units,
        channels: CHANNELS,
        pixelsPerUnit: 1,
        lambda: 1,
        steps: 1,
      }
      b.emit(trace, units, fields, { groups })
      cases.push({ units, groups, out })
    }
  const base = Control.Bytes + 64
  const programAt = Math.ceil(assignAddresses(b.buffers, base) / 64) * 64
  const laid = layOut(b.programs, workers, programAt)
  const scratch = programAt + laid.size
  const { bytes, programs } = laid.encode()
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true })
  assert.ok(scratch + 64 * workers <= memory.buffer.byteLength)
  new Uint8Array(memory.buffer).set(bytes, programAt)
  new Float32Array(memory.buffer, one.address, one.bytes / 4).fill(1)
  const counts = ({ out, units }: (typeof cases)[number]) =>
    new Float32Array(memory.buffer, out.address, units * CHANNELS)
  return { memory, program: programs[0], scratch, cases, counts }
}

for (const workers of [2, 3, 5])
  test(`${workers} workers run every unit once`, async () => {
    const { memory, program, scratch, cases, counts } = countingProgram(workers)
    const pool = new PoolExecutor(await loadEngine('engine-threads'), memory, workers)
    for (let round = 0; round < 20; round++) {
      await pool.run({ program, workers, scratch, scratchBytes: 64, spins: 100, timeoutMs: 60_000 })
      for (const c of cases)
        assert.equal(
          counts(c),
          new Float32Array(c.units * CHANNELS).fill(REPEATS),
          `${c.units} units in ${c.groups} groups, round ${round}`,
        )
    }
    await pool.dispose()
  })

for (const workers of [2, 3])
  test(`behind a program ${workers} workers wait for the host, who says whether another runs`, async () => {
    const { memory, program, scratch, cases, counts } = countingProgram(workers)
    const pool = new PoolExecutor(await loadEngine('engine-threads'), memory, workers)
    const run = { program, workers, scratch, scratchBytes: 64, spins: 100, timeoutMs: 60_000 }
    const all = () => cases.flatMap((c) => Array.from(counts(c)))
    const [whole, none] = [REPEATS, 0].map((count) => all().map(() => count))
    const seen: number[][] = []
    let messages = 0
    const { run: send } = pool
    pool.run = (...of) => {
      messages++
      return send.apply(pool, of)
    }
    for (let round = 0; round < 5; round++)
      for (const goesOn of [true, false])
        for (const wait of [async () => undefined, breathe]) {
          await pool.runBoth(run, program, async () => {
            await wait()
            seen.push(all())
            for (const c of cases) counts(c).fill(0)
            return goesOn
          })
          assert.equal(seen.pop(), whole)
          assert.equal(all(), goesOn ? whole : none)
        }
    // One for both programs.
    assert.is(messages, 5 * 4)
    await pool.dispose()
  })

test('workers that wait for the host leave when another has failed', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const pool = new PoolExecutor(await loadEngine('engine-threads'), memory, 2)
  // A program without records for three, of whom the third comes when the others have left.
  const run = { program: 0, workers: 3, scratch: 0, scratchBytes: 0, spins: 0, timeoutMs: 10 }
  const running = pool.runBoth(run, 0, async () => true)
  setTimeout(() => poison(new Int32Array(memory.buffer)), 20)
  await expectRefusal(() => soon(running), 'another worker failed')
  await pool.dispose()
})

test('a worker whose fellows are late does their units, and then waits for them', async () => {
  for (const worker of [0, 1, 2]) {
    const { memory, program, scratch, cases, counts } = countingProgram(3)
    const { run } = instantiateEngine(await loadEngine('engine-threads'), memory)
    assert.is(run(program, worker, 3, scratch, 0, 100), Fault.TimedOut)
    const [first, ...others] = cases
    assert.equal(
      counts(first),
      new Float32Array(first.units * CHANNELS).fill(1),
      `worker ${worker}`,
    )
    for (const c of others)
      assert.equal(counts(c), new Float32Array(c.units * CHANNELS), 'not beyond the barrier')
  }
})

test('units that are no equal groups are a mistake of the planner', () => {
  const b = new ProgramBuilder()
  b.program('count')
  const buffer = b.buffer('both', 4)
  const shape = { pixels: 7, channels: 4, pixelsPerUnit: 1, steps: 1 }
  const fields = { ...shape, in: buffer, out: buffer, lambda: 1 }
  assert.throws(
    () => b.emit(trace, 7, fields, { groups: 2 }),
    /Trace: 7 units cannot be 2 equal groups/,
  )
})

test.run()
