/** `forward`, `backward`, `update` and `calls`: the bits of a training step, in their order alone. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { mixture, small } from '../support/own-losses.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'

const network = (share = 0.2): api.Block =>
  netOf(toyShape, `conv 6 3 padding=1, norm, lif, flatten, dropout ${share}, linear ${toyClasses}`)

const { images, labels } = toy(8, 5)
const [x, other] = [images, images.map((v) => -v)]
const targets = Int32Array.from(labels)

const compiled = (more: Partial<api.CompileOptions>, net = network()): Promise<api.Model> =>
  modelOf(net, { input: toyShape, timeSteps: 6, batchSize: 8, optimizer: api.adam(), ...more })

const bitsOf = (model: api.Model): number[][] =>
  Object.values(model.stateDict()).map(({ data }) => Array.from(data))

/** ∂ of cross entropy. */
function gradientOf(outputs: Float32Array, m = 0): Float64Array {
  const steps = outputs.length / 8 / toyClasses
  const shape = steps === 1 && m === 0 ? [8, toyClasses] : [steps, 8, toyClasses]
  const wanted = (label: number, c: number): number => (c === label ? 1 : 0)
  return mixture({ outputs, targets, shape, valid: 8 }, { m, wanted }).gradient
}

for (const method of [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt' },
  { method: 'bptt', loss: api.tet({ lambda: 0 }) },
] as const)
  for (const threads of [1, 2])
    test(`forward, backward and update are a step: ${JSON.stringify(method)}, ${threads} threads`, async () => {
      const [whole, parts] = [
        await compiled({ ...method, threads }),
        await compiled({ ...method, threads }),
      ]
      for (const clipNorm of [undefined, 0.5, 1]) {
        const { gradientNorm } = await whole.trainStep(x, labels, { clipNorm, lr: 0.01 })
        const outputs = await parts.forward(x)
        await parts.backward(gradientOf(outputs))
        // Reading the model changes nothing of the gradients.
        await parts.predict(other)
        const found = await parts.update({ clipNorm, lr: 0.01 })
        assert.equal(bitsOf(parts), bitsOf(whole))
        assert.is(found.gradientNorm, gradientNorm)
      }
      await whole.trainStep(x, labels)
      await parts.trainStep(x, labels)
      assert.equal(bitsOf(parts), bitsOf(whole))
    })

for (const method of [
  { method: 'ottt' },
  { method: 'sltt' },
  { method: 'sltt', update: 'everyStep' },
  { method: 'os' },
] as const)
  for (const threads of [1, 2])
    test(`calls and update are a step: ${JSON.stringify(method)}, ${threads} threads`, async () => {
      const isEach = 'update' in method
      const [whole, parts] = [
        await compiled({ ...method, threads }),
        await compiled({ ...method, threads }),
      ]
      for (const lr of [0.01, 0.02]) {
        const options = isEach ? { lr, clipNorm: 0.5 } : { lr }
        await whole.trainStep(x, labels, options)
        const steps: number[] = []
        for await (const call of parts.calls(x, isEach ? options : {})) {
          steps.push(call.step)
          await call.backward(gradientOf(call.outputs, small))
        }
        if (!isEach) await parts.update({ lr })
        assert.is(steps[0], 0)
        assert.ok(steps.length > 1 && steps.every((step, i) => i === 0 || step > steps[i - 1]))
        assert.equal(bitsOf(parts), bitsOf(whole))
      }
    })

test('gradients of several passes add up until an update takes them', async () => {
  for (const method of ['rate', 'bptt'] as const) {
    const model = await compiled({ method, optimizer: api.sgd() }, network(0))
    const outputs = await model.forward(x)
    const gradient = gradientOf(outputs)
    await model.backward(gradient)
    const first = model.gradients()
    await model.forward(other)
    await model.backward(gradient)
    const sum = model.gradients()
    await model.forward(other)
    await model.update({ lr: 0 })
    await model.forward(other)
    await model.backward(gradient)
    const second = model.gradients()
    for (const [name, { data }] of Object.entries(sum))
      for (const [i, value] of data.entries())
        assert.is(value, Math.fround(first[name].data[i] + second[name].data[i]))
  }
})

test('calls without a gradient count as zero; those of two sequences add up', async () => {
  const model = await compiled({ method: 'sltt', optimizer: api.sgd() }, network(0))
  const run = async (takes: (step: number) => boolean) => {
    for await (const call of model.calls(x))
      if (takes(call.step)) await call.backward(gradientOf(call.outputs, small))
  }
  const weight = () => Array.from(model.gradients()['5.weight'].data)
  await run((step) => step === 0)
  const first = weight()
  await model.update({ lr: 0 })
  await run((step) => step > 0)
  const rest = weight()
  await run((step) => step === 0)
  const sum = weight()
  for (const [i, value] of sum.entries()) assert.ok(Math.abs(value - first[i] - rest[i]) < 1e-6)
  await run(() => false)
  assert.equal(weight(), sum)
  await model.update({ lr: 0 })
  await run(() => false)
  await expectRefusal(() => model.update(), /model.update must follow model.backward/)
})

test('forward without training gives what predict gives, and nothing can follow it', async () => {
  const model = await compiled({})
  const outputs = await model.forward(x, { training: false })
  assert.equal(outputs, (await model.predict(x)).logits)
  await expectRefusal(() => model.backward(gradientOf(outputs)), /must follow the model.forward/)
})

test('gradients end with the parameters that they are of, and with resetOptimizer', async () => {
  const model = await compiled({ optimizer: api.sgd() })
  const zeros = new Float32Array(8 * toyClasses)
  const ends: readonly [string, () => unknown][] = [
    ['resetOptimizer', () => model.resetOptimizer()],
    ['loadStateDict', () => model.loadStateDict(model.stateDict())],
  ]
  for (const [name, run] of ends) {
    await model.backward(gradientOf(await model.forward(x)))
    await run()
    const before = bitsOf(model)
    await expectRefusal(() => model.update(), /model.update must follow model.backward/)
    assert.equal(bitsOf(model), before, name)
    // What comes behind it is no sum with what was there.
    await model.forward(x)
    await model.backward(zeros)
    assert.ok(Object.values(model.gradients()).every(({ data }) => data.every((g) => g === 0)))
    await model.update()
  }
  await model.forward(x)
  model.resetOptimizer()
  await model.backward(zeros)
})

test('parts in another order are refused, and nothing is changed', async () => {
  const model = await compiled({})
  const follow = /model.backward must follow the model.forward that made its outputs/
  const before = bitsOf(model)
  const zeros = new Float32Array(8 * toyClasses)
  await expectRefusal(() => model.backward(zeros), follow)
  await expectRefusal(() => model.update(), /model.update must follow model.backward/)
  const between: readonly [string, () => unknown][] = [
    ['predict', () => model.predict(x)],
    ['trainStep', () => model.trainStep(x, labels, { lr: 0 })],
    ['loadStateDict', () => model.loadStateDict(model.stateDict())],
    ['another backward', () => model.backward(zeros)],
    ['prepare', () => model.prepare({ method: 'bptt' })],
  ]
  for (const [, run] of between) {
    await model.forward(x)
    await run()
    await expectRefusal(() => model.backward(zeros), follow)
  }
  assert.equal(bitsOf(model)[0], before[0])
  await model.forward(x)
  await model.backward(zeros)
  await model.trainStep(x, labels, { lr: 0 })
  await expectRefusal(() => model.update(), /model.update must follow model.backward/)
  await model.forward(x)
  for (const [gradient, message] of [
    [zeros.subarray(1), /must be a Float32Array or Float64Array of \[8, 4\] = 32 .*of 31/],
    [Array.from(zeros), /must be a Float32Array or Float64Array/],
    [zeros.with(9, Number.NaN), /must be finite as float32, got NaN for sample 2, output 1/],
  ] as const)
    await expectRefusal(() => model.backward(gradient as Float32Array), message)
  await model.backward(zeros)
  await expectRefusal(() => model.forward(x.subarray(1)), /x must hold \[8, 2, 6, 5\]/)
  await expectRefusal(() => model.update({ clipNorm: -1 }), /update.clipNorm must be > 0/)
  await expectRefusal(() => model.update({ lr: '0.1' as never }), /^update.lr must be .*got "0.1"/)
  await expectRefusal(() => model.forward(x, { train: true } as never), /training/)
})

test('calls that end early leave no gradients; their updates need no model.update', async () => {
  const model = await compiled({ method: 'sltt', optimizer: api.sgd() })
  const run = async (isBroken: boolean) => {
    for await (const call of model.calls(x)) {
      await call.backward(gradientOf(call.outputs, small))
      if (isBroken) break
    }
  }
  const early = /^model.update must follow .* none was called, calls ended early, or a step has/
  await run(true)
  await expectRefusal(() => model.update(), early)
  // What an update would have taken before is lost with them.
  await run(false)
  await run(true)
  await expectRefusal(() => model.update(), early)
  await run(false)
  await model.update()
  await model.prepare({ method: 'sltt', update: 'everyStep' })
  await run(false)
  await expectRefusal(() => model.update(), /\(with update 'everyStep' each call\); call/)
})

test('online methods have calls, others have not; nobody runs the model in between', async () => {
  const model = await compiled({})
  const first = (of: api.Model) => of.calls(x).next()
  await expectRefusal(
    () => first(model),
    /calls is for methods .* this model has 'rate'; use model/,
  )
  const online = await compiled({ method: 'sltt' })
  await expectRefusal(
    () => online.forward(x),
    /model.forward: method 'sltt' goes back in each call/,
  )
  const calls = online.calls(x)
  const { value: call } = await calls.next()
  if (!call) throw new Error('no call')
  const zeros = (call.outputs as Float32Array).map(() => 0)
  await call.backward(zeros)
  await expectRefusal(() => call.backward(zeros), /once, before the next call/)
  await calls.next()
  await expectRefusal(() => call.backward(zeros), /once, before the next call/)
  await online.predict(x)
  await expectRefusal(() => calls.next(), /another call has used the model since/)
  await expectRefusal(() => online.calls(x, { lr: -1 }).next(), /^calls.lr must be .*got -1/)
  await expectRefusal(() => online.calls(x, { lr: 1 }).next(), /with update 'everyStep' alone/)
})

test.run()
