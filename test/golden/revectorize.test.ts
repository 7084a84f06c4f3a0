// runs: apart
/**
 * The trainings of cases.ts give the same numbers with wide vectors, on 1, 2 and 3 threads, in the
 * engine that was made for them and in the others. The flags hold for the whole process, which this
 * file has to itself.
 */
import { setFlagsFromString } from 'node:v8'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { switchOnWideVectors } from '../../src/engine/revectorize.js'
import { skip } from '../support/runner.js'
import { cases } from './cases.js'
import { differences, readGolden, runCase } from './run.js'

const { on, why } = await switchOnWideVectors()
const golden = readGolden()
const quick = cases.filter((c) => !c.slow)
const threaded = quick.filter((c) => c.threaded)
const configurations: [threads: number, which: typeof cases, revectorize: boolean][] = [
  [1, quick, true],
  [1, threaded, false],
  [2, threaded, true],
  [3, threaded, false],
]

if (on) {
  // What V8 has not optimised has no wide vectors; a case is too short for it to begin.
  setFlagsFromString('--no-liftoff')
  // Newer versions ask the baseline's code what it has seen, and end the process without it.
  if (Number.parseInt(process.versions.v8, 10) >= 14) setFlagsFromString('--no-wasm-deopt')
  for (const [threads, which, revectorize] of configurations)
    for (const c of which)
      test(`${c.name}: wide ${revectorize ? 'engine' : 'vectors'}, ${threads} threads`, async () => {
        const { hashes } = await runCase(c, { threads, revectorize })
        assert.equal(differences(golden[c.name], hashes), [])
      })
} else {
  skip(`no wide vectors here: ${why}`)
  test('there is a reason for no wide vectors', () => assert.type(why, 'string'))
}

test.run()
