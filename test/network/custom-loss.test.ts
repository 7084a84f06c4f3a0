/**
 * Losses that are functions of the user's: those of built-in losses have their bits, and what goes
 * wrong in one ends a call, not the model.
 */

import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { relativeError } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { mixture, ownLosses, small } from '../support/own-losses.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'

const network = (): api.Block =>
  netOf(toyShape, `conv 6 3 padding=1, norm, lif, flatten, dropout 0.2, linear ${toyClasses}`)

const { data, images, labels } = toy(22, 5)
const x = images.subarray(0, 8 * 60)
const y = labels.slice(0, 8)

const compiled = (more: Partial<api.CompileOptions>, net = network()): Promise<api.Model> =>
  modelOf(net, { input: toyShape, timeSteps: 4, batchSize: 8, optimizer: api.adam(), ...more })

const bitsOf = (model: api.Model): number[][] =>
  Object.values(model.stateDict()).map(({ data }) => Array.from(data))

type Row = [Partial<api.CompileOptions>, 'mean' | 'steps', api.Loss, api.CustomLoss]
const { crossEntropy, mse, tet } = ownLosses
const rows: readonly Row[] = [
  [{ method: 'rate' }, 'mean', api.crossEntropy(), crossEntropy('mean')],
  [{ method: 'rate', stepMode: 's' }, 'mean', api.mse(), mse('mean')],
  [{ method: 'bptt' }, 'mean', api.crossEntropy(), crossEntropy('mean')],
  [{ method: 'bptt', stepMode: 's' }, 'mean', api.mse(), mse('mean')],
  [{ method: 'bptt', gradientCheckpoint: 'layers' }, 'steps', api.tet(), tet('steps')],
  [{ method: 'ottt' }, 'steps', api.crossEntropy(), crossEntropy('steps', small)],
  [{ method: 'sltt', update: 'everyStep' }, 'steps', api.mse(), mse('steps')],
  [{ method: 'sltt', backwardSteps: 2 }, 'steps', api.tet(), tet('steps')],
  [{ method: 'os' }, 'steps', api.crossEntropy(), crossEntropy('steps', small)],
]

for (const [i, [method, of, builtIn, own]] of rows.entries())
  for (const [timeSteps, threads] of [
    [1 + i, 1],
    [20 - i, 2],
  ])
    test(`${builtIn.kind} as a function of the ${of}: its bits, ${JSON.stringify(method)}, T ${timeSteps}, ${threads} threads`, async () => {
      if ((method.backwardSteps ?? 0) > timeSteps) return
      const online = ['ottt', 'sltt', 'os'].includes(method.method as string)
      const fit: api.FitOptions = {
        epochs: 2,
        dropLast: false,
        clipNorm: 3,
        ema: method.update ? undefined : 0.9,
        ...(online || i % 2 ? {} : { accumulate: 2 }),
      }
      const results = []
      for (const loss of [builtIn, own]) {
        const model = await compiled({ ...method, timeSteps, threads, loss })
        const { epochs } = await model.fit(data, fit)
        const found = await model.evaluate(data)
        results.push({ bits: bitsOf(model), epochs, found })
      }
      const [theirs, ours] = results
      assert.equal(ours.bits, theirs.bits)
      assert.is(ours.epochs[1].trainAccuracy === undefined, false)
      assert.ok(Math.abs(ours.epochs[1].trainLoss - theirs.epochs[1].trainLoss) < 1e-6)
      if (builtIn.kind !== 'tet' || of === 'steps')
        if (!online)
          assert.ok(Math.abs(ours.found.loss - theirs.found.loss) < 1e-6 || of === 'steps')
    })

test('a function is told targets, sizes, and which samples count, in copies', async () => {
  const seen: api.LossBatch<3>[] = []
  const loss = api.custom<3>(
    async (batch) => {
      seen.push(batch)
      await undefined
      const { outputs } = batch
      return { loss: 1, gradient: (outputs as Float32Array).map(() => 0) }
    },
    { targets: 3 },
  )
  const wanted = Float32Array.from({ length: 22 * 3 }, (_, i) => i)
  const model = await compiled({ loss })
  const targets = api.fromArrays({ images, targets: wanted, shape: toyShape })
  const { epochs } = await model.fit(targets, { dropLast: false })
  assert.is(epochs[0].trainAccuracy, undefined)
  assert.equal(
    seen.map(({ valid }) => valid),
    [8, 8, 6],
  )
  assert.equal(seen[0].shape, [8, toyClasses])
  assert.is(seen[0].targets.length, 24)
  const { accuracy, meanAbsoluteError } = await model.evaluate(targets)
  assert.equal([accuracy, meanAbsoluteError], [undefined, undefined])
  await expectRefusal(() => model.fit(data), /has labels alone, the loss custom\(\) needs targets/)
  const before = bitsOf(model)
  seen.length = 0
  await model.trainStep(x, wanted.subarray(0, 24), { update: false })
  for (const array of [seen[0].outputs as Float32Array, seen[0].targets]) array.fill(7)
  assert.is((await model.trainStep(x, wanted.subarray(0, 24))).loss, 1)
  assert.equal(Array.from(seen[1].targets), Array.from(wanted.subarray(0, 24)))
  assert.equal(bitsOf(model)[0], before[0])
})

test('labels of a function need not be classes of the outputs', async () => {
  const largest: number[] = []
  const loss = api.custom(({ outputs, targets }) => {
    largest.push(Math.max(...targets))
    return { loss: 0, gradient: (outputs as Float32Array).map(() => 0) }
  })
  const many = api.fromArrays({
    images,
    labels: labels.map((_, i) => i),
    shape: toyShape,
    classes: 22,
  })
  const model = await compiled({ loss })
  await model.fit(many)
  assert.ok(Math.max(...largest) > toyClasses)
})

const twoOutputs = (width = 12): api.Block =>
  api.block(
    {
      body: netOf(toyShape, `flatten, linear ${width}, lif`),
      early: api.linear(width, toyClasses),
      last: api.linear(width, toyClasses),
    },
    ({ body, early, last }, given) => {
      const inside = body(given)
      return { early: early(inside), last: last(inside) }
    },
  )

test('several outputs: records by name, in training and evaluation', async () => {
  type Batch = api.LossBatch<'labels', Record<string, Float32Array>>
  const loss = api.custom(({ outputs, ...rest }: Batch) => {
    const { early, last } = outputs
    const of = (outputs: Float32Array) => mixture({ ...rest, outputs }, { m: 0, wanted: () => 0 })
    const [a, b] = [of(early), of(last)]
    return {
      loss: a.loss + b.loss,
      gradient: { early: a.gradient, last: b.gradient },
      correct: b.correct,
    }
  })
  const alpha = api.selfDistillation({ alpha: 1, beta: 0 })
  const results = []
  for (const one of [alpha, loss]) {
    const model = await compiled({ loss: one, method: 'bptt', optimizer: api.sgd() }, twoOutputs())
    await model.fit(data, { epochs: 2 })
    results.push({ bits: bitsOf(model).flat(), found: await model.evaluate(data) })
  }
  const [theirs, ours] = results.map(({ bits }) => bits)
  assert.ok(relativeError(Float32Array.from(ours), Float32Array.from(theirs)) < 1e-6)
  assert.is(results[1].found.accuracy, results[0].found.accuracy)
  assert.ok(results[1].found.loss > results[0].found.loss)
})

for (const [timeSteps, of, more] of [
  [11, 'mean', { method: 'rate', stepMode: 's' }],
  [300, 'mean', { method: 'bptt', stepMode: 's' }],
  [7, 'steps', { method: 'bptt' }],
  [7, 'steps', { method: 'ottt' }],
  [5, 'steps', { method: 'sltt', update: 'everyStep' }],
] as const)
  test(`several outputs in calls: each is what it is as the last one, ${more.method}, T ${timeSteps}`, async () => {
    const told: Readonly<Record<string, Float32Array>>[] = []
    const evaluate: api.LossFunction<'labels', Record<string, Float32Array>> = ({ outputs }) => {
      told.push(outputs)
      const gradient = Object.entries(outputs).map(([name, z]) => [name, z.map(() => 0)] as const)
      return { loss: 1, gradient: Object.fromEntries(gradient) }
    }
    const loss = api.custom(evaluate, { of })
    const eight = api.subset(data, 8)
    for (const purpose of ['train', 'inference'] as const) {
      const model = await compiled({ ...more, timeSteps, loss, purpose }, twoOutputs())
      told.length = 0
      await model.evaluate(eight)
      // No gradient, so that all steps have these weights.
      if (purpose === 'train') await model.trainStep(x, y)
      const { logits } = await model.predict(x)
      const [{ early, last }, ...calls] = told
      const trained = Float32Array.from(calls.flatMap((call) => Array.from(call.early)))
      if (purpose === 'train') assert.ok(relativeError(trained, early) < 1e-5)
      const meanOf = (all: Float32Array): Float32Array =>
        logits.map((_, i) => {
          let sum = 0
          for (let at = i; at < all.length; at += logits.length) sum += all[at]
          return (sum * logits.length) / all.length
        })
      assert.ok(relativeError(meanOf(last), logits) < 1e-5)
      const { 'early.weight': weight, 'early.bias': bias, ...others } = model.stateDict()
      model.loadStateDict({
        ...others,
        'early.weight': others['last.weight'],
        'early.bias': others['last.bias'],
        'last.weight': weight,
        'last.bias': bias,
      })
      assert.ok(relativeError(meanOf(early), (await model.predict(x)).logits) < 1e-5)
    }
  })

test('outputs of a batch that runs in groups of images have room for all of them', async () => {
  const loss = api.custom(({ outputs }) => ({ loss: 0, gradient: outputs }), { of: 'steps' })
  const method = { method: 'bptt', purpose: 'inference', batchSize: 512 } as const
  const { plan } = (await compiled({ ...method, loss }, twoOutputs(1024))).session
  assert.ok(plan.passes > 1)
  for (const { mean, logits, stored } of plan.programs.evaluate?.outputs?.[0] ?? []) {
    assert.ok(mean.bytes >= 512 * stored * 4)
    assert.ok(logits.bytes >= 512 * 4 * stored * 4)
  }
})

test('a program that is worth one thread alone: a loss function runs in its turn', async () => {
  const all = process.env.SPIKEWASM_ALL_THREADS
  const results = []
  try {
    for (const threads of [1, 2]) {
      // With its threads, which then have nothing to do.
      process.env.SPIKEWASM_ALL_THREADS = '1'
      const model = await compiled({ threads, loss: crossEntropy('mean') })
      process.env.SPIKEWASM_ALL_THREADS = '0'
      assert.is(model.session.workersOf('train'), 1)
      await model.trainStep(x, y)
      results.push(bitsOf(model))
    }
  } finally {
    process.env.SPIKEWASM_ALL_THREADS = all
  }
  assert.equal(results[1], results[0])
})

for (const [batchSize, timeSteps, more] of [
  [16, 4, {}],
  [32, 300, { method: 'bptt', stepMode: 's' }],
  [8, 6, { method: 'ottt' }],
] as const)
  test(`evaluation in groups of images and calls: ${batchSize} of T ${timeSteps}`, async () => {
    const shapes: (readonly number[])[] = []
    const outputsOf: Float32Array[] = []
    const of = more === undefined ? 'mean' : 'steps'
    const loss = api.custom(
      ({ outputs, shape }) => {
        shapes.push(shape)
        outputsOf.push(outputs as Float32Array)
        return { loss: 0.5, gradient: outputs as Float32Array }
      },
      { of: 'method' in more ? of : 'mean' },
    )
    const model = await compiled({ purpose: 'inference', batchSize, timeSteps, loss, ...more })
    assert.is((await model.evaluate(data, { operations: false })).loss, 0.5)
    const { logits } = await model.predict(images.subarray(0, Math.min(1320, batchSize * 60)))
    const [steps, B, C] = shapes[0].length === 3 ? shapes[0] : [1, ...shapes[0]]
    assert.equal([steps, B, C], ['method' in more ? timeSteps : 1, batchSize, toyClasses])
    for (let b = 0; b < Math.min(22, batchSize); b++)
      for (let c = 0; c < C; c++) {
        let mean = 0
        for (let t = 0; t < steps; t++) mean += outputsOf[0][(t * B + b) * C + c] / steps
        assert.ok(Math.abs(mean - logits[b * C + c]) < 1e-5)
      }
  })

const mistakes: readonly [string, api.LossFunction, RegExp][] = [
  [
    'throws',
    function throws() {
      throw new TypeError('mine')
    },
    /^mine$/,
  ],
  ['gives nothing', (() => undefined) as never, /loss custom\(.*\) must give \{ loss, gradient \}/],
  [
    'gives another length',
    () => ({ loss: 1, gradient: new Float32Array(3) }),
    /gradient must be a Float32Array or Float64Array of \[8, 4\] = 32 numbers.*Float32Array of 3/,
  ],
  [
    'gives a list',
    ({ outputs }) => ({ loss: 1, gradient: Array.from(outputs as Float32Array) as never }),
    /gradient must be a Float32Array or Float64Array/,
  ],
  [
    'gives NaN as gradient',
    ({ outputs }) => ({ loss: 1, gradient: (outputs as Float32Array).with(6, Number.NaN) }),
    /gradient must be finite as float32, got NaN for sample 1, output 2/,
  ],
  [
    'gives NaN as loss',
    ({ outputs }) => ({ loss: Number.NaN, gradient: outputs }),
    /loss must be a finite number, got NaN/,
  ],
  [
    'counts too many',
    ({ outputs }) => ({ loss: 1, gradient: outputs, correct: 9 }),
    /correct must be how many of the 8 samples are right, got 9/,
  ],
]

for (const update of [undefined, 'everyStep'] as const)
  test(`what a function does wrong ends its call: the model has its bits, update ${update}`, async () => {
    for (const [name, evaluate, message] of mistakes) {
      let calls = 0
      const method = update ? ({ method: 'sltt', update } as const) : {}
      // The second call of an online method is after the first one's step.
      const loss = api.custom(
        (batch) => {
          const isFirst = ++calls % 2 === 1
          if (update && isFirst) return { loss: 1, gradient: batch.outputs }
          return evaluate(batch)
        },
        { of: update ? 'steps' : 'mean' },
      )
      const model = await compiled({ ...method, loss })
      const before = bitsOf(model)
      const size = message.source.replace('\\[8, 4\\] = 32', update ? '\\[1, 8, 4\\] = 32' : '$&')
      await expectRefusal(() => model.trainStep(x, y), new RegExp(size))
      assert.equal(bitsOf(model), before, name)
      const calling = model.fit(data, { epochs: 2 })
      await expectRefusal(() => calling, new RegExp(size))
      assert.equal(bitsOf(model), before, name)
      assert.is((await model.predict(x)).classes.length, 8)
    }
  })

test('the error of a function is its own, with its stack', async () => {
  const loss = api.custom(function broken() {
    throw new RangeError('inside')
  })
  const model = await compiled({ loss })
  const error: Error = await model.trainStep(x, y).then(
    () => assert.unreachable(),
    (found) => found,
  )
  assert.instance(error, RangeError)
  assert.match(error.stack as string, /broken/)
})

test('a function that runs the model is refused, and does not wait for itself', async () => {
  for (const [call, refused] of [
    [(model: api.Model) => model.predict(x), true],
    [(model: api.Model) => model.trainStep(x, y), true],
    [(model: api.Model) => model.dispose(), true],
    [async (model: api.Model) => model.stateDict(), false],
  ] as const) {
    let model: api.Model | undefined
    const loss = api.custom(async ({ outputs }) => {
      await call(model as api.Model)
      return { loss: 1, gradient: outputs }
    })
    model = await compiled({ loss })
    const step = model.trainStep(x, y)
    if (refused) await expectRefusal(() => step, /it waits for this one's caller \(.*a loss\)/)
    else await step
    assert.is((await model.predict(x)).classes.length, 8)
  }
})

test('a signal ends what a function waits for', async () => {
  const never = new Promise<never>(() => undefined)
  const controllers: AbortController[] = []
  const loss = api.custom(() => {
    setTimeout(() => controllers.at(-1)?.abort(new Error('enough')), 5)
    return never
  })
  const model = await compiled({ loss })
  const before = bitsOf(model)
  const signal = () => {
    controllers.push(new AbortController())
    return (controllers.at(-1) as AbortController).signal
  }
  const history = await model.fit(data, { signal: signal() })
  assert.equal([history.aborted, history.epochs], [true, []])
  await expectRefusal(() => model.evaluate(data, { signal: signal() }), 'enough')
  await expectRefusal(() => model.trainStep(x, y, { signal: signal() }), 'enough')
  assert.equal(bitsOf(model), before)
  assert.is((await model.predict(x)).classes.length, 8)
})

test('methods take the functions that they can use', async () => {
  const zero: api.LossFunction = ({ outputs }) => ({ loss: 0, gradient: outputs })
  const steps = api.custom(zero, { of: 'steps' })
  for (const [loss, method, message] of [
    [steps, 'rate', /custom\(…, \{ of: 'steps' \}\) needs a gradient of each step, .*'bptt' or/],
    [api.custom(zero), 'sltt', /of: 'mean' \}\) needs all steps before its gradient, .*'sltt'/],
  ] as const)
    await expectRefusal(() => api.compile(network(), { input: toyShape, method, loss }), message)
  for (const [call, message] of [
    [() => api.custom(3 as never), /custom must be given a function .*got 3/],
    [
      () => api.custom(zero, { of: 'last' as never }),
      /custom.of must be 'mean' or 'steps', got "last/,
    ],
    [() => api.custom(zero, { targets: 0 }), /custom.targets must be 'labels' or how many numbers/],
    [() => api.custom(zero, { other: 1 } as never), /custom.*other/],
  ] as const)
    assert.throws(call, message)
})

test('checkpoints keep name and hash of a function, and ask for it again', () =>
  withFolder(async (folder) => {
    const loss = crossEntropy('mean')
    const whole = await compiled({ loss })
    await whole.fit(data, { epochs: 3 })
    const half = await compiled({ loss })
    const path = join(folder, 'run')
    await half.fit(data, { epochs: 1 })
    await half.saveCheckpoint(path)
    const next = await compiled({ loss })
    await next.loadCheckpoint(path)
    await next.fit(data, { epochs: 2 })
    assert.equal(bitsOf(next), bitsOf(whole))
    const without = await compiled({})
    await expectRefusal(
      () => without.loadCheckpoint(path),
      /the checkpoint's loss is the function .*compile the model with that loss, again/,
    )
    const other = await compiled({
      loss: api.custom(({ outputs }) => ({ loss: 0, gradient: outputs })),
    })
    await expectRefusal(() => other.loadCheckpoint(path), /whose text is another now \(hash/)
    const run = join(folder, 'folder')
    const stopping: api.Callback = {
      name: 'stopping',
      onEpoch: (_record, training) => training.stop(),
    }
    const options = { epochs: 3, callbacks: [api.checkpoint({ dir: run })] }
    const begun = await compiled({ loss })
    await begun.fit(data, { ...options, callbacks: [...options.callbacks, stopping] })
    const wrong = await compiled({})
    await expectRefusal(() => wrong.fit(data, { ...options, resume: run }), /loss/)
  }))

test('files that learn refuse a function by name', async () => {
  const model = await compiled({ loss: crossEntropy('mean'), optimizer: api.sgd() })
  await expectRefusal(
    () => api.exportWasm(model, { mode: 'train' }),
    /loss custom with its options/,
  )
  assert.ok((await api.exportWasm(model)).byteLength > 1000)
})

test('checkGradient: a right gradient has a small error, a wrong one is named', async () => {
  const outputs = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i * 3))
  const targets = Int32Array.from([2, 0, 1])
  for (const loss of [crossEntropy('mean'), mse('mean')]) {
    const { error, loss: value } = await api.checkGradient(loss, outputs, targets)
    assert.ok(error < 1e-4)
    assert.ok(value > 0)
  }
  const steps = { shape: [2, 3, 2] }
  const two = Int32Array.from([1, 0, 1])
  assert.ok((await api.checkGradient(tet('steps'), outputs, two, steps)).error < 1e-4)
  const wrong: api.LossFunction = ({ outputs }) => {
    const z = outputs as Float32Array
    const gradient = z.map((v) => 2 * v)
    gradient[7] += 1
    return { loss: z.reduce((sum, v) => sum + v * v, 0), gradient }
  }
  await expectRefusal(
    () => api.checkGradient(wrong, outputs, targets),
    /the gradient at outputs\[7\] must be the slope of the loss, 1\.67\d+ by finite differences, got 2\.67/,
  )
  await expectRefusal(
    () => api.checkGradient(wrong, outputs, targets, { shape: [7, 3] }),
    /^checkGradient.shape must be the sizes of the 12 outputs, got \[7, 3\] = 21 numbers$/,
  )
  await expectRefusal(() => api.checkGradient(3 as never, outputs, targets), /must be given a loss/)
  const short: api.LossFunction = () => ({ loss: 0, gradient: new Float32Array(2) })
  await expectRefusal(() => api.checkGradient(short, outputs, targets), /must hold 12 numbers/)
  const of = /^checkGradient: outputs must be a Float32Array, or such arrays by name, got /
  for (const odd of [
    [1, 2],
    undefined,
    {},
    { a: outputs, b: [1] },
    new Float64Array(12),
  ] as never[])
    await expectRefusal(() => api.checkGradient(wrong, odd, targets), of)
  for (const odd of [[2, 0, 1], undefined, null] as never[])
    await expectRefusal(
      () => api.checkGradient(wrong, outputs, odd),
      /targets must be an Int32Array/,
    )
  for (const odd of [undefined, {}, outputs] as never[])
    await expectRefusal(
      () => api.checkGradient(() => odd, outputs, targets),
      /^checkGradient: the function must give \{ loss, gradient \}, got /,
    )
})

test.run()
