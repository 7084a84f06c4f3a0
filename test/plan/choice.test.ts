/**
 * Kernels chosen by spike counts: each alternative gives the reference's numbers, and the counts
 * alone decide which one runs.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { avgPool2d, conv2d, flatten, type Layer, lif, linear } from '../../src/index.js'
import { choose } from '../../src/plan/records/choose.js'
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
