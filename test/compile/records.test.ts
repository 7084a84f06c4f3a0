/** What every schema promises: words that belong to it alone. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Rec } from '../../assembly/opcodes.js'
import { ProgramBuilder } from '../../src/compile/program.js'
import { timeSum } from '../../src/kernels/records/gradient.js'
import { kinds } from '../../src/kernels/records/index.js'
import { clear } from '../../src/kernels/records/optimizer.js'
import {
  accesses,
  entries,
  entry,
  type Fields,
  flag,
  number,
  reads,
  readsIf,
  type Schema,
  wordsOf,
  writes,
  writesOrAdds,
} from '../../src/kernels/records/schema.js'
import { ref } from '../../src/kernels/records/words.js'

function checkWords(title: string, schema: Schema, from: number, to: number): void {
  const names = new Map<number, string>()
  for (const [name, { word }] of Object.entries(schema)) {
    const other = names.get(word)
    assert.is(other, undefined, `${title}: ${name} and ${other} share word ${word}`)
    assert.ok(
      Number.isInteger(word) && word >= from && word < to,
      `${title}: ${name} is word ${word}, not one of ${from} to ${to - 1}`,
    )
    names.set(word, name)
  }
}

test('operations have names and numbers of their own', () => {
  assert.ok(kinds.length > 80, `${kinds.length} kinds`)
  for (const of of [kinds.map(({ name }) => name), kinds.map(({ op }) => op)])
    assert.is(new Set<string | number>(of).size, of.length)
})

test('no two fields of a schema share a word, and all words lie behind those of every record', () => {
  for (const kind of kinds) {
    checkWords(kind.name, kind.schema, Rec.First, Rec.Words)
    for (const [name, { entry }] of Object.entries(kind.schema))
      if (entry) checkWords(`${kind.name}.${name}`, entry.schema, 0, entry.bytes / 4)
  }
})

test('a flag that a field names is a flag of the same schema', () => {
  for (const kind of kinds)
    for (const [name, { addsWith }] of Object.entries(kind.schema))
      if (addsWith !== undefined)
        assert.is(kind.schema[addsWith]?.use, 'flag', `${kind.name}.${name}: ${addsWith}`)
})

// Records as they are emitted.

const schema = {
  out: writesOrAdds(4, 'adds'),
  in: reads(5),
  maybe: readsIf(6),
  count: number(7),
  adds: flag(8),
  parts: entries(9, entry(8, { from: reads(0), to: writes(1) })),
}

test('fields become words; what is left out or undefined is no word', () => {
  const b = new ProgramBuilder()
  const [x, y] = [b.buffer('x', 4), b.buffer('y', 4)]
  const fields: Fields<typeof schema> = {
    out: x,
    in: ref(y, 8),
    maybe: undefined,
    count: 3,
    adds: true,
    parts: [{ from: x, to: y }],
  }
  assert.equal(wordsOf(schema, fields), {
    4: ref(x),
    5: ref(y, 8),
    7: 3,
    8: 1,
    9: { table: [{ 0: ref(x), 1: ref(y) }], entryBytes: 8 },
  })
  const uses = [...accesses(schema, fields)].map(({ name, buffer, use }) => [
    name,
    buffer.name,
    use,
  ])
  assert.equal(uses, [
    ['out', 'x', 'updates'],
    ['in', 'y', 'reads'],
    ['parts[0].from', 'x', 'reads'],
    ['parts[0].to', 'y', 'writes'],
  ])
  const [first] = accesses(schema, { ...fields, adds: false })
  assert.is(first.use, 'writes', 'without the flag it is only written')
})

test('a missing field, a misspelt one and one of another type are errors of the types', () => {
  const b = new ProgramBuilder()
  b.program('types')
  const x = b.buffer('x', 64)
  b.emit(clear, 1, { out: x, floats: 16, perUnit: 16 })
  // @ts-expect-error perUnit is missing
  b.emit(clear, 1, { out: x, floats: 16 })
  const misspelt = () =>
    // @ts-expect-error floats is misspelt
    b.emit(clear, 1, { out: x, floates: 16, perUnit: 16 })
  assert.throws(misspelt, /no field floates/)
  const more = () =>
    // @ts-expect-error Clear reads nothing
    b.emit(clear, 1, { out: x, floats: 16, perUnit: 16, in: x })
  assert.throws(more, /no field in/)
  // @ts-expect-error a number is no place
  b.emit(timeSum, 1, { in: 8, out: x, pixels: 1, channels: 4, steps: 1, pixelsPerUnit: 1 })
  // @ts-expect-error an optional field may be undefined, others may not
  const none: Fields<typeof schema> = { out: x, in: undefined, count: 1, adds: false, parts: [] }
  // @ts-expect-error entries have names too
  const entry: Fields<typeof schema>['parts'][number] = { from: x }
  assert.ok(none && entry)
})

test.run()
