/** How workers share units: each runs once, whatever the numbers of units, groups and workers. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, Op, PoolWord } from '../../assembly/opcodes.js'
import { assignAddresses } from '../../src/plan/memory.js'
import { type Buffer, encode, encodedSize, f32, ProgramBuilder, ref } from '../../src/plan/program.js'
import { loadEngine } from '../../src/runtime/load.js'
import { poolExecutor } from '../../src/runtime/pool.js'

const CHANNELS = 4
const REPEATS = 6

for (const workers of [2, 3, 5])
  test(`${workers} workers run every unit once`, async () => {
    const b = new ProgramBuilder()
    b.program('count')
    b.startSection(REPEATS)
    const cases: { units: number; groups: number; out: Buffer }[] = []
    const one = b.buffer('one', 100 * CHANNELS * 4, 'scratch', true)
    for (const groups of [1, 2, 3])
      for (const units of [0, 1, 2, 3, 4, 7, 32].map((n) => n * groups)) {
        const out = b.buffer(`${units} in ${groups}`, Math.max(1, units) * CHANNELS * 4, 'scratch', true)
        // out = 1 at step 0, out + 1 at the others: a unit that ran twice or not at all shows.
        const words = { [PoolWord.Out]: ref(out), [PoolWord.In]: ref(one), [PoolWord.Factor]: f32(1) }
        const shape = { [PoolWord.Images]: units, [PoolWord.H]: 1, [PoolWord.W]: 1, [PoolWord.C]: CHANNELS, [PoolWord.PixelsPerUnit]: 1 }
        b.emit(Op.Trace, units, { ...words, ...shape }, 0, groups)
        cases.push({ units, groups, out })
      }
    const base = Control.Bytes + 64
    const programAt = Math.ceil(assignAddresses(b.buffers, base) / 64) * 64
    const scratch = programAt + encodedSize(b.programs, workers)
    const { bytes, programs } = encode(b.programs, workers, programAt)
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true })
    assert.ok(scratch + 64 * workers <= memory.buffer.byteLength)
    new Uint8Array(memory.buffer).set(bytes, programAt)
    new Float32Array(memory.buffer, one.address, one.bytes / 4).fill(1)
    const pool = poolExecutor(await loadEngine('engine-threads'), memory, workers)
    for (let round = 0; round < 20; round++) {
      await pool.run({ program: programs[0], workers, scratch, scratchBytes: 64, spins: 100, timeoutMs: 60_000 })
      for (const { units, groups, out } of cases)
        assert.equal(
          new Float32Array(memory.buffer, out.address, units * CHANNELS),
          new Float32Array(units * CHANNELS).fill(REPEATS),
          `${units} units in ${groups} groups, round ${round}`,
        )
    }
    await pool.dispose()
  })

test('units that are no equal groups are a mistake of the planner', () => {
  const b = new ProgramBuilder()
  b.program('count')
  assert.throws(() => b.emit(Op.Trace, 7, {}, 0, 2), /Trace: 7 units cannot be 2 equal groups/)
})

test.run()
