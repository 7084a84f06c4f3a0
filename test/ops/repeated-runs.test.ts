/**
 * What a plan keeps between runs is only what it says. Each op runs on values A, on B, and on A
 * again, which gives the bits of the first run.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { examples, runOn } from '../support/op-examples.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

for (const { name, plan: planned } of examples)
  test(`${name}: A, B, and A again`, () => {
    const plan = planned()
    const first = runOn(plan, 1)
    const second = runOn(plan, 2)
    const changes = (): void => expectSameBits('B', second, first)
    if (name !== 'clear') assert.throws(changes, /differ/)
    expectSameBits('A again', runOn(plan, 1), first)
  })

test('settings of sgd hold until others are given', () => {
  const [start, gradient] = [Float32Array.of(1), Float32Array.of(1)]
  const step = (plan: { run(...all: unknown[]): unknown }, ...settings: object[]): number => {
    const parameters = start.slice()
    plan.run(parameters, gradient, new Float32Array(1), ...settings)
    return parameters[0]
  }
  const plan = ops.sgd.plan({ shape: [1], lr: 0.5, momentum: 0 })
  const steps = [
    step(plan),
    step(plan, { lr: 0.25 }),
    step(plan),
    step(plan, { weightDecay: 1, lr: undefined }),
    step(plan, { momentum: 0.5 }),
    step(plan, { lr: 0.125, weightDecay: 0 }),
    step(plan),
  ]
  assert.equal(steps, [0.5, 0.75, 0.75, 0.5, 0.5, 0.875, 0.875])
  assert.throws(() => step(plan, { lr: 1, momentum: -1 }), /momentum/)
  assert.throws(() => plan.run(start, gradient, new Float32Array(2), { lr: 9 }), /velocities must/)
  assert.is(step(plan), 0.875, 'settings of a run that fails change nothing')
})

test('spikes that are written as masks: the plan counts them', () => {
  const r = randomShapes(7)
  for (const T of [3, 9, 20, 255]) {
    const input = [2, T, 5, 4, 4]
    const windows = { input, kernelSize: 2, spikes: true } as const
    const x = r.spikes(T * 2 * 5 * 16, 0.8)
    const plans = [
      ops.dropout.plan({ input, spikes: true, p: 0.3, outputs: ['output', 'counts'] }),
      ops.maxPool2d.plan({ ...windows, outputs: ['output', 'choice', 'counts'] }),
      ops.avgPool2d.plan({ ...windows, mean: true }),
    ] as unknown as { input: Uint8Array; run(...all: unknown[]): unknown; opName: string }[]
    for (const plan of plans) {
      plan.run(x)
      const wanted = structuredClone(plan.run())
      const masks = plan.input.slice()
      plan.run(x.map((spike) => 1 - spike))
      plan.input.set(masks)
      expectSameBits(`${plan.opName}, ${T} steps`, plan.run(), wanted)
    }
  }
})

test.run()
