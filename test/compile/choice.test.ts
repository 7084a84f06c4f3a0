/**
 * Kernels chosen by spike counts: each alternative gives the reference's numbers, and the counts
 * alone decide which one runs.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  type CompileOptions,
  conv2d,
  dropout,
  flatten,
  type Layer,
  lif,
  linear,
  type StateDict,
} from '../../src/index.js'
import { choose } from '../../src/kernels/records/schema.js'
import { checkCase, compileCase, makeCase } from '../support/case.js'
import { TestEngine, variants } from '../support/engine.js'
import { putRecord } from '../support/records.js'

/**
 * A network whose second layer sees spikes through a pooling window of 16, or directly, with
 * neurons that fire at nearly every step or seldom.
 */
function layers(kind: 'pooled' | 'strided' | 'plain', vThreshold: number): Layer[] {
  const first = [conv2d(2, 20, 3, { padding: 1 }), lif({ vThreshold })]
  if (kind === 'pooled')
    return [...first, avgPool2d(4), conv2d(20, 18, 1), lif(), flatten(), linear(18 * 4, 4)]
  const stride = kind === 'strided' ? 2 : 1
  return [
    ...first,
    conv2d(20, 18, 3, { stride, padding: 1 }),
    lif(),
    avgPool2d(8 / stride),
    flatten(),
    linear(18, 4),
  ]
}

for (const [kind, vThreshold, ran, silent] of [
  ['pooled', 0.02, 'ConvDense', 'SpikeConv'],
  ['pooled', 2.4, 'SpikeConv', 'ConvDense'],
  ['strided', 0.02, 'ConvWeightGradient', 'ListWeightGradient'],
  ['strided', 1.5, 'ListWeightGradient', 'ConvWeightGradient'],
  ['plain', 0.02, 'WinogradWeightGradient', 'ListWeightGradient'],
  ['plain', 2.2, 'ListWeightGradient', 'WinogradWeightGradient'],
] as const)
  for (const engine of ['release', 'debug'] as const)
    test(`choice ${kind} threshold ${vThreshold} ${engine}: ${ran} runs and is right`, async () => {
      const net = layers(kind, vThreshold)
      // Of sums, dense kernels pay at one step only.
      const options = {
        input: [2, 8, 8] as const,
        timeSteps: kind === 'pooled' ? 1 : 4,
        batchSize: 3,
        engine,
      }
      const c = await makeCase(net, options, 5)
      await checkCase(`${kind} ${vThreshold}`, c, { engine })
      const model = await compileCase(net, options)
      model.loadStateDict(c.state)
      await model.trainStep(c.x, c.y, { update: false })
      const ops = (await model.profile(1))
        .filter((r) => r.layer === '2' || r.layer === '3')
        .map((r) => r.op)
      assert.ok(
        ops.includes(ran),
        `${ran} should run, ran ${ops.join(', ')}; rates ${JSON.stringify(model.firingRates())}`,
      )
      assert.not.ok(
        ops.includes(silent),
        `${silent} should not run, ran ${ops.join(', ')}; rates ` +
          `${JSON.stringify(model.firingRates())}`,
      )
      await model.dispose()
    })

/** A network whose second layer sums the spikes of 16 neurons, or reads them as they are. */
function throughTime(kind: 'pooled' | 'strided' | 'dropped', vThreshold: number): Layer[] {
  const first = [conv2d(2, 20, 3, { padding: 1 }), lif({ vThreshold })]
  const last = [lif(), flatten(), linear(18 * 4, 4)]
  if (kind === 'strided') return [...first, conv2d(20, 18, 3, { stride: 4, padding: 1 }), ...last]
  const rest = kind === 'dropped' ? [dropout(0.2)] : []
  return [...first, ...rest, avgPool2d(4), conv2d(20, 18, 3, { padding: 1 }), ...last]
}

for (const [kind, method, timeSteps, vThreshold, ran, silent] of [
  ['pooled', 'bptt', 4, 0.02, 'ConvWeightGradient', 'PatternWeightGradient'],
  ['pooled', 'bptt', 4, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  ['pooled', 'bptt', 6, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  // Of one neuron an input lists are the fastest at any rate.
  ['strided', 'bptt', 5, 0.02, 'PatternWeightGradient', 'Choose'],
  ['strided', 'bptt', 9, 1.5, 'PatternWeightGradient', 'Choose'],
  // Of several calls the spikes add up.
  ['strided', 'sltt', 3, 0.02, 'PatternWeightGradient', 'Choose'],
  ['pooled', 'sltt', 3, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
  ['pooled', 'sltt', 6, 0.02, 'ConvWeightGradient', 'PatternWeightGradient'],
  ['pooled', 'sltt', 6, 4, 'PatternWeightGradient', 'ConvWeightGradient'],
] as const)
  for (const engine of ['release', 'debug'] as const)
    test(`choice ${kind} ${method} T ${timeSteps} threshold ${vThreshold} ${engine}: ${ran} runs and is right`, async () => {
      const net = throughTime(kind, vThreshold)
      const options = { input: [2, 8, 8] as const, method, timeSteps, batchSize: 3, engine }
      const c = await makeCase(net, options, 5)
      await checkCase(`${kind} ${vThreshold}`, c, { engine })
      const ops = await secondLayersOps(net, options, c)
      assert.ok(ops.includes(ran), `${ran} should run, ran ${ops.join(', ')}`)
      assert.not.ok(ops.includes(silent), `${silent} should not run, ran ${ops.join(', ')}`)
    })

test('choice without counts: what dropout leaves is listed where that is likely to pay', async () => {
  const options = { input: [2, 8, 8] as const, method: 'bptt', timeSteps: 4, batchSize: 3 } as const
  const net = throughTime('dropped', 1)
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

for (const variant of variants)
  test(`choose ${variant}: at most, and more than, the limit`, () => {
    const engine = new TestEngine(variant)
    const sources = engine.putInts([
      engine.putInts([3, 0, 4]),
      3,
      engine.putInts([0x7fffffff, 1]),
      2,
    ])
    const total = 7 + 0x80000000
    for (const [limit, flags] of [
      [total - 1, [0, 1]],
      [total, [1, 0]],
      [total + 1, [1, 0]],
    ] as const) {
      const out = engine.alloc(8)
      const fields = { out, sources, sourceCount: 2, limit }
      engine.run(putRecord(engine, choose, 1, fields), 0)
      assert.equal([...engine.ints(out, 2)], flags, `limit ${limit}`)
    }
    engine.checkGuards()
  })

test.run()
