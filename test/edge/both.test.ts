/** Files that take whole samples and single frames: neither disturbs the other. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exportWasm } from '../../src/edge/export.js'
import { type Net, openNet } from '../../src/edge/net.js'
import {
  batchNorm2d,
  compile,
  conv2d,
  flatten,
  lif,
  linear,
  type Module,
  sequential,
} from '../../src/index.js'
import { differing, numbers, randomModel, sizeOf, uniform } from '../support/exported.js'
import { ofLong } from '../support/long.js'

/** Outputs after each frame of a stream. */
function stream(net: Net, frames: readonly Float32Array[], between = (): void => {}): Float32Array {
  const outputs: number[] = []
  net.reset()
  for (const frame of frames) {
    net.input.set(frame)
    net.step()
    outputs.push(...net.output, net.predictedClass())
    between()
  }
  return Float32Array.from(outputs)
}

for (const stepMode of ['m', 's'] as const)
  test(`random networks in step mode ${stepMode}: infer and step give the bits of their own files`, async () => {
    for (let seed = 201; seed <= ofLong(202, 208); seed++) {
      const random = numbers(seed)
      const model = await randomModel(random, stepMode === 's' ? 's' : undefined)
      const net = await openNet(await exportWasm(model, { mode: 'both' }))
      const alone = await openNet(await exportWasm(model, { mode: 'step' }))
      const size = sizeOf(model)
      const x = uniform(random, size * (model.frames ? model.timeSteps : 1))
      const { logits } = await model.predict(x)
      const infer = (): void => {
        net.input.set(x)
        net.infer()
        assert.is(differing(net.output, logits), 0, `seed ${seed}, infer`)
      }
      infer()
      const frames = Array.from({ length: model.timeSteps + 2 }, () => uniform(random, size))
      const expected = stream(alone, frames)
      assert.is(differing(stream(net, frames), expected), 0, `seed ${seed}, step`)
      assert.is(differing(stream(net, frames, infer), expected), 0, `seed ${seed}, both`)
    }
  })

test('T steps of the same image give predict of step mode s', async () => {
  const random = numbers(9)
  const model = await randomModel(random, 's')
  const net = await openNet(await exportWasm(model, { mode: 'both' }))
  const x = uniform(random, sizeOf(model))
  const { logits, classes } = await model.predict(x)
  const steps = Array.from({ length: model.timeSteps }, () => x)
  const outputs = stream(net, steps)
  const last = outputs.subarray(outputs.length - logits.length - 1)
  assert.equal([...last], [...logits, classes[0]])
})

test('files without SIMD give the same bits', async () => {
  for (let seed = 221; seed <= ofLong(222, 224); seed++) {
    const random = numbers(seed)
    const model = await randomModel(random, undefined, true)
    const nets = await Promise.all(
      (['simd', 'scalar'] as const).map(async (target) =>
        openNet(await exportWasm(model, { mode: 'both', target })),
      ),
    )
    const frames = Array.from({ length: 3 }, () => uniform(random, sizeOf(model)))
    const [simd, scalar] = nets.map((net) => stream(net, frames))
    assert.is(differing(scalar, simd), 0, `seed ${seed}, step`)
    for (const net of nets) {
      net.input.fill(0.7)
      net.infer()
    }
    assert.is(differing(nets[1].output, nets[0].output), 0, `seed ${seed}, infer`)
  }
})

test('weights of one byte serve both', async () => {
  for (let seed = 231; seed <= ofLong(232, 236); seed++) {
    const random = numbers(seed)
    const model = await randomModel(random, undefined, true)
    const [both, infer, step] = await Promise.all(
      (['both', 'infer', 'step'] as const).map(async (mode) =>
        openNet(await exportWasm(model, { mode, weights: 'int8' })),
      ),
    )
    const frames = Array.from({ length: 4 }, () => uniform(random, sizeOf(model)))
    for (const net of [both, infer]) {
      net.input.fill(0.7)
      net.infer()
    }
    assert.is(differing(both.output, infer.output), 0, `seed ${seed}, infer`)
    const again = (): void => both.infer()
    assert.is(differing(stream(both, frames, again), stream(step, frames)), 0, `seed ${seed}, step`)
  }
})

test('both programs share what was computed from parameters', async () => {
  const input = [2, 12, 12] as const
  const network = (): Module =>
    sequential(
      conv2d(2, 32, 3, { padding: 1, standardise: true }),
      batchNorm2d(32),
      lif(),
      conv2d(32, 32, 3, { padding: 1, standardise: true }),
      batchNorm2d(32),
      lif(),
      flatten(),
      linear(32 * 144, 5),
    )
  const model = await compile(network(), { input, batchSize: 1 })
  const [both, infer] = await Promise.all(
    (['both', 'infer'] as const).map(async (mode) => openNet(await exportWasm(model, { mode }))),
  )
  assert.is(both.info.weightBytes, infer.info.weightBytes)
})

test.run()
