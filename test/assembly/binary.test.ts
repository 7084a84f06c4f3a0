/**
 * What workers rely on in the built modules, read from their bytes: several instances share one
 * memory, so a module must bring no data of its own, keep no state outside memory, and need nothing
 * but memory.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Reader, readGlobal, sectionsOf } from '../../src/kernels/wasm/reader.js'

/** What a module has of its own, and whether the memory that it imports first is shared. */
function holds(bytes: Uint8Array) {
  const sections = new Map(Array.from(sectionsOf(bytes), ({ id, contents }) => [id, contents]))
  const own = Object.entries({ 8: 'start function', 11: 'data segments', 12: 'data count' })
    .filter(([id]) => sections.has(Number(id)))
    .map(([, name]) => name)
  const globals = sections.get(6)
  for (let left = globals?.u32() ?? 0; left > 0; left--)
    assert.is(readGlobal(globals as Reader).kind, 'const', 'a global that changes is refused')
  const imports = sections.get(2) as Reader
  const [, ...names] = [imports.u32(), imports.name(), imports.name()]
  assert.equal([...names, imports.byte()], ['env', 'memory', 2])
  return { own, isShared: (imports.byte() & 2) > 0 }
}

const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const section = (id: number, ...content: number[]): number[] => [id, content.length, ...content]
const memory = section(2, 1, ...[3, ...Buffer.from('env'), 6, ...Buffer.from('memory')], 2, 3, 1, 1)

test('what must not be there is seen', () => {
  const types = [...section(1, 1, 0x60, 0, 0), ...memory, ...section(3, 1, 0)]
  const code = [...section(12, 1), ...section(10, 1, 2, 0, 0x0b), ...section(11, 1, 1, 1, 0x2a)]
  const bytes = Uint8Array.from([...header, ...types, ...section(8, 0), ...code])
  assert.ok(WebAssembly.validate(bytes), 'the example is a module')
  const own = ['start function', 'data segments', 'data count']
  assert.equal(holds(bytes), { own, isShared: true })
  const global = (isMutable: number) =>
    Uint8Array.from([...header, ...memory, ...section(6, 1, 0x7f, isMutable, 0x41, 3, 0x0b)])
  assert.equal(holds(global(0)), { own: [], isShared: true })
  assert.ok(WebAssembly.validate(global(1)))
  assert.throws(() => holds(global(1)), /a global is no constant/)
})

for (const [name, isShared] of [
  ['engine', false],
  ['engine-threads', true],
  ['engine-debug', true],
  ['engine-wide', true],
] as const)
  test(`${name} holds no data, no state and no start function, and needs a ${isShared ? 'shared' : 'plain'} memory alone`, () => {
    const bytes = readFileSync(new URL(`../../wasm/${name}.wasm`, import.meta.url))
    assert.equal(holds(bytes), { own: [], isShared })
    const module = new WebAssembly.Module(bytes)
    assert.equal(
      WebAssembly.Module.imports(module).map((one) => `${one.module}.${one.name}`),
      ['env.memory', 'env.table'],
    )
    const exports = WebAssembly.Module.exports(module).map((one) => one.name)
    for (const wanted of ['run', 'execute']) assert.ok(exports.includes(wanted), wanted)
  })

test.run()
