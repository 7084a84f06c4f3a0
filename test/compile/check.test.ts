/** The check that no record reads what was not written, on random plans and on broken ones. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { checkReads } from '../../src/compile/check.js'
import { makePlan, type Plan } from '../../src/compile/plan.js'
import { type PlannedRecord, ProgramBuilder, type Section } from '../../src/compile/program.js'
import { timeSum, trace } from '../../src/kernels/records/gradient.js'
import { clear } from '../../src/kernels/records/optimizer.js'
import { accesses } from '../../src/kernels/records/schema.js'
import { type Buffer, ref } from '../../src/kernels/records/words.js'
import { randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { overlaps } from '../support/overlaps.js'

const seed = Number(process.env.SEED ?? 47)
const PLANS = 200

const shape = { pixels: 4, channels: 4, pixelsPerUnit: 4 }

/** A program `made` of what `build` emits. */
function program(build: (b: ProgramBuilder, buffer: (name: string) => Buffer) => void) {
  const b = new ProgramBuilder()
  b.program('made')
  build(b, (name) => b.buffer(name, 64))
  return b.programs
}

test('what is written first may be read', () => {
  checkReads(
    program((b, buffer) => {
      const [x, y] = [buffer('x'), buffer('y')]
      b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
      b.emit(timeSum, 1, { ...shape, in: x, out: y, steps: 1 })
      b.emit(timeSum, 1, { ...shape, in: y, out: x, steps: 1 })
    }),
  )
})

test('a record that reads what no record has written is named with its field and buffer', () => {
  const programs = program((b, buffer) => {
    const [x, y, z] = ['x', 'y', 'z'].map(buffer)
    b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
    b.emit(timeSum, 1, { ...shape, in: y, out: z, steps: 1 })
  })
  assert.throws(
    () => checkReads(programs),
    (error: Error) =>
      error.message ===
      'program made, record 1 (TimeSum): in reads "y", which no record before it has written',
  )
})

test('a layer is named', () => {
  const programs = program((b, buffer) =>
    b.inLayer(1, () =>
      b.emit(timeSum, 1, { ...shape, in: buffer('x'), out: buffer('y'), steps: 1 }),
    ),
  )
  const nodes = [
    { name: '', kind: 'input' },
    { name: 'pool', kind: 'avgPool2d' },
  ]
  assert.throws(
    () => checkReads(programs, { nodes } as never),
    /^program made, record 0 \(TimeSum of pool, avgPool2d\): in reads "x"/,
  )
})

test('what is read at each step of a loop must be written in the loop', () => {
  const build = (inLoop: boolean) =>
    program((b, buffer) => {
      const [x, y] = [buffer('x'), buffer('y')]
      if (inLoop) b.startSection(3)
      b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
      if (!inLoop) b.startSection(3)
      b.emit(timeSum, 1, { ...shape, in: x, out: y, steps: 1 })
    })
  checkReads(build(true))
  assert.throws(
    () => checkReads(build(false)),
    /record 1 \(TimeSum\): in reads "x" at each step, which was written once before the steps/,
  )
})

test('state that a loop carries must be persistent', () => {
  const build = (persistent: boolean, repeats: number) =>
    program((b) => {
      b.startSection(repeats)
      const x = b.buffer('x', 64)
      b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
      const out = b.buffer('state', 64, 'scratch', persistent)
      b.emit(trace, 1, { ...shape, in: x, out, lambda: 1, steps: 1 })
    })
  checkReads(build(true, 3))
  checkReads(build(false, 1))
  assert.throws(
    () => checkReads(build(false, 3)),
    /record 1 \(Trace\): out carries "state" from step to step, which is not persistent/,
  )
})

test('a condition is read too', () => {
  const programs = program((b, buffer) =>
    b.when(ref(buffer('flag')), () =>
      b.emit(clear, 1, { out: buffer('x'), floats: 16, perUnit: 16 }),
    ),
  )
  assert.throws(() => checkReads(programs), /record 0 \(Clear\): condition reads "flag"/)
})

/** Whether only this record of its program writes the buffer, and another one reads it later. */
function isNeeded(record: PlannedRecord, { buffer }: { buffer: Buffer }, sections: Section[]) {
  if (buffer.persistent) return false
  const all = sections.flatMap(({ records }) => records)
  const uses = (r: PlannedRecord) =>
    [...accesses(r.schema, r.fields)].filter((access) => access.buffer === buffer)
  const at = all.indexOf(record)
  return (
    all.every((r) => r === record || uses(r).every(({ use }) => use === 'reads')) &&
    all.slice(at + 1).some((r) => uses(r).length > 0)
  )
}

test(`${PLANS} random plans read nothing that was not written, and do without any one of their records`, () => {
  const random = testRandom(seed)
  let [made, broken] = [0, 0]
  for (let round = 0; made < PLANS; round++) {
    assert.ok(round < 3 * PLANS, `too few of the networks can be planned: ${made} of ${round}`)
    let plan: Plan
    try {
      const options = randomPlanOptions(random)
      plan = makePlan(options, 1 + Math.floor(random() * 3))
    } catch (error) {
      // Networks that a method does not take, and inputs of odd sizes.
      if (error instanceof SpikewasmError) continue
      throw new Error(`round ${round} seed=${seed}: ${(error as Error).message}`, { cause: error })
    }
    made++
    assert.equal(overlaps(plan.buffers), [], `round ${round} seed=${seed}`)
    for (const [name, { sections }] of Object.entries(plan.programs)) {
      const all = sections.flatMap(({ records }) => records)
      const victim = all[Math.floor(random() * all.length)]
      const writes = [...accesses(victim.schema, victim.fields)]
      if (!writes.some((a) => a.use !== 'reads' && isNeeded(victim, a, [...sections]))) continue
      broken++
      const without = sections.map((section) => ({
        ...section,
        records: section.records.filter((r) => r !== victim),
      }))
      assert.throws(
        () => checkReads([{ name, sections: without }], plan.options.graph),
        /which no record before it has written/,
        `round ${round} seed=${seed}`,
      )
    }
  }
  assert.ok(broken > PLANS / 4, `only ${broken} plans were broken`)
})

test.run()
