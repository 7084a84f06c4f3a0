/** Whole numbers are those of the parameters, by whatever these change. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { unpackIntegers } from '../../src/compile/layout.js'
import * as api from '../../src/index.js'
import { fitRounds } from '../../src/scale/index.js'
import { withFolder } from '../files/temporary.js'
import { integerTypes, mostOf, quantised, rounded } from '../support/integers.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileToy as compileToyOf, toy } from '../support/toy.js'

const { data, images, labels } = toy(40, 1)
const [x, y] = [images.subarray(0, 480), labels.slice(0, 8)]
const sgd = api.sgd({ lr: 0.5 })
const text = `conv 9 3 padding=1, norm, lif vThreshold=0.3, conv 8 3 standardise=true bias=false,
  lif vThreshold=0.3, flatten, linear 4`

const compileToy = (options: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileToyOf({ weights: 'int8', optimizer: sgd, ...options }, text)

/** Whether a model gives the bits of a new one with its state: outputs, and gradients of a step. */
async function expectPrepared(
  model: api.Model,
  options: Partial<api.CompileOptions>,
): Promise<void> {
  const { method, stepMode } = model
  const fresh = await compileToy({ ...options, method, stepMode, threads: 1 })
  fresh.loadStateDict(model.stateDict())
  // Numbers before any other program has run.
  assert.equal((await model.predict(x)).logits, (await fresh.predict(x)).logits)
  assert.equal(
    (await model.predict(x.subarray(0, 60))).logits,
    (await fresh.predict(x.subarray(0, 60))).logits,
  )
  if (options.purpose === 'inference') return
  for (const of of [model, fresh]) await of.trainStep(x, y, { update: false })
  expectSameBits('gradients', model.gradients(), fresh.gradients())
}

/** A state that moves every number. */
const otherState = (model: api.Model): api.StateDict =>
  Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, { shape, data }], i) => {
      const noise = uniform(data.length, 0.2, i + 1)
      return [
        name,
        {
          shape,
          data: data.map((w, k) => w + (name.endsWith('var') ? Math.abs(noise[k]) : noise[k])),
        },
      ]
    }),
  )

type Way = (model: api.Model, folder: string) => unknown
const ownLoss = api.custom(({ outputs }) => ({
  loss: 1,
  gradient: (outputs as Float32Array).map((v) => v - 0.5),
}))
const ways: Readonly<Record<string, readonly [Way, Partial<api.CompileOptions>?]>> = {
  'nothing yet': [() => undefined],
  'a step': [(model) => model.trainStep(x, y)],
  'a step of two threads': [(model) => model.trainStep(x, y), { threads: 2 }],
  'a step that moves at each time step': [
    (model) => model.trainStep(x, y),
    { method: 'sltt', update: 'everyStep' },
  ],
  'passes one by one': [
    async (model) => {
      const outputs = await model.forward(x)
      await model.backward(outputs.map((v) => v - 0.5))
      await model.update({ lr: 0.5 })
    },
  ],
  'calls that each move': [
    async (model) => {
      for await (const call of model.calls(x, { lr: 0.5 }))
        await call.backward((call.outputs as Float32Array).map((v) => v - 0.5))
    },
    { method: 'sltt', update: 'everyStep' },
  ],
  'fit, accumulated, clipped, averaged': [
    (model) => model.fit(data, { epochs: 2, accumulate: 2, clipNorm: 1, ema: 0.5, optimizer: sgd }),
  ],
  'evaluation with averages': [
    async (model) => {
      await model.fit(data, { ema: 0.9, optimizer: sgd })
      await model.evaluate(data, { averages: true })
    },
  ],
  'fit of some weights': [(model) => model.fit(data, { freeze: ['3.*'], optimizer: sgd })],
  'fit by another method': [(model) => model.fit(data, { method: 'bptt', optimizer: sgd })],
  'an own loss': [(model) => model.fit(data, { optimizer: sgd }), { loss: ownLoss }],
  'another method': [(model) => model.prepare({ method: 'bptt', stepMode: 's' })],
  'a state': [(model) => model.loadStateDict(otherState(model))],
  'a state, for inference': [
    (model) => model.loadStateDict(otherState(model)),
    { purpose: 'inference' },
  ],
  'a file': [
    async (model, folder) => {
      const path = join(folder, 'weights.safetensors')
      const other = await compileToy({ seed: 5 })
      await other.save(path)
      await model.load(path)
    },
  ],
  'a checkpoint': [
    async (model, folder) => {
      const path = join(folder, 'checkpoint.safetensors')
      await model.saveCheckpoint(path)
      await model.trainStep(x, y)
      await model.loadCheckpoint(path)
    },
  ],
  'the best weights': [
    (model) =>
      model.fit(data, {
        epochs: 3,
        optimizer: api.sgd({ lr: 5 }),
        validation: data,
        callbacks: [api.earlyStopping({ patience: 1, restoreBest: true })],
      }),
  ],
  'an optimizer that forgets': [
    async (model) => {
      await model.trainStep(x, y)
      model.resetOptimizer()
      await model.trainStep(x, y)
    },
  ],
  'a profile': [
    async (model) => {
      await model.trainStep(x, y)
      await model.profile(2)
    },
  ],
  rounds: [
    (model) => {
      const rounds = { replicas: 2, syncEvery: 2, outerLr: 1, outerMomentum: 0 }
      return fitRounds(model, data, { optimizer: sgd, rounds })
    },
  ],
}

for (const [name, [change, options = {}]] of Object.entries(ways))
  test(`behind ${name}: the bits of a new model with these parameters`, () =>
    withFolder(async (folder) => {
      const model = await compileToy(options)
      assert.equal(
        model.session.plan.integers.map((of) => of.name),
        ['3.weight', '6.weight'],
      )
      // Programs have seen the parameters before.
      await model.predict(x)
      if (options.purpose !== 'inference') await model.trainStep(x, y)
      await change(model, folder)
      await expectPrepared(model, options)
    }))

test('a step that fails leaves the whole numbers of the parameters that it leaves', async () => {
  const model = await compileToy()
  await model.trainStep(x, y, { lr: 1e38 })
  const before = model.stateDict()
  const error = await model.trainStep(x, y, { lr: 1e38 }).catch((e: Error) => e)
  assert.match((error as Error).message, /^a gradient is not finite/)
  const name = '6.weight'
  const { shape, data } = model.stateDict()[name]
  assert.not.equal(data, before[name].data)
  const { session } = model
  const { layout, weight, scale } = session.plan.integers.find((of) => of.name === name)!
  const stored = new Int8Array(session.memory.buffer, weight.address, weight.bytes)
  const scales = new Float32Array(session.memory.buffer, scale.address, shape[0])
  const wanted = quantised(data, shape[0], mostOf.int8)
  assert.equal([...unpackIntegers(layout, stored, mostOf.int8)], wanted.values)
  assert.equal([...scales], wanted.scales)
})

test('a stream goes on with other weights', async () => {
  const options = { purpose: 'stream', stepMode: 's', batchSize: 8 } as const
  const [model, fresh] = await Promise.all([compileToy(options), compileToy(options)])
  const state = otherState(model)
  await model.step(x)
  model.loadStateDict(state)
  model.reset()
  fresh.loadStateDict(state)
  assert.equal((await model.step(x)).logits, (await fresh.step(x)).logits)
})

test('evaluation with averages has the whole numbers of the averages', async () => {
  const model = await compileToy()
  await model.fit(data, { epochs: 2, ema: 0.9, optimizer: sgd })
  const fresh = await compileToy()
  fresh.loadStateDict(model.averages())
  const found = await model.evaluate(data, { averages: true })
  assert.equal(found.loss, (await fresh.evaluate(data)).loss)
  assert.not.equal(found.loss, (await model.evaluate(data)).loss)
})

for (const weights of integerTypes)
  test(`products of ${weights} have the same whole numbers again`, async () => {
    const plain = 'conv 9 3 padding=1, lif vThreshold=0.3, conv 8 3, lif, flatten, linear 4'
    const model = await compileToyOf({ weights }, plain)
    const { integers } = model.session.plan
    const names = integers.map(({ name }) => name)
    await model.trainStep(x, y)
    const before = (await model.predict(x)).logits
    const state = model.stateDict()
    const products = rounded(state, names, mostOf[weights])
    model.loadStateDict(products)
    assert.equal((await model.predict(x)).logits, before)
    expectSameBits('products', products, rounded(products, names, mostOf[weights]))
    assert.not.equal(products['2.weight'].data, state['2.weight'].data)
  })

test.run()
