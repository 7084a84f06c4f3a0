/** What `npm run bench:trust` makes slower is there, and is what a comparison measures. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { deadCode, isOf, targets, withLoop } from '../../bench/slow-build.js'
import { selectionOf } from '../../src/bench/benchmark.js'
import { listCompared } from '../../src/bench/cases/index.js'
import { ownRoot } from '../../src/bench/compare/builds.js'
import { kernelOf, kinds } from '../../src/kernels/records/index.js'
import type { RecordKind } from '../../src/kernels/records/schema.js'

const table = readFileSync(join(ownRoot(), 'assembly/generated/kernels.ts'), 'utf8')

test('each kernel that is made slower is in the list of a comparison', () => {
  const names = listCompared(selectionOf({})).map(({ name }) => name)
  for (const [, name] of targets) assert.ok(names.includes(name), name)
})

test('what is found slower is the kernel itself, at whatever shape, or somebody else', () => {
  const names = [
    'conv2d spikes 64x16x16-64 k3 B4 T4 d0.20',
    'conv2d dense 64x16x16-64 k3 B4 T4',
    'lif atan 256x8x8 B4 T4',
    'lif 256x8x8 B4 T4',
    'lifBackward rate 256x8x8 B4',
    'train cnn rate m B64 T4',
  ]
  const own = (benchmark: string) => names.filter((name) => isOf(name, benchmark))
  assert.equal(own('conv2d spikes 128x16x16-128 k3 B4 T4 d0.10'), [names[0]])
  assert.equal(own('lif 256x8x8 B4 T4'), [names[2], names[3]])
})

test('code that nobody calls is as long as it is told', () => {
  for (const length of [1, 7]) {
    const text = deadCode(length)
    assert.is(text.match(/sqrt\(x\)/g)?.length, 2 * length)
    assert.match(text, /export function deadNumbers.*export function deadVectors/s)
  }
})

test('the loop runs behind the call of its operation alone', () => {
  for (const [op] of targets) {
    const changed = withLoop(table, op, 321)
    assert.is(changed.match(/burn\(321\)/g)?.length, 1, op)
    const [before] = changed.split('burn(321)')
    const called = [...before.matchAll(/(\w+)\(changetype/g)].at(-1)?.[1]
    assert.is(called, kernelOf(kinds.find(({ name }) => name === op) as RecordKind))
  }
  assert.throws(() => withLoop(table, 'NoSuchOp', 1), /there is no operation NoSuchOp/)
})

test('a comparison lists each name once, and more where a filter asks', () => {
  const names = listCompared(selectionOf({})).map(({ name }) => name)
  assert.is(new Set(names).size, names.length)
  assert.ok(names.length < 90, `${names.length} are too many for its time`)
  assert.ok(!names.some((name) => name.includes('threads')))
  for (const op of 'conv2d,lif,lifBackward,matmul,sgd,adam,train cnn,predict cnn'.split(','))
    assert.ok(
      names.some((name) => name.startsWith(`${op} `)),
      op,
    )
  const filtered = listCompared(selectionOf({}), 'lif').map(({ name }) => name)
  assert.ok(filtered.length > names.filter((name) => name.includes('lif')).length)
  assert.ok(filtered.every((name) => name.includes('lif')))
})

test.run()
