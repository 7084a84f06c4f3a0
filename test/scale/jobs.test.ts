/** Jobs as hostile input. */

import { createTar } from 'nanotar'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkJob, unpackRun } from '../../src/cli/sweep/job.js'
import { checkResult } from '../../src/cli/sweep/page.js'
import { parseRedisUrl } from '../../src/scale/redis.js'
import { canonical, checkPlain, hashId, limits, readEnvelope } from '../../src/scale/store.js'
import { messageOf } from '../files/temporary.js'
import { checks, fuzzJobs, good, goodJob } from './fuzz.js'

test('a job of ours is read as it was written', () => {
  const job = goodJob({ lr: 0.1, epochs: 9 }, { until: 3, from: 1 })
  const { run, until, from } = checkJob(readEnvelope(job, 'runs'))
  assert.equal(run.given, { lr: 0.1, epochs: 9 })
  assert.equal([until, from], [3, 1])
})

test('another version is refused, and says what to do', async () => {
  for (const change of [{ version: '9.9.9' }, { protocol: 2 }, { version: 3 }])
    assert.match(
      await messageOf(() => readEnvelope({ ...goodJob({}), ...change }, 'runs')),
      /must be made by spikewasm .* install the same version on both sides$/,
    )
  assert.match(await messageOf(() => readEnvelope(goodJob({}), 'rounds')), /of the kind rounds/)
})

test('an id that is not the hash of its run is refused', async () => {
  const job = goodJob({ lr: 0.1 })
  const payload = { ...(job.payload as object), options: { lr: 0.2 } }
  assert.match(await messageOf(() => checkJob(payload as never)), /must be the hash of its options/)
})

for (const kind of ['runs', 'rounds'] as const)
  test(`hostile jobs are refused in one clear line, those of ours are taken: ${kind}`, () => {
    for (const job of good[kind]) checks[kind](job)
    const { faults, refused, taken } = fuzzJobs(400, 1, kind)
    assert.equal(faults, [])
    assert.ok(refused > 280 && taken > 0, `${refused} refused, ${taken} taken`)
  })

test('data of a job are small, plain and flat', async () => {
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i++) deep = [deep]
  const loop: unknown[] = []
  loop.push(loop)
  const wrong: readonly unknown[] = [
    ...[deep, loop, Number.NaN, Number.POSITIVE_INFINITY, undefined, 10n, Symbol('x'), () => 1],
    ...[new Map(), new Date(0), 'x'.repeat(limits.length + 1), JSON.parse('{"__proto__": 1}')],
    ...[Array.from({ length: limits.values + 1 }, () => 0)],
  ]
  for (const value of wrong)
    assert.match(await messageOf(() => checkPlain(value, 'it')), /^it must be plain data, got /)
  checkPlain({ a: [1, 'x', null, true, { b: {} }] }, 'it')
})

test('equal values have equal ids', () => {
  assert.is(canonical({ b: 1, a: [null, { d: 'x', c: 2 }] }), '{"a":[null,{"c":2,"d":"x"}],"b":1}')
  assert.is(hashId({ a: 1, b: undefined }), hashId({ a: 1 }))
  assert.match(hashId({}), /^[0-9a-f]{24}$/)
})

test('results and files of others are checked too', async () => {
  const result = {
    ...{ epochs: 2, testAccuracy: 0.5, testLoss: 1, trainLoss: 1, stopped: null, seconds: 1 },
    weightsSha256: 'a'.repeat(64),
  }
  assert.equal(checkResult(result, 'it'), result)
  const wrong = [null, {}, { ...result, extra: 1 }, { ...result, weightsSha256: '../x' }]
  for (const value of [...wrong, { ...result, testAccuracy: 'x' }])
    assert.match(await messageOf(() => checkResult(value, 'it')), /^it must be the result of a run/)
  const tar = (name: string) => createTar([{ name, data: new Uint8Array(3) }])
  assert.equal(Object.keys(unpackRun(tar('history.jsonl'), 'it')), ['history.jsonl'])
  for (const name of ['../x', '/etc/passwd', 'manifest.json', 'run.lock'])
    assert.match(await messageOf(() => unpackRun(tar(name), 'it')), /files of a run alone, got/)
})

test('an address of Redis holds no password, and shows none', async () => {
  const { url, ...rest } = parseRedisUrl('rediss://user@example.org/2')
  assert.is(url, 'rediss://user@example.org:6379/2')
  assert.equal(rest, { host: 'example.org', port: 6379, db: 2, username: 'user', tls: true })
  for (const held of [
    ...['redis://u:geheim@h', 'redis://:geheim@h:1', 'redis://u:geheim@h:99999999'],
    // Others divide them elsewhere.
    ...['redis://:ge/geheim@h', 'redis://:ge#geheim@h', 'redis://u:1?geheim@h', 'u:geheim@h:1'],
    ...[':geheim@h', 'redis://u:12/geheim@h', 'redis:/u:geheim@h', 'redis://h?password=geheim'],
  ]) {
    const said = await messageOf(() => parseRedisUrl(held))
    assert.match(said, /SPIKEWASM_REDIS_PASSWORD$/)
    assert.not.match(said, /geheim/)
  }
  for (const wrong of [
    '',
    'localhost:6379',
    'http://h',
    'redis://',
    'redis://h/x',
    'redis://h?a=1',
  ])
    assert.match(await messageOf(() => parseRedisUrl(wrong)), /^--redis must (be|end)/)
})

test.run()
