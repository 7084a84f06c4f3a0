/** Every kernel that a program can call can be called as an op, and so can the matrix products. */
import { readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Op } from '../../assembly/opcodes.js'
import * as ops from '../../src/ops/index.js'
import { records } from '../../src/plan/records/index.js'
import type { Example } from './examples/example.js'

const folder = new URL('examples/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'example.js')
const found = await Promise.all(
  files.map((name) => import(new URL(name, folder).href) as Promise<{ examples: Example[] }>),
)
const examples = found.flatMap((file) => file.examples)

/** Operations of programs, by name. */
const operations = Object.values(Op).filter(
  (op): op is string => typeof op === 'string' && op !== 'None',
)
/** What the engine exports besides them and calls in no program. */
const functions = ['matmulNN', 'matmulNT', 'matmulTN']

test('an example reaches each kernel', () => {
  const reached = new Set(examples.flatMap(({ plan }) => plan().kernels))
  const unreached = [...operations, ...functions].filter((name) => !reached.has(name))
  assert.equal(unreached, [], 'kernels that no op plans')
})

test('the list of operations is that of the planner', () => {
  assert.equal(
    operations.map((name) => Op[name as keyof typeof Op]).sort((a, b) => a - b),
    Object.keys(records)
      .map(Number)
      .sort((a, b) => a - b),
  )
})

test('each op has an example', () => {
  const planned = examples.map(({ name }) => name.split(/[ ,]/)[0])
  const exported = Object.entries(ops).filter(
    ([, op]) => typeof op === 'function' && 'opName' in op,
  )
  assert.ok(exported.length > 10, `${exported.length} ops`)
  for (const [name, op] of exported) assert.is((op as { opName: string }).opName, name)
  const without = exported.map(([name]) => name).filter((name) => !planned.includes(name))
  assert.equal(without, [], 'ops without an example in test/ops/examples')
})

test.run()
