/**
 * Training with weights of whole numbers: at every step a network of floats with the products of
 * these numbers has the same spikes and gradients, whatever else a training does.
 */
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { exactScales, expectPresent, mostOf, rounded } from '../support/integers.js'
import { expectAllClose, expectSameBits } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'

type Options = Partial<api.CompileOptions>

const start = 'conv 9 3 padding=1 bias=false, norm, lif vThreshold=0.3'
const end = (more = ''): string => `flatten${more}, linear 17, lif vThreshold=0.2, linear 4`
const middle = 'conv 12 3 padding=1 bias=false, norm, lif vThreshold=0.3'
const chain = (): api.Block => netOf(toyShape, [start, middle, 'avgPool2d 2', end()].join(', '))

const { data: train, images, labels } = toy(32, 1)
const { data: other } = toy(21, 2)
const size = toyShape.reduce((a, b) => a * b, 1)
const batch = (i: number): [Float32Array, number[]] => [
  images.slice(i * 8 * size, (i + 1) * 8 * size),
  labels.slice(i * 8, (i + 1) * 8),
]

const compiled = (options: Options = {}, net = chain()): Promise<api.Model> =>
  modelOf(net, {
    input: toyShape,
    batchSize: 8,
    timeSteps: 4,
    weights: 'int8',
    optimizer: api.sgd({ lr: 0.1, momentum: 0.9 }),
    ...options,
  })

/** A model of its own with what another one has. */
async function again(model: api.Model, state = model.stateDict()): Promise<api.Model> {
  const made = await own(
    api.loadModel(model.toBytes(), { purpose: 'train', batchSize: model.batchSize }),
  )
  assert.is(made.weightType, model.weightType)
  made.loadStateDict(state)
  return made
}

const nets = {
  chain,
  pooled: () => netOf(toyShape, `${start}, avgPool2d 2, conv 12 1, lif vThreshold=0.1, ${end()}`),
  dropped: () => netOf(toyShape, `${start}, ${middle}, ${end(', dropout 0.2')}`),
  residual: () =>
    api.sequential(
      api.conv2d(2, 8, 3, { padding: 1 }),
      api.lif({ vThreshold: 0.3 }),
      api.residual(
        api.sequential(api.conv2d(8, 8, 3, { padding: 1 }), api.lif({ vThreshold: 0.3 })),
        api.identity(),
      ),
      api.conv2d(8, 8, 3, { stride: 2 }),
      api.lif({ vThreshold: 0.3 }),
      api.flatten(),
      api.linear(8 * 2 * 2, 4),
    ),
} as const

const ways: readonly (readonly [keyof typeof nets, Options])[] = [
  ['chain', {}],
  ['chain', { weights: 'int6' }],
  ['chain', { stepMode: 's' }],
  ['chain', { method: 'bptt' }],
  ['chain', { method: 'bptt', stepMode: 's', threads: 2 }],
  ['chain', { method: 'bptt', gradientCheckpoint: 'layers', timeSteps: 8 }],
  ['chain', { method: 'bptt', truncate: 2 }],
  ['chain', { method: 'ottt' }],
  ['chain', { method: 'sltt', weights: 'int6' }],
  ['chain', { method: 'sltt', backwardSteps: 2 }],
  ['chain', { method: 'os' }],
  ['chain', { inspect: true, record: true, threads: 2 }],
  ['chain', { method: 'bptt', inspect: true }],
  ['chain', { penalties: [api.ratePenalty({ weight: 0.5, target: 0.1 })] }],
  ['chain', { loss: api.mse(), inputGradient: true }],
  ['dropped', {}],
  ['dropped', { method: 'bptt' }],
  ['pooled', {}],
  ['pooled', { method: 'bptt', weights: 'int6' }],
  ['residual', {}],
  ['residual', { method: 'bptt' }],
]

for (const [net, options] of ways)
  test(`${net} ${JSON.stringify(options)}: a step is that of floats with the products`, async () => {
    const model = await compiled(options, nets[net]())
    const twin = await compiled({ ...options, weights: 'f32' }, nets[net]())
    const names = Object.keys(await model.quantised())
    assert.ok(names.length >= 2)
    const most = mostOf[model.weightType as 'int8']
    for (let step = 0; step < 3; step++) {
      const state = exactScales(model.stateDict(), names, most)
      model.loadStateDict(state)
      twin.loadStateDict(rounded(state, names, most))
      const [found, expected] = [
        await model.trainStep(...batch(step)),
        await twin.trainStep(...batch(step)),
      ]
      const rates = model.firingRates()
      assert.equal(rates, twin.firingRates(), `spikes of step ${step}`)
      assert.ok(
        Object.values(rates).every((rate) => rate > 0.01),
        JSON.stringify(rates),
      )
      assert.ok(Math.abs(found.loss - expected.loss) < 1e-6 * expected.loss)
      expectAllClose('gradient of', model.gradients(), twin.gradients(), 1e-5)
      if (options.inspect) {
        assert.equal(model.activity('2').rate, twin.activity('2').rate)
        if (model.stepMode === 'm') assert.equal(model.stepRates(), twin.stepRates())
      }
      if (options.record) assert.equal(model.spikes(5), twin.spikes(5))
      if (options.method === 'bptt' && options.inspect)
        for (const key of ['a1', 'a2'] as const)
          for (const [name, cosine] of Object.entries(twin.diagnostics()[key]))
            assert.ok(Math.abs(model.diagnostics()[key][name] - cosine) < 1e-5)
      if (options.inputGradient)
        expectAllClose(
          'gradient of the',
          { input: { data: model.inputGradient() } },
          { input: { data: twin.inputGradient() } },
          1e-5,
        )
      await expectPresent(`behind step ${step}`, model)
    }
    const { logits } = await model.predict(images)
    assert.equal(logits, (await (await again(model)).predict(images)).logits)
  })

const trainings: readonly (readonly [string, Options, api.FitOptions])[] = [
  [
    'adam by groups',
    {},
    { optimizer: api.adam({ lr: 0.02, groups: [{ params: '3.*', lr: 0.1 }] }) },
  ],
  ['every step of a few', { method: 'sltt', update: 'everyStep', backwardSteps: 2 }, {}],
  ['ottt, every step', { method: 'ottt', update: 'everyStep', weights: 'int6' }, {}],
  ['truncated', { method: 'bptt', truncate: 2, threads: 2 }, { optimizer: api.rmsprop() }],
  ['a rule', {}, { optimizer: api.rule('p = p - lr*g', { lr: 0.1 }) }],
]

for (const [name, options, fitting] of trainings)
  test(`fit (${name}): behind it whole numbers are those of the parameters`, async () => {
    const model = await compiled(options)
    const before = model.stateDict()
    await model.fit(train, { epochs: 2, optimizer: api.sgd({ lr: 0.1 }), ...fitting })
    await expectPresent('behind fit', model)
    const moved = (key: string): boolean =>
      model.stateDict()[key].data.some((w, i) => w !== before[key].data[i])
    assert.ok(moved('3.weight') && moved('8.weight'))
    const { logits } = await model.predict(images)
    assert.equal(logits, (await (await again(model)).predict(images)).logits)
  })

test('evaluation with averages computes with their whole numbers, and training goes on as before', async () => {
  const [model, undisturbed] = [await compiled(), await compiled()]
  const fitting: api.FitOptions = { optimizer: api.sgd({ lr: 0.1 }), ema: 0.8 }
  await model.fit(train, fitting)
  const averages = await again(model, model.averages())
  const measure = async (of: api.Model, options: api.EvaluateOptions): Promise<unknown[]> => {
    const { loss, accuracy, firingRates } = await of.evaluate(other, options)
    return [loss, accuracy, firingRates]
  }
  const expected = await measure(averages, {})
  assert.equal(await measure(model, { averages: true }), expected)
  assert.not.equal(await measure(model, {}), expected)
  await expectPresent('behind both', model)
  assert.equal(
    (await model.predict(images, { averages: true })).logits,
    (await averages.predict(images)).logits,
  )
  const file = await model.toBytes({}, { averages: true, quantised: true })
  const most = mostOf.int8
  const names = Object.keys(await model.quantised())
  const written = await compiled()
  await written.load(file)
  expectSameBits('the file', written.stateDict(), rounded(model.averages(), names, most))
  await expectPresent('behind the file', model)
  await model.fit(train, fitting)
  await undisturbed.fit(train, { ...fitting, epochs: 2 })
  expectSameBits('training goes on', model.stateDict(), undisturbed.stateDict())
})

/** ∂ of the cross entropy by outputs [8, classes] of one step of T. */
function gradientOf(outputs: Float32Array, y: readonly number[]): Float32Array {
  const delta = new Float32Array(outputs.length)
  for (let n = 0; n < 8; n++) {
    const row = [...outputs.subarray(n * toyClasses, (n + 1) * toyClasses)]
    const sum = row.reduce((s, v) => s + Math.exp(v), 0)
    row.forEach((v, c) => {
      delta[n * toyClasses + c] = (Math.exp(v) / sum - (c === y[n] ? 1 : 0)) / 8
    })
  }
  return delta
}

test('forward, backward and update make the same step, with whole numbers behind it', async () => {
  const model = await compiled()
  const twin = await compiled({ weights: 'f32' })
  const names = Object.keys(await model.quantised())
  const state = exactScales(model.stateDict(), names, mostOf.int8)
  model.loadStateDict(state)
  twin.loadStateDict(rounded(state, names, mostOf.int8))
  const [x, y] = batch(0)
  const outputs = await model.forward(x)
  assert.equal(outputs, await twin.forward(x))
  for (const of of [model, twin]) await of.backward(gradientOf(outputs, y))
  expectAllClose('gradient of', model.gradients(), twin.gradients(), 1e-5)
  await model.update()
  await expectPresent('behind update', model)
  const next = await model.forward(x)
  assert.not.equal(next, outputs)
  assert.equal(next, await (await again(model)).forward(x))
})

test('calls of an online method read whole numbers of the step that was made before', async () => {
  const net = netOf(toyShape, 'flatten, linear 30, lif vThreshold=0.3, linear 4')
  const options: Options = { method: 'sltt', update: 'everyStep', timeSteps: 3, weights: 'int6' }
  const [model, whole] = [await compiled(options, net), await compiled(options, net)]
  const stream = await compiled({ purpose: 'stream', weights: 'int6' }, net)
  const [x, y] = batch(0)
  let [sum, step] = [new Float32Array(8 * toyClasses), 0]
  for await (const call of model.calls(x, { lr: 2 })) {
    // The stream has had the parameters of each step so far.
    const { logits } = await stream.step(x)
    const now = logits.map((mean) => mean * (step + 1))
    const own = now.map((value, i) => value - sum[i])
    assert.ok(
      call.outputs.every((value, i) => Math.abs(value - own[i]) < 1e-5),
      `step ${step}`,
    )
    sum = now
    step++
    await call.backward(gradientOf(call.outputs, y))
    const changed = model.stateDict()
    assert.ok(changed['3.weight'].data.some((w, i) => w !== stream.stateDict()['3.weight'].data[i]))
    stream.loadStateDict(changed)
  }
  assert.is(step, 3)
  await expectPresent('behind calls', model)
  await whole.trainStep(x, y, { lr: 2 })
  await expectPresent('behind a step', whole)
})

test('operations count zeros of whole numbers', async () => {
  const model = await compiled({ weights: 'int6' })
  const { layers } = await model.evaluate(other, { operations: true }).then((e) => e.operations!)
  const { values } = (await model.quantised())['3.weight']
  const zeros = values.filter((q) => q === 0).length
  assert.ok(zeros > 0)
  assert.is(layers['3'].connectionSparsity, zeros / values.length)
  assert.is(layers['0'].connectionSparsity, 0)
})

test.run()
