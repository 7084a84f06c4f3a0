import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inFlags } from '../../src/cli/mistakes.js'
import { compile } from '../../src/model/compile.js'
import { models } from '../../src/model/models/registry.js'
import { testRandom } from '../support/engine.js'

const random = testRandom(Number(process.env.SPIKEWASM_TEST_SEED ?? 1))
const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1))

const parameters: Record<string, (C: number, H: number, W: number, classes: number) => number> = {
  mlp: (C, H, W, classes) => C * H * W * 256 + 256 + 256 * classes + classes,
  cnn: (C, H, W, classes) =>
    C * 16 * 9 + 2 * 16 + 16 * 32 * 9 + 2 * 32 + 32 * (H >> 2) * (W >> 2) * classes + classes,
}

for (const name of ['mlp', 'cnn'] as const) {
  for (const [C, H, W, classes] of [
    [1, 4, 4, 2],
    [1, 28, 28, 10],
    [between(1, 5), between(4, 21), between(4, 21), between(2, 101)],
  ]) {
    test(`${name} input=[${C}, ${H}, ${W}] classes=${classes}: compiles, with the expected number of parameters`, async () => {
      const model = await compile(models[name]([C, H, W], classes), {
        input: [C, H, W],
        batchSize: 3,
      })
      assert.equal(
        [model.classes, model.parameterCount],
        [classes, parameters[name](C, H, W, classes)],
      )
      await model.dispose()
    })
  }
}

test('models hand options to their neurons', () => {
  for (const make of [models.mlp, models.cnn])
    assert.throws(() => make([1, 8, 8], 10, { tau: 0.5 }), /lif\.tau must be > 1, got 0\.5/)
})

test("library messages in the command line's words", () => {
  const flags = ['--batch-size', '--lr']
  assert.is(
    inFlags('compile.batchSize must be an integer', flags),
    '--batch-size must be an integer',
  )
  assert.is(inFlags('sgd.lr must be ≥ 0, got -1', flags), '--lr must be ≥ 0, got -1')
  assert.is(inFlags('adamW.lr must be ≥ 0, got -1', flags), '--lr must be ≥ 0, got -1')
  assert.is(inFlags('evaluate.batchSize is 3', flags), '--batch-size is 3')
  assert.is(inFlags('fit.a.lr must be ≥ 0', flags), 'fit.a.lr must be ≥ 0')
  assert.is(inFlags('compile.frames must be true', flags), 'compile.frames must be true')
  assert.is(inFlags('the lr must be small', flags), 'the lr must be small')
})

test.run()
