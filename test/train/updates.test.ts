// runs: apart
/** Steps of all optimizers against PyTorch, and what belongs to them: clipping, averages, … */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { byText } from '../../src/compile/emit/update.js'
import { defineOptimizer, optimizerKind } from '../../src/compile/optimizer-kind.js'
import * as api from '../../src/index.js'
import { named } from '../../src/network/optimizer.js'
import { type Snapshot, snapshotOf } from '../../src/train/snapshot.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits, labels, norm as normOf, uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { compileToy as compileToyOf, toy, toyClasses, toyShape } from '../support/toy.js'
import { collect, leastOf, watched } from '../support/trainings.js'

interface Fixture {
  readonly options: {
    readonly kind: api.Optimizer['kind']
    readonly fit?: api.FitOptions
    readonly schedule?: boolean
    readonly batch?: number
  }
  readonly parameters: Readonly<Record<string, number[]>>
  readonly averages?: Readonly<Record<string, number[]>>
  readonly norms?: readonly number[]
}
const file = new URL('../../../test/fixtures/optimizers.json', import.meta.url)
const fixtures = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Fixture>

/** The formula of test/fixtures/optimizers.py. */
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => ((i * 7919 + seed * 104729 + i * i * 31) % 4096) / 4096 - 0.5,
  )

function expectNear(what: string, found: ArrayLike<number>, wanted: readonly number[]): void {
  const most = Math.max(...wanted.map(Math.abs))
  wanted.forEach((value, i) => {
    const apart = Math.abs(found[i] - value) / most
    assert.ok(apart <= 1e-5, `${what}[${i}] is ${found[i]}, PyTorch has ${value}`)
  })
}

for (const [name, fixture] of Object.entries(fixtures))
  test(`${name}: 100 steps as PyTorch makes them`, async () => {
    const { kind, fit, schedule, batch = 12, ...options } = fixture.options
    const of = { input: [12, 1, 1], batchSize: batch, timeSteps: 1 } as const
    const model = await compileNet('flatten, linear 8, linear 5', of)
    const start = Object.entries(model.stateDict()).map(
      ([key, { shape, data }], i) => [key, { shape, data: numbers(data.length, i + 1) }] as const,
    )
    model.loadStateDict(Object.fromEntries(start))
    const images = numbers(12 * 12, 9).map((v) => v * 4)
    const labels = Array.from({ length: 12 }, (_, i) => (i * 7) % 5)
    const norms: number[] = []
    await model.fit(api.fromArrays({ images, labels, shape: [12, 1, 1], classes: 5 }), {
      ...fit,
      epochs: 100,
      optimizer: optimizerKind(kind).make(options),
      schedule: (epoch) => (schedule ? 1 / (1 + epoch / 50) : 1),
      onStep: ({ epoch, gradientNorm }) =>
        gradientNorm !== undefined && epoch % 10 === 0 && norms.push(gradientNorm),
    })
    for (const [key, wanted] of Object.entries(fixture.parameters))
      expectNear(key, model.stateDict()[key].data, wanted)
    for (const [key, wanted] of Object.entries(fixture.averages ?? {}))
      expectNear(`average of ${key}`, model.averages()[key].data, wanted)
    expectNear('norms', norms, [...(fixture.norms ?? [])])
  })

test('a text that is the rule of adam makes its steps', () => {
  const known = optimizerKind('adam')
  const emit = byText(`g = g + decay*p
    exp_avg = beta1*exp_avg + (1 - beta1)*g
    exp_avg_sq = beta2*exp_avg_sq + (1 - beta2)*g^2
    p = p - lr*correction1*exp_avg/(sqrt(exp_avg_sq*correction2) + eps)`)
  const of = { ...known, rule: 'adamText', emit } as never
  const make = defineOptimizer<api.Adam, api.AdamOptions>('adamText' as 'adam', of)
  const rule: api.AdamOptions = { betas: [0.6, 0.9], eps: 0.01, weightDecay: 0.1 }
  const plans = [api.adam(rule), make(rule)].map((optimizer) =>
    api.ops.update.plan({ shape: [50], optimizer }),
  )
  const arrays = plans.map(() => [1, 0, 0, 0].map((of, i) => uniform(50, of, i)))
  for (let step = 1; step < 5; step++)
    for (const [i, plan] of plans.entries()) {
      const [p, , m, v] = arrays[i]
      plan.run(p, uniform(50, 2, step), m, v, { step, lr: 0.5 / step })
    }
  assert.equal(
    plans.map(({ kernels }) => kernels[1]),
    ['Adam', 'RuleStep'],
  )
  for (const i of [0, 2, 3]) expectNear(`${i}`, arrays[1][i], [...arrays[0][i]])
})

const train = toy(43, 1).data
const other = toy(21, 2).data

const compileToy = (
  options: Partial<api.CompileOptions> = {},
  normed = true,
): Promise<api.Model> => {
  const [norm, drop] = normed ? ['norm, ', 'dropout 0.2, '] : ['', '']
  const text = `conv 9 3 padding=1 bias=true, ${norm}lif, ${drop}flatten, linear 17, lif, linear 4`
  return compileToyOf(options, text)
}

test("a group's weight decay holds for biases, which the optimizer's own leaves alone", async () => {
  const after: { weight: number; bias: number }[] = []
  const plain = { lr: 0.5, momentum: 0 }
  for (const optimizer of [
    api.sgd(plain),
    api.sgd({ ...plain, weightDecay: 0.25 }),
    api.sgd({ ...plain, groups: [{ params: '*.bias', weightDecay: 0.25 }] }),
  ]) {
    const model = await compileToy({ optimizer, batchSize: 2 }, false)
    const state = model.stateDict()
    for (const { data } of Object.values(state)) data.fill(1)
    model.loadStateDict(state)
    await model.trainStep(new Float32Array(2 * 60).fill(1), [0, 1])
    const [weight, bias] = ['0.weight', '0.bias'].map((name) => model.stateDict()[name].data[0])
    after.push({ weight, bias })
    await model.dispose()
  }
  const [none, all, group] = after
  assert.is(all.bias, none.bias)
  assert.is(all.weight, Math.fround(none.weight - 0.125))
  assert.is(group.weight, none.weight)
  assert.is(group.bias, Math.fround(none.bias - 0.125))
})

/** The greatest difference, of the greatest number. */
function apart(a: api.StateDict, b: api.StateDict): number {
  const rows = Object.keys(a).map((name) => {
    const [x, y] = [a[name].data, b[name].data]
    return Math.max(...x.map((v, i) => Math.abs(v - y[i]))) / Math.max(...x.map(Math.abs))
  })
  return Math.max(...rows)
}

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: k batches of B give what one batch of k·B gives`, async () => {
    const data = toy(32, 4).data
    const options = { epochs: 4, optimizer: api.sgd({ lr: 0.1 }) }
    const [one, four, other] = await Promise.all(
      [16, 4, 4].map((batchSize) => compileToy({ batchSize, method }, false)),
    )
    await one.fit(data, { ...options, clipNorm: 1 })
    // The order of an epoch is the same, and so are the samples of a step.
    await four.fit(data, { ...options, clipNorm: 1, accumulate: 4 })
    await other.fit(data, options)
    assert.ok(apart(one.stateDict(), four.stateDict()) < 1e-5)
    assert.ok(apart(one.stateDict(), other.stateDict()) > 1e-3, 'it makes a difference')
  })

test('the last batches of an epoch make a step, however few', async () => {
  const model = await compileToy()
  const norms: boolean[] = []
  await model.fit(train, {
    accumulate: 3,
    clipNorm: 1,
    onStep: ({ gradientNorm }) => norms.push(gradientNorm !== undefined),
  })
  assert.equal(norms, [false, false, true, false, true])
})

test('averages: validation, the best weights and the folder use them; parameters stay', () =>
  withFolder(async (folder) => {
    const [plain, model, probe] = [await compileToy(), await compileToy(), await compileToy()]
    const options: api.FitOptions = { epochs: 2, optimizer: api.adam({ lr: 0.01 }) }
    await expectRefusal(() => model.averages(), /keeps no moving average; call fit with/)
    await plain.fit(train, options)
    const dir = join(folder, 'run')
    const { epochs } = await model.fit(train, {
      ...options,
      ema: 0.9,
      validation: other,
      callbacks: [api.checkpoint({ dir })],
    })
    expectSameBits('parameters', plain.stateDict(), model.stateDict())
    const saved = await own(api.loadModel(join(dir, 'weights.safetensors')))
    expectSameBits('the folder', model.averages(), saved.stateDict())
    probe.loadStateDict(model.averages())
    const { loss, accuracy } = await probe.evaluate(other)
    const { testLoss, testAccuracy } = epochs[1]
    assert.equal([testLoss, testAccuracy], [loss, accuracy])
    assert.is.not((await model.evaluate(other)).loss, loss)
    // Without ema it goes on, and keeps none.
    await model.fit(train, options)
    await expectRefusal(() => model.averages(), /no moving average/)
  }))

test('evaluate, predict and save with averages: as a model of them; parameters stay', () =>
  withFolder(async (folder) => {
    const [model, probe] = [await compileToy(), await compileToy()]
    const path = join(folder, 'averages.safetensors')
    const { images } = toy(9, 3)
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      evaluate: () => model.evaluate(other, { averages: true }),
      predict: () => model.predict(images, { averages: true }),
      save: () => model.save(path, {}, { averages: true }),
    }
    for (const [name, call] of Object.entries(calls))
      assert.is(
        await messageOf(call),
        `${name}.averages must be left out: the model keeps no moving average; call fit with ` +
          'ema, as in fit(data, { ema: 0.999 })',
      )
    await model.fit(train, { ema: 0.9 })
    const before = model.stateDict()
    probe.loadStateDict(model.averages())
    assert.equal(await calls.evaluate(), await probe.evaluate(other))
    // A batch, and one that runs alone.
    assert.equal(await calls.predict(), await probe.predict(images))
    await calls.save()
    const saved = await own(api.loadModel(path))
    expectSameBits('saved', saved.stateDict(), probe.stateDict())
    const failing = watched(other, (index) => {
      // While the averages are in their place.
      expectSameBits('amid', model.stateDict(), before)
      if (index === 9) throw new Error('the disk is gone')
    })
    const failed = await messageOf(() => model.evaluate(failing, { averages: true }))
    assert.is(failed, 'the disk is gone')
    assert.is(
      await messageOf(() => model.predict(images, { averages: 1 } as object)),
      'predict.averages must be true or false, got 1',
    )
    expectSameBits('parameters', model.stateDict(), before)
  }))

test('best.safetensors holds the averages of the best epoch, and restoreBest brings them back', () =>
  withFolder(async (folder) => {
    const dir = join(folder, 'run')
    const seen: { model: api.StateDict; averages: api.StateDict }[] = []
    const options: api.FitOptions = {
      epochs: 9,
      optimizer: api.sgd({ lr: 0.1, momentum: 0 }),
      // A learning rate that ruins the network after some epochs.
      schedule: (epoch) => (epoch < 2 ? 1 : 3000),
      ema: 0.5,
      validation: other,
    }
    const early = { patience: 2, restoreBest: true, monitor: 'testLoss' } as const
    const model = await compileToy({}, false)
    const { callback, files } = collect()
    const onEpoch = () => void seen.push({ model: model.stateDict(), averages: model.averages() })
    const history = await model.fit(train, {
      ...options,
      callbacks: [api.checkpoint({ dir, monitor: 'testLoss' }), api.earlyStopping(early), callback],
      onEpoch,
    })
    const losses = history.epochs.map(({ testLoss }) => testLoss as number)
    const best = leastOf(losses)
    assert.ok(best < losses.length - 1 && history.stopped !== undefined, losses.join())
    assert.not.equal(seen[best].averages, seen[best].model)
    const saved = await own(api.loadModel(join(dir, 'best.safetensors'), { batchSize: 8 }))
    expectSameBits('best.safetensors', seen[best].averages, saved.stateDict())
    assert.is((await saved.evaluate(other)).loss, losses[best])
    expectSameBits('parameters', seen[best].model, model.stateDict())
    expectSameBits('averages', seen[best].averages, model.averages())
    // From each checkpoint too.
    for (const [at, file] of files.entries()) {
      const again = await compileToy({}, false)
      const resume = await file()
      await again.fit(train, { ...options, resume, callbacks: [api.earlyStopping(early)] })
      expectSameBits(`parameters, ${at}`, seen[best].model, again.stateDict())
      expectSameBits(`averages, ${at}`, seen[best].averages, again.averages())
      await again.dispose()
    }
  }))

test('averages with a step within each time step take every one of them', async () => {
  // Images of zeros: the first weight decays by one factor in each step, and does nothing else.
  const options = { method: 'sltt', update: 'everyStep', batchSize: 4 } as const
  const model = await compileToyOf(options, 'flatten, linear 9, lif, linear 4')
  const before = model.stateDict()['1.weight'].data
  const images = new Float32Array(8 * 60)
  const data = api.fromArrays({ images, labels: labels(8, 4, 1), shape: toyShape, classes: 4 })
  const optimizer = api.sgd({ lr: 0.5, momentum: 0, weightDecay: 0.2 })
  await model.fit(data, { optimizer, ema: 0.75 })
  // Two batches of three steps.
  let [share, average] = [1, 0]
  for (let step = 1; step <= 6; step++) {
    share *= 0.9
    average = step === 1 ? share : 0.75 * average + 0.25 * share
  }
  const [now, averaged] = [model.stateDict(), model.averages()].map((of) => of['1.weight'].data)
  expectNear('parameters', now, [...before.map((x) => share * x)])
  expectNear('averages', averaged, [...before.map((x) => average * x)])
})

test('trainStep follows the optimizer and clips', async () => {
  const model = await compileToy({ method: 'bptt' }, false)
  const [x, y] = [uniform(8 * 60, 1, 1), labels(8, toyClasses, 1)]
  await model.trainStep(x, y, { update: false })
  const all = (state: api.StateDict): number[] =>
    Object.keys(model.gradients()).flatMap((name) => [...state[name].data])
  const norm = normOf(all(model.gradients()))
  model.optimizer = api.sgd({ lr: 1, momentum: 0 })
  const before = model.stateDict()
  const length = (a: api.StateDict, b: api.StateDict): number => {
    const to = all(b)
    return normOf(all(a).map((v, i) => v - to[i]))
  }
  const clipped = await model.trainStep(x, y, { clipNorm: norm / 4 })
  assert.ok(Math.abs((clipped.gradientNorm ?? 0) / norm - 1) < 1e-3, `${clipped.gradientNorm}`)
  assert.ok(Math.abs(length(before, model.stateDict()) / (norm / 4) - 1) < 1e-3)
  const small = await model.trainStep(x, y)
  assert.is(small.gradientNorm, undefined)
  // A step of Adam has the length of its learning rate in each parameter.
  model.optimizer = api.adam({ lr: 0.25, eps: 1e-30 })
  const from = model.stateDict()
  await model.trainStep(x, y)
  for (const [name, { data }] of Object.entries(model.gradients()))
    data.forEach((g, i) => {
      const step = from[name].data[i] - model.stateDict()[name].data[i]
      if (Math.abs(g) > 1e-12) assert.ok(Math.abs(step - 0.25 * Math.sign(g)) < 1e-4, name)
      if (g === 0) assert.is(step, 0)
    })
})

test('a step within each time step: powers of betas count all of them', async () => {
  const options = { optimizer: api.adamW({ lr: 0.01, betas: [0.5, 0.75] }), clipNorm: 0.01 }
  const [one, all] = [
    await compileToy({ method: 'sltt', update: 'everyStep' }),
    await compileToy({ method: 'sltt' }),
  ]
  const powers = async (model: api.Model): Promise<readonly number[] | undefined> => {
    let found: Snapshot | undefined
    const onFitEnd: api.Callback['onFitEnd'] = (_, training) => {
      found = snapshotOf(training)
    }
    await model.fit(train, { ...options, callbacks: [{ name: 'last', onFitEnd }] })
    return found?.about.optimizer?.powers
  }
  assert.equal(await powers(one), [0.5 ** 15, 0.75 ** 15])
  assert.equal(await powers(all), [0.5 ** 5, 0.75 ** 5])
})

test('a norm that is not finite is an error; parameters stay', async () => {
  const of = { input: [1, 2, 3], batchSize: 4, timeSteps: 2 } as const
  const model = await compileNet('flatten, linear 4, linear 2', of)
  // The first feature is huge and has no weight yet: its gradient, 20 times as large, overflows.
  const images = Float32Array.from({ length: 24 }, (_, i) => (i % 6 === 0 ? 3e38 : 1))
  const data = api.fromArrays({ images, labels: [0, 0, 0, 1], shape: [1, 2, 3], classes: 2 })
  const start = Object.entries(model.stateDict()).map(([name, { shape, data }]) => {
    const value = (i: number): number =>
      name === '2.weight' ? (i < 4 ? 10 : -10) : name === '1.weight' && i % 6 === 0 ? 0 : 1e-3
    return [name, { shape, data: data.map((_, i) => value(i)) }]
  })
  model.loadStateDict(Object.fromEntries(start))
  const before = model.stateDict()
  for (const more of [{ clipNorm: 1 }, { clipNorm: 1, accumulate: 2, ema: 0.5 }]) {
    const message = await messageOf(() =>
      model.fit(data, { optimizer: api.adam({ lr: 1 }), epochs: 3, fresh: true, ...more }),
    )
    assert.match(message, /^step 1 of epoch 1: a gradient is not finite; it shows first in layer 1/)
    expectSameBits('parameters', before, model.stateDict())
  }
})

test('update: false leaves parameters and momentum alone, and gives the same gradients', async () => {
  const options = { input: [3, 4, 5], batchSize: 6 } as const
  const model = await compileNet('flatten, linear 20, lif, linear 5', options)
  const [x, y] = [uniform(360, 2, 1), labels(6, 5, 1)]
  const before = model.stateDict()
  const dry = await model.trainStep(x, y, { update: false })
  const gradients = model.gradients()
  assert.equal(model.stateDict(), before)
  const wet = await model.trainStep(x, y)
  assert.equal(wet, dry)
  assert.equal(model.gradients(), gradients)
  assert.not.equal(model.stateDict(), before)
})

test('names: stars stand for any characters, as a regular expression says', () => {
  const all = ['', 'a', 'ab', 'aab', 'a.b', 'ab.a', 'b.a.b', 'aba', 'abab.b', 'b*', 'x(a)']
  const patterns = [
    '*',
    'a*',
    '*a',
    'a*b',
    '*a*',
    '*b*a*',
    'a**b',
    'ab*ab',
    'a',
    'a*a',
    'b*',
    '*.b',
  ]
  for (const pattern of patterns) {
    const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'))
    const wanted = new RegExp(`^${parts.join('.*')}(\\..*)?$`)
    assert.equal(
      named('freeze', pattern, all),
      all.filter((name) => wanted.test(name)),
      pattern,
    )
  }
  // With backtracking it would not end.
  const long = 'a'.repeat(4000)
  assert.throws(() => named('freeze', `${'*a'.repeat(20)}*b`, [long]), /^freeze must name what/)
})

test('what cannot be is refused by name, and changes nothing', async () => {
  const model = await compileToy({ method: 'ottt', update: 'everyStep' })
  const before = model.stateDict()
  const of = (options: api.FitOptions): Promise<string> =>
    messageOf(() => model.fit(train, options))
  assert.match(await of({ accumulate: 2 }), /^fit.accumulate needs update 'afterwards', got/)
  assert.match(await of({ freeze: 'nothing' }), /^fit.freeze must name what the network has, got/)
  const groups = [{ params: ['0.*', 'none'] }]
  assert.match(
    await of({ optimizer: api.adam({ groups }) }),
    /^adam.groups\[0\].params must name what the network has, got "none"; there are 0.weight,/,
  )
  assert.throws(() => {
    model.optimizer = api.sgd({ groups })
  }, /^sgd.groups\[0\].params must name what/)
  assert.throws(() => {
    model.optimizer = { ...api.adam(), betas: [1, 1] } as api.Adam
  }, /betas must be two numbers in 0…1/)
  const [x, y] = [uniform(8 * 60, 1, 1), labels(8, toyClasses, 1)]
  assert.is(
    await messageOf(() => model.trainStep(x, y, { clipNorm: -1 })),
    'trainStep.clipNorm must be > 0, got -1; leave it out to clip nothing',
  )
  expectSameBits('nothing changed', before, model.stateDict())
})

test.run()
