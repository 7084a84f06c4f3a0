/** What a worker reads of Redis is bounded before it is read. */

import { createHash } from 'node:crypto'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ReplyBound } from '../../src/scale/redis.js'
import { type BlobStore, folderStore, redisStore } from '../../src/scale/store.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { redisSuite } from '../support/redis-suite.js'
import { testUnless } from '../support/runner.js'
import { withstand } from './hostile.js'

const { test, withRedis, at } = redisSuite('bounds')

/** The same stream in pieces of random lengths. */
function passed(bound: ReplyBound, stream: Buffer, random: () => number): string {
  const out: Buffer[] = []
  for (let from = 0; from < stream.length; ) {
    const end = Math.min(stream.length, from + 1 + Math.floor(random() ** 3 * 40))
    out.push(Buffer.from(bound.pass(stream.subarray(from, end))))
    from = end
  }
  return Buffer.concat(out).toString()
}

const text = (value: string): string => `$${value.length}\r\n${value}\r\n`

test('answers of any kind are let through as they are, in whatever pieces they come', () => {
  const answers = [
    ...['+OK\r\n', '-ERR no\r\n', ':12\r\n', '$-1\r\n', '*-1\r\n', '_\r\n', '#t\r\n', ',1.5\r\n'],
    ...[text(''), text('a\r\nb$5\r\n*3\r\n'), '*0\r\n', `*2\r\n${text('a')}:1\r\n`, '(12345\r\n'],
    ...[`%1\r\n${text('k')}*2\r\n:1\r\n%0\r\n`, `~2\r\n:1\r\n:2\r\n`, '=7\r\ntxt:a\r\n\r\n'],
    ...[`>2\r\n${text('message')}${text('x')}`, '|1\r\n+key\r\n:5\r\n+OK\r\n', '!4\r\nERR \r\n'],
  ]
  for (let seed = 1; seed <= 50; seed++) {
    const random = testRandom(seed)
    const all = Array.from({ length: 60 }, () => answers[Math.floor(random() * answers.length)])
    const stream = all.join('')
    assert.is(passed(new ReplyBound(), Buffer.from(stream), random), stream)
  }
})

test('what is too long is left out, and what follows is read', () => {
  const LONG = 5 * 2 ** 20
  const whole = (stream: string): string => {
    const bound = new ReplyBound()
    const bytes = Buffer.from(stream)
    const out: string[] = []
    for (let from = 0; from < bytes.length; from += 65_536)
      out.push(bound.pass(bytes.subarray(from, from + 65_536)).toString())
    return out.join('')
  }
  const left = text('left out')
  const long = text('x'.repeat(LONG))
  assert.is(whole(`${long}:1\r\n`), `${left}:1\r\n`)
  // As long as may be, and one more; two of them in one answer, and a byte more.
  const [most, more] = [0, 1].map((rest) => text('z'.repeat(4 * 2 ** 20 + rest)))
  assert.is(whole(`${most}${more}+OK\r\n`), `${most}${left}+OK\r\n`)
  // Each answer may be as long.
  assert.is(whole(most.repeat(3)), most.repeat(3))
  const lengths = '*3\r\n'.length + '$4194304\r\n'.length + '$4194270\r\n'.length
  const rest = (length: number): string => text('z'.repeat(4 * 2 ** 20 - lengths + length))
  assert.is(whole(`*3\r\n${most}${rest(0)}+OK\r\n`), `*3\r\n${most}${rest(0)}+OK\r\n`)
  assert.is(whole(`*3\r\n${most}${rest(1)}+OK\r\n`), `*3\r\n${most}${left}+OK\r\n`)
  assert.is(
    whole(`*3\r\n${long}${text('a')}${long}+OK\r\n`),
    `*3\r\n${left}${text('a')}${left}+OK\r\n`,
  )
  // None of them is too long, but all together are.
  const many = text('y'.repeat(2 ** 20))
  const found = whole(`*17\r\n${many.repeat(16)}:7\r\n`)
  assert.is(found.split(left).length - 1, 9)
  assert.ok(found.endsWith(`${left}:7\r\n`))
  // A list of many, among others, in one that is let through.
  const list = `*200000\r\n${`*1\r\n:1\r\n`.repeat(200_000)}`
  assert.is(whole(`*3\r\n:1\r\n${list}:2\r\n:3\r\n`), '*3\r\n:1\r\n*0\r\n:2\r\n:3\r\n')
  // Texts in it, and behind it.
  const texts = `*200000\r\n${text('a').repeat(200_000)}`
  assert.is(whole(`*2\r\n${texts}${text('b')}${text('c')}`), `*2\r\n*0\r\n${text('b')}${text('c')}`)
  assert.is(whole(`%200000\r\n${':1\r\n:2\r\n'.repeat(200_000)}+OK\r\n`), '%0\r\n+OK\r\n')
  const items = (count: number): string => `*${count}\r\n${':1\r\n'.repeat(count)}`
  assert.is(whole(`${items(2 ** 17)}:2\r\n`), `${items(2 ** 17)}:2\r\n`)
  assert.is(whole(`${items(2 ** 17 + 1)}:2\r\n`), '*0\r\n:2\r\n')
  const line = (length: number) => () => new ReplyBound().pass(Buffer.from('+'.padEnd(length, 'x')))
  assert.is(line(2 ** 16)().length, 0)
  assert.throws(line(2 ** 16 + 1), /line of an answer is too long/)
})

const any = { bytes: Number.POSITIVE_INFINITY, of: 'for a test' }
const bytes = Uint8Array.from({ length: 2500 }, (_, i) => i % 251)

/** What Redis in pieces or as a whole and a folder do alike. */
async function expectStore(store: BlobStore): Promise<void> {
  for (const each of [bytes, bytes.slice(0, 3), new Uint8Array(0)]) {
    await store.put('some.bytes', each)
    assert.equal(await store.get('some.bytes', any), each)
  }
  await store.put('some.bytes', bytes)
  assert.equal(await store.get('some.bytes', { ...any, bytes: 2500 }), bytes)
  await expectRefusals([
    [
      () => store.get('some.bytes', { ...any, bytes: 2499 }),
      /^some\.bytes must have at most 2499 bytes, for a test, got 2500$/,
    ],
    [() => store.get('../x', any), /^a name of stored bytes must be letters/],
    [() => store.put('a/b', bytes), /^a name of stored bytes must be letters/],
  ])
  await store.remove('some.bytes')
  assert.is(await store.get('some.bytes', any), undefined)
}

withRedis('bytes in Redis come back whole, in pieces too, and expire', async () => {
  const { client } = at.place
  const keys = (): Promise<string[]> => client.keys('spikewasm:store:*')
  for (const chunk of [1000, 1 << 20]) {
    const store = redisStore(at.place, chunk)
    await expectStore(store)
    assert.equal(await keys(), [])
    await store.put('some', bytes)
    await store.put('some', bytes.subarray(0, 3))
    // Nothing of the longer ones is left.
    assert.is((await keys()).length, 2)
    for (const key of await keys()) assert.ok((await client.ttl(key)) > 0)
    await store.remove('some')
  }
})

withRedis('bytes that others have changed in Redis are told, or as if they were gone', async () => {
  const { client } = at.place
  const store = redisStore(at.place, 1000)
  await store.put('some', bytes)
  const keys = await client.keys('spikewasm:store:bytes:some:*')
  const key = `${keys.find((each) => each.endsWith(':1'))}`
  const get = () => store.get('some', any)
  await client.append(key, 'more')
  await expectRefusal(
    get,
    /^some must have the 2500 bytes that its head in Redis says, got 2504; something else writes/,
  )
  await client.del(key)
  assert.is(await get(), undefined)
  await client.hset(key, 'a', 'b')
  await expectRefusal(get, /got something else; something/)
  await client.del('spikewasm:store:head:some')
  await client.hset('spikewasm:store:head:some', 'a', 'b')
  assert.is(await get(), undefined)
})

withRedis('what is no head, and what changes while it is read, is not there', async () => {
  const { client } = at.place
  const store = redisStore(at.place, 1000)
  const limit = { bytes: 1e6, of: 'for a test' }
  const get = (name: string): Promise<unknown> =>
    store.get(name, limit).catch((error: Error) => error.message)
  await store.put('x', new Uint8Array(3))
  const text = `${await client.get('spikewasm:store:head:x')}`
  const head = JSON.parse(text) as Record<string, unknown>
  const bytesKey = `spikewasm:store:bytes:x:${head.nonce}:0`
  const filled = (length: number): object => {
    const more = ' '.repeat(length - text.length - ',"more":""'.length)
    return { ...head, more }
  }
  const sha256 = createHash('sha256').digest('hex')
  const none = (chunks: number) => ({ nonce: '0'.repeat(16), bytes: 0, chunks, sha256 })
  const wrong = [
    ...[{ chunks: -1 }, { bytes: -1 }, { bytes: 1.5 }, { nonce: 'x' }],
    ...[{ sha256: 1 }, { nonce: '0'.repeat(17) }],
  ].map((more) => ({ ...head, ...more }))
  const heads = [
    ...[head, filled(1000), none(4096)].map((each) => [each, true] as const),
    ...[filled(1002), none(4097), ...wrong].map((each) => [each, false] as const),
  ]
  for (const [each, isThere] of heads) {
    await client.set('spikewasm:store:head:x', JSON.stringify(each))
    assert.is((await get('x')) !== undefined, isThere, JSON.stringify(each).slice(0, 200))
  }
  await client.set('spikewasm:store:head:x', JSON.stringify({ ...head, chunks: 4096 }))
  assert.is(await get('x'), undefined, 'a part is missing')
  await client.set('spikewasm:store:head:x', text)
  const left = await client.ttl(bytesKey)
  assert.ok(left > 7 * 24 * 3600 && left <= 7 * 24 * 3600 + 60, `${left} seconds are left`)
  await client.set(bytesKey, 'abc')
  assert.is(await get('x'), undefined, 'others of the same length')
  await client.set('spikewasm:store:head:x', JSON.stringify({ ...head, bytes: 0, chunks: 0 }))
  assert.is(await get('x'), undefined, 'none, of another hash')
  await store.put('e', new Uint8Array(0), 100)
  assert.is(await client.ttl('spikewasm:store:head:e'), 100)
  // Larger than what is read at a time.
  const large = new Uint8Array(4 * 2 ** 20 + 5).fill(7)
  const whole = redisStore(at.place)
  await whole.put('large', large)
  assert.equal(await whole.get('large', { ...limit, bytes: 1e7 }), large)
  await whole.remove('large')
})

test('a folder does as Redis does, and forgets what nobody has written for a week', () =>
  withFolder(async (folder) => {
    const store = await folderStore(folder)
    await expectStore(store)
    await expectRefusal(() => folderStore(join(folder, 'none')), /^--shared must be/)
    for (const name of ['old', 'new']) await store.put(name, Uint8Array.of(1, 2))
    const file = (name: string): string => join(folder, `${name}.spikewasm-bytes`)
    const week = 7 * 24 * 3600
    const seconds = Date.now() / 1000
    await utimes(file('old'), seconds, seconds - week - 1)
    await utimes(file('new'), seconds, seconds - week + 60)
    await writeFile(join(folder, 'other'), 'x')
    await utimes(join(folder, 'other'), seconds, seconds - 2 * week)
    await folderStore(folder)
    assert.equal((await readdir(folder)).sort(), ['new.spikewasm-bytes', 'other'])
    // What is cut, or another's, is as if it were not there.
    const whole = await readFile(file('new'))
    for (const bytes of [whole.subarray(0, 33), whole.subarray(0, 31), Buffer.alloc(34)]) {
      await writeFile(file('new'), bytes)
      assert.is(await store.get('new', any), undefined)
    }
    await writeFile(file('new'), whole)
    assert.equal(await store.get('new', any), Uint8Array.of(1, 2))
  }))

const onLinux = testUnless(platform() === 'linux' ? undefined : 'it takes Linux', withRedis)

onLinux('a worker does not grow by what others have written, and refuses it', async () => {
  // Without all of that it takes some 110 MB.
  const { faults, said } = await withstand({ url: at.redis.url, limitMB: 200, megabytes: 120 })
  assert.equal(faults, [], said)
})

test.run()
