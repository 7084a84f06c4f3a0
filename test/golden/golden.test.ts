/**
 * The trainings of cases.ts give the numbers in golden.json, bit by bit: on 1, 2 or 3 threads, and
 * some in the debug build. `npm run golden` shows the same outside the tests, all on one thread.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CompileOptions } from '../../src/index.js'
import { isLong, ofLong } from '../support/long.js'
import { cases } from './cases.js'
import { differences, readGolden, renewing, runCase } from './run.js'

const golden = readGolden()
const quick = cases.filter((c) => !c.slow && (isLong || !c.long))
const threaded = quick.filter((c) => c.threaded)
// Each third alone where not all cases run: threads take longer to start than most cases.
const alone = isLong ? [] : threaded.filter((_, i) => i % 3 === 1)

test('golden.json holds the cases of the table, each once', () => {
  const names = cases.map(({ name }) => name)
  assert.is(new Set(names).size, names.length, 'two cases have one name')
  assert.equal(Object.keys(golden).sort(), names.sort(), renewing)
})

test('every method is tested on threads too', () => {
  const methods = (list: typeof cases): string[] => [
    ...new Set(list.map(({ name }) => name.split(', ')[1])),
  ]
  const onThreads = threaded.filter((c) => !alone.includes(c))
  assert.equal(methods(onThreads).sort(), methods(quick).sort())
})

const configurations: [what: string, which: typeof cases, Partial<CompileOptions>][] = [
  // What runs on threads gives the same numbers there.
  ['1 thread', quick.filter((c) => isLong || !c.threaded || alone.includes(c)), { threads: 1 }],
  ['2 threads', threaded.filter((c, i) => i % 3 > 0 && !alone.includes(c)), { threads: 2 }],
  // Shares of units that are not equal: a third of them tells.
  ['3 threads', threaded.filter((_, i) => i % 3 === 0), { threads: 3 }],
  ['debug', quick.filter((c, i) => !c.large && i % ofLong(5, 2) === 0), { engine: 'debug' }],
]

for (const [what, which, overrides] of configurations)
  for (const c of which)
    test(`${c.name}: ${what}`, async () => {
      const { hashes, silent } = await runCase(c, overrides)
      const different = differences(golden[c.name], hashes)
      assert.ok(
        different.length === 0,
        `${c.name}, ${what}: other numbers than in test/golden/golden.json\n  ` +
          `${different.join('\n  ')}\n${renewing}`,
      )
      assert.equal(silent, [], `${c.name}: neuron layers that never spike`)
    })

test.run()
