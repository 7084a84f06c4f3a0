/** Two threads give the bits of one. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { anyOp, runOn } from '../support/op-examples.js'
import { expectSameBits } from '../support/ops.js'

const image = [4, 9, 8, 8]
const timed = [4, 2, 9, 8, 8]
const weights = { weight: [12, 9, 3, 3], padding: 1 }
const neurons = { input: [4, 5, 20, 12, 12] }
const hard = { ...neurons, vReset: 0, detachReset: false }
const normed = { input: [3, 4, 24, 9, 9] }
const steps = { ...normed, stepMode: 's' }
const statistics = ['output', 'mean', 'invStd']
const pooled = { input: [4, 3, 24, 17, 17] }
const windows = { ...pooled, kernelSize: 3, stride: 2, padding: 1 }
const rows = { input: [4, 6, 33, 20, 20] }
const floats = { shape: [70_000] }

const table: readonly [name: string, options: object][] = [
  ['conv2d', { input: [5, 3, 9, 7, 7], weight: [17, 9, 3, 3], padding: 1, spikes: true }],
  ['conv2d', { input: [2, 3, 9, 7, 7], weight: [17, 9, 3, 3], padding: 1 }],
  ['conv2d', { input: [4, 3, 8, 7, 7], weight: [8, 4, 3, 3], groups: 2, spikes: true }],
  [
    'conv2d',
    { input: [1, 3, 9, 8, 8], weight: [17, 9, 3, 3], spikes: true, pool: { kernelSize: 2 } },
  ],
  ['conv2d', { input: [4, 3, 9, 7, 7], weight: [17, 9, 3, 3], spikes: true, moments: true }],
  ['conv2dWeightGradient', { ...weights, input: image }],
  ['conv2dWeightGradient', { ...weights, input: timed }],
  ['conv2dWeightGradient', { ...weights, input: timed, algorithm: 'direct' }],
  ['conv2dWeightGradient', { ...weights, input: image, counts: true, timeSteps: 1 }],
  ['conv2dWeightGradient', { ...weights, input: timed, spikes: true }],
  ['conv2dWeightGradient', { ...weights, input: timed, spikes: true, algorithm: 'patterns' }],
  ['conv2dInputGradient', { ...weights, input: image }],
  ['conv2dInputGradient', { ...weights, input: [2, 3, 9, 8, 8] }],
  ['weightStandardise', { weight: [40, 5, 3, 3], gain: true }],
  ['weightStandardiseGradient', { weight: [40, 5, 3, 3], gain: true }],
  ['lif', neurons],
  ['lif', hard],
  ['lifBackward', { ...neurons, mode: 'time' }],
  ['lifBackward', { ...hard, mode: 'time' }],
  ['batchNorm', { ...normed, outputs: statistics }],
  ['batchNorm', { ...steps, outputs: statistics }],
  ['batchNormBackward', normed],
  ['batchNormBackward', steps],
  ['maxPool2d', { ...windows, outputs: ['output', 'choice'] }],
  ['maxPool2d', { ...windows, spikes: true }],
  ['maxPool2dBackward', windows],
  ['avgPool2dBackward', windows],
  ['add', { terms: [pooled, { ...pooled, spikes: true, scale: 2 }] }],
  ['timeSum', rows],
  ['trace', rows],
  ['dropout', rows],
  ['relu', { ...rows, outputs: ['counts', 'output'] }],
  ['sgd', floats],
  ['clear', floats],
  ['crossEntropy', { input: [9, 4, 10] }],
]

for (const [name, options] of table)
  test(`${name} ${JSON.stringify(options)}`, async () => {
    const { plan } = anyOp[name]
    const two = plan({ ...options, threads: 2 })
    try {
      assert.is(two.threads, 2)
      expectSameBits('two threads', await runOn(two, 5), runOn(plan(options), 5))
    } finally {
      await two.dispose()
    }
  })

test.run()
