/**
 * What a model is compiled for: inference in passes and streams give the same bits as training's.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import type { InputShape } from '../../src/network/value.js'
import { expectRefusal } from '../files/temporary.js'
import { groupedChains } from '../support/chains.js'
import { byStep } from '../support/frames.js'
import { isLong } from '../support/long.js'
import { labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import { betweenNeurons, rectified } from '../support/networks.js'

interface Network {
  readonly input: InputShape
  readonly make: () => api.Block
  /** What inference may take of training's memory, where it is large. */
  readonly most?: number
}

const written = (input: InputShape, text: string, more: object = {}): Network => ({
  input,
  ...more,
  make: () => netOf(input, text, { sew }),
})
const sew = (n: number): api.Block =>
  api.residual(netOf([n, 8, 8], `conv ${n} 3 padding=1 bias=false, norm, lif`))

const networks: Readonly<Record<string, Network>> = {
  cnn: { make: () => api.cnn([1, 28, 28], 10), input: [1, 28, 28], most: 0.6 },
  mlp: { make: () => api.mlp([1, 12, 12], 7), input: [1, 12, 12], most: 0.6 },
  'strides, hard reset, dropout': written(
    [2, 20, 20],
    `conv 12 3 padding=1 bias=false, norm, lif tau=2, maxPool2d 2, conv 33 3 stride=2 padding=1,
     lif vReset=0, dropout 0.2, flatten, linear 5`,
    { most: 0.6 },
  ),
  'residual, scaled': written(
    [3, 16, 16],
    `conv 16 3 padding=1 bias=false, norm, lif, sew, avgPool2d 2, scale 1.5, conv 9 1,
     integrateAndFire, flatten, linear 6`,
    { most: 0.6 },
  ),
  'layers between neurons': { make: betweenNeurons, input: [3, 6, 6] },
  'neurons behind relu': { make: rectified, input: [2, 6, 6] },
  ...Object.fromEntries(
    Object.entries(groupedChains).map(([name, { layers, input }]) => [
      name,
      { make: () => api.sequential(...layers), input },
    ]),
  ),
}

const options = (
  input: Network['input'],
  more: Partial<api.CompileOptions>,
): api.CompileOptions => ({ input, seed: 5, ...more })

const ways = [
  ['rate', 'm', 4, false, 64, 1],
  ['rate', 's', 9, true, 19, 2],
  ['bptt', 'm', 1, false, 37, 2],
  ['bptt', 's', 5, true, 64, 1],
  ['ottt', 's', 4, false, 33, 1],
  ['sltt', 's', 6, true, 64, 3],
] as const

// Each way with half of the networks; small ones are for the rest of their layers.
for (const [i, [name, { make, input, most }]] of Object.entries(networks).entries())
  for (const [j, [method, stepMode, timeSteps, frames, batchSize, threads]] of ways.entries()) {
    if ((!isLong && (i + j) % 2 === 1) || (most === undefined && j > 1)) continue
    test(`${name}, ${method} ${stepMode} T=${timeSteps}: inference gives training's bits`, async () => {
      const shared = options(input, { method, stepMode, timeSteps, frames, batchSize, threads })
      const size = input.reduce((a, b) => a * b, 1) * (frames ? timeSteps : 1)
      const full = await modelOf(make(), shared)
      const inference = await modelOf(make(), { ...shared, purpose: 'inference' })

      const x = uniform(batchSize * size, 4, 11)
      const classes = full.classes
      await full.trainStep(x, labels(batchSize, classes, 12))
      inference.loadStateDict(full.stateDict())
      const [a, b] = [await full.predict(x), await inference.predict(x)]
      assert.equal(b.logits, a.logits)
      assert.equal(b.classes, a.classes)
      assert.equal(inference.firingRates(), full.firingRates())
      assert.ok(Object.values(full.firingRates()).some((rate) => rate > 0.01))
      const few = x.subarray(0, 3 * size)
      assert.equal((await inference.predict(few)).logits, (await full.predict(few)).logits)
      assert.equal(inference.firingRates(), full.firingRates(), 'of a batch with repeats')
      if (!frames) {
        const n = 2 * batchSize + 3
        const [images, y] = [uniform(n * size, 4, 13), labels(n, classes, 14)]
        const data = api.fromArrays({ images, labels: y, shape: input, classes })
        const [e, f] = [await full.evaluate(data), await inference.evaluate(data)]
        assert.is(f.loss, e.loss)
        assert.is(f.accuracy, e.accuracy)
        assert.equal(f.firingRates, e.firingRates)
        assert.is(f.count, n)
      }
      // A prime batch has no passes of a fitting size.
      const share = batchSize === 37 || batchSize === 19 ? 0.8 : (most ?? 1)
      assert.ok(inference.memoryUse.total < share * full.memoryUse.total)
    })
  }

test('memory for inference: resnet18 and cnn take at most 0.3 of what training takes', async () => {
  for (const [make, input, batchSize] of [
    [() => api.resnet18({ inChannels: 3, classes: 10 }), [3, 32, 32], 16],
    [() => api.cnn([1, 28, 28], 10), [1, 28, 28], 64],
  ] as const)
    for (const threads of [1, 2]) {
      const total = async (purpose: 'train' | 'inference') => {
        const model = await modelOf(make(), options(input, { batchSize, threads, purpose }))
        await model.dispose()
        return model.memoryUse
      }
      const [train, inference] = [await total('train'), await total('inference')]
      assert.is(inference.gradients + inference.optimizer + inference.kept, 0)
      assert.ok(inference.total <= 0.3 * train.total, `${inference.total} of ${train.total}`)
    }
})

for (const [i, [name, { make, input, most }]] of Object.entries(networks).entries())
  for (const threads of [1, 2]) {
    if (!isLong && most === undefined && i % 2 === threads - 1) continue
    test(`${name}: ${threads} threads, T steps of a stream are predict of T frames in step mode s`, async () => {
      const [timeSteps, batchSize] = [11, 3]
      const size = input.reduce((a, b) => a * b, 1) * batchSize
      const shared = options(input, { timeSteps, batchSize, threads, stepMode: 's' })
      const whole = await modelOf(make(), { ...shared, frames: true })
      const stream = await modelOf(make(), { ...shared, purpose: 'stream' })

      const x = uniform(timeSteps * size, 4, 21)
      const steps = byStep(x, timeSteps, batchSize)
      await whole.trainStep(x, labels(batchSize, whole.classes, 22))
      stream.loadStateDict(whole.stateDict())
      const { logits, classes } = await whole.predict(x)
      const rates = whole.firingRates()
      for (let round = 0; round < 2; round++) {
        stream.reset()
        for (let t = 0; t < timeSteps; t++) {
          const step = await stream.step(steps.subarray(t * size, (t + 1) * size))
          assert.is(step.steps, t + 1)
          if (t < timeSteps - 1) continue
          assert.equal(step.logits, logits)
          assert.equal(step.classes, classes)
          assert.equal(stream.firingRates(), rates)
          for (const [layer, spikes] of Object.entries(step.spikes))
            assert.ok(spikes > 0 || rates[layer] === 0, layer)
        }
      }
    })
  }

const small = 'flatten, linear 8, lif, linear 3'
const compileSmall = (more: object) => compileNet(small, { input: [4, 1, 1], ...more })

test('a stream goes on beyond 255 steps, its outputs are means over the steps so far', async () => {
  const stream = await compileSmall({ timeSteps: 4, batchSize: 1, purpose: 'stream' })
  const one = await compileSmall({ timeSteps: 1, batchSize: 1, stepMode: 's' })
  one.loadStateDict(stream.stateDict())
  const x = Float32Array.of(1, 2, -1, 3)
  const first = await stream.step(x)
  assert.equal(first.logits, (await one.predict(x)).logits)
  let last = first
  for (let t = 1; t < 600; t++) last = await stream.step(x)
  assert.is(last.steps, 600)
  const most = Math.max(...Object.values(last.spikes))
  assert.ok(most > 255, `${most} spikes`)
  assert.ok(Object.values(stream.firingRates()).every((rate) => rate > 0 && rate <= 1))
  assert.ok(last.logits.every((v) => Number.isFinite(v) && Math.abs(v) < 10))
})

test('dispose amid passes waits for all of them; later calls are refused', async () => {
  const net = api.cnn([1, 28, 28], 10)
  for (const threads of [1, 2]) {
    const model = await modelOf(net, options([1, 28, 28], { threads, purpose: 'inference' }))
    assert.ok(model.session.plan.passes > 1)
    const x = uniform(64 * 784, 4, 3)
    const expected = (await model.predict(x)).logits
    const running = model.predict(x)
    const disposed = model.dispose()
    assert.equal((await running).logits, expected)
    await disposed
    await expectRefusal(() => model.predict(x), /was disposed/)
  }
})

test('reset while a step runs is refused; output is the mean so far', async () => {
  const model = await compileSmall({ batchSize: 1, purpose: 'stream' })
  const x = Float32Array.of(1, 2, -1, 3)
  const first = await model.step(x)
  assert.equal(model.output(), first.logits)
  const running = model.step(x)
  await expectRefusal(() => model.reset(), /running|runs/)
  const second = await running
  assert.is(second.steps, 2)
  assert.equal(model.output(), second.logits)
  model.reset()
  assert.equal(await model.step(x), first)
  await model.dispose()
  await expectRefusal(() => model.reset(), /was disposed/)
})

test('what a purpose does not have is refused with the purpose that has it', async () => {
  const at = (purpose: unknown, more: object = {}) =>
    compileSmall({ batchSize: 2, purpose, ...more })
  const x = new Float32Array(8)
  const data = api.fromArrays({ images: x, labels: [0, 1], shape: [4, 1, 1], classes: 3 })
  const [train, inference, stream] = [await at('train'), await at('inference'), await at('stream')]
  const trains = /compiled with purpose 'train' \(the default\), this one/
  const reads = /training, and what reads its results, needs .*'train'/
  const steps = /step and reset need a model compiled with purpose 'stream'/
  const predicts = /predict and evaluate need .*purpose 'stream'/
  const refused: readonly (readonly [() => unknown, RegExp])[] = [
    ...[inference, stream].flatMap((model) =>
      [
        () => model.trainStep(x, [0, 1]),
        () => model.fit(data, { epochs: 1 }),
        () => model.gradients(),
        () => model.profile(),
        () => model.resetOptimizer(),
      ].map((use) => [use, trains] as const),
    ),
    ...[train, inference].flatMap((model) =>
      [() => model.step(x), () => model.reset()].map((use) => [use, steps] as const),
    ),
    [() => stream.predict(x), predicts],
    [() => stream.evaluate(data), predicts],
    [() => inference.activity('2'), reads],
    [() => stream.diagnostics(), reads],
    [() => stream.step(new Float32Array(3)), /\[2, 4, 1, 1\] = 8 numbers/],
    [() => stream.step(x.map(() => Number.NaN)), /NaN/],
    [() => stream.step(new BigInt64Array(8) as never), /x must be a Float32Array/],
    [() => at('stream', { frames: true }), /compile.frames must be false with purpose 'stream'/],
    [
      () => at('toString'),
      /compile.purpose must be one of train, inference, stream, got "toString"/,
    ],
  ]
  for (const [use, message] of refused) await expectRefusal(async () => use(), message)
  assert.is((await stream.step(x)).steps, 1, 'what was refused is no step')
})

test('a learnt τ and weights travel between purposes', async () => {
  const options = { input: [4, 1, 1], batchSize: 2 } as const
  const text = 'flatten, linear 8, plif, linear 3'
  const train = await compileNet(text, { ...options, method: 'bptt' })
  const x = uniform(8, 3, 1)
  await train.trainStep(x, [0, 1])
  const inference = await compileNet(text, { ...options, purpose: 'inference' })
  inference.loadStateDict(train.stateDict())
  assert.equal((await inference.predict(x)).logits, (await train.predict(x)).logits)
})

test.run()
