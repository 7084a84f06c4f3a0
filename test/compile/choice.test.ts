/**
 * Kernels chosen by spike counts: each alternative gives the reference's numbers, and the counts
 * alone decide which one runs.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CompileOptions, Layer, StateDict } from '../../src/index.js'
import { checkCase, compileCase, makeCase } from '../support/case.js'
import { layersOf } from '../support/net.js'

/**
 * A network whose second layer sees spikes through a pooling window of 16, or directly, with
 * neurons that fire at nearly every step or seldom.
 */
const layers = (kind: keyof typeof second, vThreshold: number): Layer[] =>
  layersOf(
    [2, 8, 8],
    `conv 20 3 padding=1, lif vThreshold=${vThreshold}, ${second[kind]}, linear 4`,
  )
const second = {
  'pooled 1×1': 'avgPool2d 4, conv 18 1, lif, flatten',
  'stride 2': 'conv 18 3 stride=2 padding=1, lif, avgPool2d 4, flatten',
  plain: 'conv 18 3 padding=1, lif, avgPool2d 8, flatten',
  pooled: 'avgPool2d 4, conv 18 3 padding=1, lif, flatten',
  'stride 4': 'conv 18 3 stride=4 padding=1, lif, flatten',
  dropped: 'dropout 0.2, avgPool2d 4, conv 18 3 padding=1, lif, flatten',
} as const

for (const [kind, method, timeSteps, vThreshold, ran, silent] of [
  // For sums dense kernels pay at one step only.
  ['pooled 1×1', 'rate', 1, 0.02, 'ConvDense', 'SpikeConv'],
  ['pooled 1×1', 'rate', 1, 2.4, 'SpikeConv', 'ConvDense'],
  ['stride 2', 'rate', 4, 0.02, 'ConvWeightGradient', 'ListWeightGradient'],
  ['stride 2', 'rate', 4, 1.5, 'ListWeightGradient', 'ConvWeightGradient'],
  ['plain', 'rate', 4, 0.02, 'WinogradWeightGradient', 'ListWeightGradient'],
  ['plain', 'rate', 4, 2.2, 'ListWeightGradient', 'WinogradWeightGradient'],
  ['pooled', 'bptt', 4, 0.02, 'ConvWeightGradient', 'PatternWeightGradient'],
  ['pooled', 'bptt', 4, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  ['pooled', 'bptt', 6, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  // Where an input is one neuron, lists are the fastest at any rate.
  ['stride 4', 'bptt', 5, 0.02, 'PatternWeightGradient', 'Choose'],
  ['stride 4', 'bptt', 9, 1.5, 'PatternWeightGradient', 'Choose'],
  // Spikes of several calls add up.
  ['stride 4', 'sltt', 3, 0.02, 'PatternWeightGradient', 'Choose'],
  ['pooled', 'sltt', 3, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  ['pooled', 'sltt', 6, 0.02, 'ConvWeightGradient', 'PatternWeightGradient'],
  ['pooled', 'sltt', 6, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
] as const)
  for (const engine of ['release', 'debug'] as const)
    test(`choice ${kind} ${method} T ${timeSteps} threshold ${vThreshold} ${engine}: ${ran} runs and is right`, async () => {
      const net = layers(kind, vThreshold)
      const options = { input: [2, 8, 8] as const, method, timeSteps, batchSize: 3, engine }
      const c = await makeCase(net, options, 5)
      await checkCase(`${kind} ${vThreshold}`, c, { engine })
      const ops = await secondLayersOps(net, options, c)
      assert.ok(ops.includes(ran), `${ran} should run, ran ${ops.join(', ')}`)
      assert.not.ok(ops.includes(silent), `${silent} should not run, ran ${ops.join(', ')}`)
    })

test('choice without counts: what dropout leaves is listed where that is likely to pay', async () => {
  const options = { input: [2, 8, 8] as const, method: 'bptt', timeSteps: 4, batchSize: 3 } as const
  const net = layers('dropped', 1)
  const c = { x: new Float32Array(3 * 2 * 64).fill(1), y: [0, 1, 2] }
  const ops = await secondLayersOps(net, options, c)
  assert.ok(ops.includes('ConvWeightGradient') && !ops.includes('Choose'), ops.join(', '))
})

/** The operations of the second convolution in one step, and firing rates. */
async function secondLayersOps(
  net: readonly Layer[],
  options: CompileOptions,
  { x, y, state }: { x: Float32Array; y: readonly number[]; state?: StateDict },
): Promise<string[]> {
  const model = await compileCase(net, options)
  if (state) model.loadStateDict(state)
  await model.trainStep(x, y, { update: false })
  const layer = String(net.map(({ kind }) => kind).lastIndexOf('conv2d'))
  const ops = (await model.profile(1)).filter((r) => r.layer === layer).map((r) => r.op)
  const rates = `rates ${JSON.stringify(model.firingRates())}`
  await model.dispose()
  return [...ops, rates]
}

test.run()
