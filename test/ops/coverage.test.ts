/** Every kernel that a program can call can be called as an op. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds } from '../../src/kernels/records/index.js'
import * as ops from '../../src/ops/index.js'
import { examples } from '../support/op-examples.js'

/** Operations of programs, by name. */
const operations = kinds.map(({ name }) => name)

/** What only notes down what a network did, for the host: test/train/operations.test.ts. */
const noting = ['ActiveSpikes', 'ActiveFloats', 'RecordSpikes']

/** Functions of the engine that are no kernels: its entry, totals, and what exported files call. */
const notKernels = [
  'run',
  'bitSum',
  'maskCounts',
  'byteMax',
  'byteTotals',
  'edgeBytes',
  'edgeExpand',
  'edgeExpandBytes',
  'edgeFloats',
  'edgeLabels',
  'edgeMean',
  'edgeRefuse',
  'edgeSeed',
  'edgeStepMask',
]

/** Exports that nothing in the engine calls; the others are parts of kernels, or operations. */
function functionsOf(root: URL): string[] {
  const assembly = new URL('assembly/', root)
  const text = readdirSync(assembly, { recursive: true })
    .filter((name) => String(name).endsWith('.ts'))
    .map((name) => readFileSync(new URL(String(name).replaceAll('\\', '/'), assembly), 'utf8'))
    .join('\n')
  const called = new Set(
    Array.from(text.matchAll(/(?<!function )\b(\w+)(?:<\w+>)?\(/g), (m) => m[1]),
  )
  const module = new WebAssembly.Module(readFileSync(new URL('build/wasm/engine-named.wasm', root)))
  return WebAssembly.Module.exports(module)
    .filter(({ kind, name }) => kind === 'function' && !called.has(name))
    .map(({ name }) => name)
}
const uncalled = functionsOf(new URL('../../../', import.meta.url))

test('an example reaches each kernel', () => {
  const reached = new Set(examples.flatMap(({ plan }) => plan().kernels))
  const unreached = operations.filter((name) => !reached.has(name) && !noting.includes(name))
  assert.equal(unreached, [], 'kernels that no op plans')
  assert.equal(uncalled.sort(), notKernels.sort(), 'exported, and not called by kernels')
})

test('each op has an example', () => {
  const planned = examples.map(({ op }) => op.opName)
  const exported = Object.entries(ops).filter(
    ([, op]) => typeof op === 'function' && 'opName' in op,
  )
  assert.ok(exported.length > 10, `${exported.length} ops`)
  for (const [name, op] of exported) assert.is((op as { opName: string }).opName, name)
  const without = exported.map(([name]) => name).filter((name) => !planned.includes(name))
  assert.equal(without, [], 'ops without an example in test/support/op-examples.ts')
})

test.run()
