/** What the build writes for the engine from the schemas: classes of records, the way to kernels. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kernelOf } from '../../src/kernels/records/index.js'
import {
  copies,
  type Entry,
  entries,
  entry,
  f32,
  number,
  type RecordKind,
  reads,
  record,
  runsAs,
  size,
} from '../../src/kernels/records/schema.js'

interface Sources {
  readonly [file: string]: string
}
const { engineSources } = (await import(
  new URL('../../../tools/records.mjs', import.meta.url).href
)) as {
  engineSources(
    schemas: {
      kinds: readonly RecordKind[]
      entries: ReadonlyMap<string, Entry>
      kernelOf: typeof kernelOf
    },
    kernels: ReadonlyMap<string, { file: string; type: string }>,
  ): Sources
}

const part = entry(12, { from: reads(1) })
const first = record('First', 7, copies, { out: reads(5), low: f32(8), parts: entries(9, part) })
const second = record('Second', 8, copies, { out: reads(5), count: size(6), mean: f32(8) })
const third = record('Third', 9, runsAs('second'), { count: size(6) })
const kernels = new Map([
  ['first', { file: 'assembly/a/first.ts', type: 'OwnRecord' }],
  ['second', { file: 'assembly/a/second.ts', type: 'OwnRecord' }],
])
const sourcesOf = (...kinds: RecordKind[]): Sources =>
  engineSources({ kinds, entries: new Map([['Part', part]]), kernelOf }, kernels)

test('a class has the fields of all operations whose kernels take it, where the schemas say', () => {
  const text = sourcesOf(first, second, third)['assembly/generated/records.ts']
  const gap = (word: number): string => `  private w${word}: u32\n`
  const own = `export class OwnRecord {\n${[0, 1, 2, 3, 4].map(gap).join('')}  out: usize
  count: usize
${gap(7)}  low: f32
  parts: usize
  @inline get mean(): f32 { return load<f32>(changetype<usize>(this), 32) }
  @inline set mean(value: f32) { store<f32>(changetype<usize>(this), value, 32) }
}`
  assert.ok(text.includes(own), text)
  assert.ok(text.includes(`export class Part {\n${gap(0)}  from: usize\n${gap(2)}}`), text)
})

test('each operation goes to its kernel, or to the one that it names', () => {
  const text = sourcesOf(first, second, third)['assembly/generated/kernels.ts']
  const call = '(changetype<OwnRecord>(rec), unit, t, scratch)'
  for (const [op, name] of [
    [7, 'first'],
    [8, 'second'],
    [9, 'second'],
  ])
    assert.ok(text.includes(`    case ${op}:\n      ${name}${call}\n      break\n`), text)
  assert.ok(text.includes("import { first } from '../a/first'"), text)
})

test('a missing kernel, a number that is taken, and fields that contradict are told', () => {
  assert.throws(
    () => sourcesOf(first, record('Second', 7, copies, { out: reads(5) })),
    /^operations First and Second have the number 7; give one of them another, such as 8$/,
  )
  const lost = record('Lost', 3, copies, { out: reads(4) })
  assert.throws(
    () => sourcesOf(lost),
    /^operation Lost: no file of assembly\/ has "export function lost\(rec: LostRecord, unit: i32, t: i32, scratch: usize\): void"$/,
  )
  const other = record('Second', 8, copies, { out: reads(6) })
  assert.throws(
    () => sourcesOf(first, other),
    /^OwnRecord: out is word 5 \(usize\) of one operation and word 6 \(usize\) of another; give one of them a name, or its kernel a class, of its own$/,
  )
  assert.throws(
    () => sourcesOf(first, record('Second', 8, copies, { out: number(5) })),
    /word 5 \(usize\) of one operation and word 5 \(i32\)/,
  )
})

test.run()
