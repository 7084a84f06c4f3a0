/** A short form of `npm run chaos`. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ofLong } from '../support/long.js'
import { chaos } from './chaos.js'
import { commandChaos } from './command.js'
import { foldersChaos } from './folders.js'
import { choices, type Scenario, scenarioOf } from './scenario.js'

test('20 runs in a row hold all that a training can be made of', () => {
  const runs = Array.from({ length: 20 }, (_, i) => scenarioOf(i + 1))
  for (const [name, list] of Object.entries(choices))
    for (const value of list) {
      const has = (run: Scenario): boolean => run[name as keyof Scenario] === value
      assert.ok(runs.some(has), `${name} ${JSON.stringify(value)}`)
    }
  for (const method of ['rate', 'bptt', 'ottt', 'sltt'])
    assert.ok(
      runs.some((run) => run.frames && run.compile.method === method),
      `frames, ${method}`,
    )
})

test('trainings that are ended at random moments, and go on, have the bits of whole ones', async () => {
  const { ends, failures } = await chaos({ runs: ofLong(2, 3), seed: 4, ends: 3 })
  assert.equal(failures, [])
  assert.ok(ends >= 4, `${ends} ends`)
})

test('so has the command, behind kill -9', async () => {
  const { kills, failures } = await commandChaos({ runs: 1, seed: 3, ends: 3 })
  assert.equal(failures, [])
  assert.is(kills, 3)
})

test('so has the command on data in folders, relative, moved and on another machine', async () => {
  // Two of 18 in a row: recordings that are moved, pictures on another machine.
  for (const seed of ofLong(
    [10, 12],
    Array.from({ length: 18 }, (_, i) => i),
  )) {
    const { kills, failures } = await foldersChaos({ runs: 1, seed, ends: 1 })
    assert.equal(failures, [])
    assert.is(kills, 1)
  }
})

test.run()
