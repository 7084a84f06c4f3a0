/** Jobs as hostile input; test/scale/written.txt and choices.txt have what is said of each. */

import { createTar } from 'nanotar'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unpackRun } from '../../src/cli/sweep/job.js'
import { checkResult } from '../../src/cli/sweep/page.js'
import { checkPlain } from '../../src/scale/store.js'
import { messageOf } from '../files/temporary.js'
import { checks, fuzzJobs, good } from './fuzz.js'

for (const kind of ['runs', 'rounds'] as const)
  test(`hostile jobs are refused in one clear line, those of ours are taken: ${kind}`, () => {
    for (const job of good[kind]) checks[kind](job)
    const { faults, refused, taken } = fuzzJobs(400, 1, kind)
    assert.equal(faults, [])
    assert.ok(refused > 280 && taken > 0, `${refused} refused, ${taken} taken`)
  })

test('data of a job are plain, however deep they are, and whatever cannot be written', async () => {
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i++) deep = [deep]
  const loop: unknown[] = []
  loop.push(loop)
  for (const value of [deep, loop, undefined, 10n, Symbol('x')])
    assert.match(await messageOf(() => checkPlain(value, 'it')), /^it must be plain data, got /)
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

test.run()
