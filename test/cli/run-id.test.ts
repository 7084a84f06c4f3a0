/** Ids of runs: equal for equal numbers, and only for those. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { idOf } from '../../src/cli/commands/train-run.js'
import type { RunOptions } from '../../src/cli/run-folder.js'

const plain: RunOptions = {
  version: '1',
  model: 'cnn',
  dataset: 'digits',
  augment: false,
  input: [1, 8, 8],
  classes: 10,
  timeSteps: 4,
  tau: 1.25,
  method: 'rate',
  stepMode: 'm',
  epochs: 3,
  update: 'afterwards',
  backwardSteps: 4,
  gradientCheckpoint: 'none',
  batchSize: 32,
  optimizer: 'sgd',
  lr: 0.2,
  momentum: 0.9,
  weightDecay: 5e-4,
  schedule: 'cosine',
  loss: 'crossEntropy',
  seed: 0,
  threads: 1,
}
const id = (options: Partial<RunOptions>): string => idOf({ ...plain, ...options })

const alike: [Partial<RunOptions>, Partial<RunOptions>?][] = [
  [{ threads: 8 }],
  [{ data: '/there' }],
  [{ checkpointEvery: '5m' }],
  [{ limitTrain: undefined }],
  [{ ema: 0 }],
  [{ accumulate: 1 }],
  [{ labelSmoothing: 0 }],
  [{ ratePenalty: 0, rateTarget: 0.5 }],
  [{ decay: 'weights', nesterov: false, lossOf: 'rates' }],
  [{ lrFor: 'rate' }],
  [{ lrFor: 'bptt' }, { lr: 0.8, weightDecay: 5e-4 / 4 }],
  [{ monitor: 'trainLoss' }],
  [{ earlyStopping: 2, monitor: 'testLoss' }, { earlyStopping: 2 }],
  [{ freeze: ['b', 'a'] }, { freeze: ['a', 'b', 'a'] }],
  [
    { load: '/here', loadSha256: 'a' },
    { load: '/there', loadSha256: 'a' },
  ],
  [{ method: 'bptt', gradientCheckpoint: 'layers' }, { method: 'bptt' }],
]
for (const [one, other = {}] of alike)
  test(`equal ids: ${JSON.stringify(one)}, ${JSON.stringify(other)}`, () =>
    assert.is(id(one), id(other)))

test('another id for whatever changes numbers', () => {
  const others: Partial<RunOptions>[] = [
    {},
    { seed: 1 },
    { ema: 0.9 },
    { accumulate: 2 },
    { labelSmoothing: 0.1 },
    { lr: 0.1 },
    { ratePenalty: 1 },
    { ratePenalty: 1, rateTarget: 0.5 },
    { lrFor: 'bptt' },
    { momentum: 0 },
    { weightDecay: 0 },
    { optimizer: 'adam', momentum: undefined },
    { loss: 'mse' },
    { schedule: 'constant' },
    { method: 'bptt' },
    { nesterov: true },
    { decay: 'all' },
    { lossOf: 'counts' },
    { warmup: 1 },
    { clipNorm: 1 },
    { freeze: ['a'] },
    { validationSplit: 0.1 },
    { limitTrain: 9 },
    { limitTest: 9 },
    { augment: true },
    { tau: 2 },
    { epochs: 4 },
    { earlyStopping: 2 },
    { earlyStopping: 2, monitor: 'trainLoss' },
    { loadSha256: 'a' },
    { loadSha256: 'b' },
  ]
  const ids = others.map((options) => id(options))
  assert.is(new Set(ids).size, others.length, ids.join(' '))
})

test.run()
