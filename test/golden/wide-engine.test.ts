// runs: apart
/**
 * The engine for wide vectors gives the same numbers as the others, on 1, 2 and 3 threads. It is
 * plain WebAssembly: here it runs whatever V8 makes of it, which revectorize.test.ts looks at where
 * there are wide vectors.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nodePlatform } from '../../src/engine/node/platform.js'
import { registerPlatform } from '../../src/engine/platform.js'
import { linear, sequential } from '../../src/index.js'
import { cases } from './cases.js'
import { differences, readGolden, runCase } from './run.js'

registerPlatform({
  ...nodePlatform,
  wideSettings: async () => ({ engine: 'wide', revectorized: true }),
})
const golden = readGolden()
// Each on one number of threads. Single kernels: test/ops, by expectStrict.
for (const [i, c] of cases.filter(({ slow, threaded }) => threaded && !slow).entries()) {
  const threads = 1 + (i % 3)
  test(`${c.name}: the wide engine, ${threads} threads`, async () => {
    const { hashes } = await runCase(c, { threads, revectorize: true })
    assert.equal(differences(golden[c.name], hashes), [])
  })
}

test('its models have twice the scratch, and shared memory on one thread too', async () => {
  const use = async (revectorize: boolean) => {
    const options = { input: [4, 1, 1], timeSteps: 1, batchSize: 2, revectorize } as const
    const model = await sequential(linear(4, 3)).compile(options)
    const { buffer } = model.session.memory
    const { workers } = model.session.plan.memory
    await model.dispose()
    return { workers, isShared: buffer instanceof SharedArrayBuffer }
  }
  const plain = await use(false)
  assert.equal(await use(true), { workers: 2 * plain.workers, isShared: true })
})

test.run()
