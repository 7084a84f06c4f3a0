/**
 * Targets for each time step, and targets that do not count, in whole networks: the bits of losses
 * that are known where they mean the same, sums of the gradients of single steps, and evaluation.
 */
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectSameBits, relativeError, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { methodModes } from '../support/tables.js'
import { fails } from '../support/trainings.js'

const [B, T, C] = [5, 6, 3]
const text = 'flatten, linear 12, lif, linear 8, lif, linear 3'
const x = uniform(B * 5, 2, 1)
const withSteps = methodModes(({ rows }) => rows === 'steps')

const compiled = (
  [method, stepMode]: readonly [api.Method, api.StepMode],
  loss: api.Loss,
  more: Partial<api.CompileOptions> = {},
): Promise<api.Model> =>
  compileNet(text, { input: [5], batchSize: B, timeSteps: T, method, stepMode, loss, ...more })

/** Loss, right answers, and gradients of a step that changes nothing. */
async function stepOf(mode: (typeof withSteps)[number], loss: api.Loss, y: ArrayLike<number>) {
  const model = await compiled(mode, loss)
  const found = await model.trainStep(x, y, { update: false })
  const gradients = model.gradients()
  await model.dispose()
  return { ...found, gradients }
}

const labels = [0, 2, 1, 1, 0]
const everyStep = (of: readonly number[]): Float32Array =>
  Float32Array.from(of.flatMap((label) => Array.from({ length: T }, () => label)))
const values = uniform(B * C, 1, 2)
const everyValue = Float32Array.from(
  Array.from({ length: B }, (_, b) =>
    Array.from({ length: T }, () => [...values.subarray(b * C, (b + 1) * C)]),
  ).flat(2),
)
const classWeights = [0.5, 2, 0]

test('the same class at each step is what tet and online cross entropy are, bit for bit', async () => {
  for (const mode of withSteps) {
    const isOnline = mode[0] !== 'bptt'
    const rows: [api.Loss, api.Loss, ArrayLike<number>, Float32Array][] = [
      [
        isOnline
          ? api.crossEntropy({ labelSmoothing: 0.1 })
          : api.tet({ lambda: 0, labelSmoothing: 0.1 }),
        api.crossEntropy({ targets: 'steps', labelSmoothing: 0.1 }),
        labels,
        everyStep(labels),
      ],
      [
        api.tet({ lambda: 0.3, classWeights }),
        api.tet({ lambda: 0.3, classWeights, targets: 'steps', ignore: -1 }),
        labels,
        everyStep(labels),
      ],
    ]
    if (isOnline)
      rows.push([
        api.mse({ targets: 'values' }),
        api.mse({ targets: 'steps', ignore: Number.NaN }),
        values,
        everyValue,
      ])
    for (const [known, loss, y, byStep] of rows) {
      const one = await stepOf(mode, known, y)
      const other = await stepOf(mode, loss, byStep)
      const what = `${mode} ${JSON.stringify(loss)}`
      assert.is(other.loss, one.loss, what)
      expectSameBits(what, other.gradients, one.gradients)
    }
  }
})

test('a gradient is the sum of those of its steps, each with all others ignored', async () => {
  const random = testRandom(3)
  const cases: [api.Loss, Float32Array, number, number][] = [
    [
      api.crossEntropy({ targets: 'steps', ignore: -1, labelSmoothing: 0.2 }),
      Float32Array.from({ length: B * T }, () => Math.floor(C * random())),
      -1,
      1,
    ],
    [api.mse({ targets: 'steps', ignore: 'NaN' }), uniform(B * T * C, 1, 4), Number.NaN, C],
  ]
  for (const mode of withSteps)
    for (const [loss, y, none, size] of cases) {
      const whole = await stepOf(mode, loss, y)
      const sums = Object.fromEntries(
        Object.entries(whole.gradients).map(([name, { data }]) => [
          name,
          new Float64Array(data.length),
        ]),
      )
      let sum = 0
      for (let t = 0; t < T; t++) {
        const alone = y.map((v, i) => (Math.floor(i / size) % T === t ? v : none))
        const { loss: part, gradients, answers, weight } = await stepOf(mode, loss, alone)
        sum += part / T
        assert.is(weight, B / T)
        if (size === 1) assert.is(answers, B)
        for (const [name, { data }] of Object.entries(gradients))
          for (let i = 0; i < data.length; i++) sums[name][i] += data[i] / T
      }
      assert.ok(
        Math.abs(sum - whole.loss) < 1e-5 * Math.max(1, sum),
        `${mode} ${sum} ${whole.loss}`,
      )
      for (const [name, { data }] of Object.entries(whole.gradients)) {
        const error = relativeError(data, sums[name])
        assert.ok(error < 1e-5, `${mode} ${loss.kind} ${name}: ${error}`)
      }
    }
})

test('where nothing counts, loss and gradients are 0, and training leaves parameters', async () => {
  for (const mode of withSteps)
    for (const [loss, y] of [
      [api.crossEntropy({ targets: 'steps', ignore: -1 }), new Float32Array(B * T).fill(-1)],
      [api.tet({ targets: 'steps', ignore: 2 }), new Float32Array(B * T).fill(2)],
      [api.mse({ targets: 'steps', ignore: -3 }), new Float32Array(B * T * C).fill(-3)],
    ] as const) {
      const model = await compiled(mode, loss, { optimizer: api.sgd({ lr: 1 }) })
      const before = model.stateDict()
      const found = await model.trainStep(x, y)
      assert.equal([found.loss, found.weight, found.correct], [0, 0, 0], `${mode} ${loss.kind}`)
      for (const { data } of Object.values(model.gradients())) assert.ok(data.every((g) => g === 0))
      expectSameBits('parameters', model.stateDict(), before)
      await model.dispose()
    }
})

test('methods without a gradient of each step refuse them by name, whatever the purpose', async () => {
  const steps = { targets: 'steps' } as const
  for (const loss of [api.crossEntropy(steps), api.mse(steps), api.tet(steps)])
    for (const mode of methodModes(({ rows }) => rows === 'one'))
      for (const purpose of ['train', 'inference'] as const)
        await expectRefusal(
          () => compiled(mode, loss, { purpose }),
          `loss ${loss.kind}({ targets: 'steps' }) needs a gradient of each step, which method ` +
            "'rate' has not; use 'bptt' or 'ottt' or 'sltt' or 'os'",
        )
})

test('options that do not go together, and targets that the loss cannot be of', async () => {
  const steps = { targets: 'steps' } as const
  await expectRefusals([
    [
      () => api.crossEntropy({ ignore: -1 }),
      /^crossEntropy.ignore is an option of targets 'steps'/,
    ],
    [
      () => api.crossEntropy({ ...steps, of: 'counts' }),
      /^crossEntropy.of is an option of targets 'labels'/,
    ],
    [() => api.mse({ ignore: 3 }), /^mse.ignore is an option of targets 'values' or 'steps'/],
    [
      () => api.mse({ ...steps, of: 'counts' }),
      /^mse.of is an option of targets 'labels' or 'values'/,
    ],
    [
      () => api.mse({ ...steps, ignore: 'nan' as never }),
      /^mse.ignore must be a number or 'NaN', got "nan"/,
    ],
    [() => api.tet({ ...steps, ignore: 0.5 }), /^tet.ignore must be an integer/],
    [() => api.tet({ classWeights: [1, -1] }), /^tet.classWeights must be an array of numbers ≥ 0/],
    [() => api.crossEntropy({ classWeights: [0, 0] }), /one above 0 at least/],
    [
      () => compiled(['bptt', 'm'], api.crossEntropy({ classWeights: [1, 2] })),
      'crossEntropy.classWeights must have one for each of the 3 classes, got 2',
    ],
  ])
  const y = everyStep(labels)
  const model = await compiled(['bptt', 'm'], api.crossEntropy({ ...steps, ignore: -1 }))
  await expectRefusals([
    [() => model.trainStep(x, labels), /^y must be a Float32Array \[5, 6\] with this loss/],
    [() => model.trainStep(x, y.subarray(1)), /^y must hold \[5, 6\] = 30 numbers, got 29/],
    [
      () => model.trainStep(x, y.with(7, 3)),
      'y must hold classes, integers from 0 to 2, or -1, got 3 at index 7, in sample 1',
    ],
    [() => model.trainStep(x, y.with(7, 0.5)), /or -1, got 0.5 at index 7/],
    [() => model.trainStep(x, y.with(7, -2)), /or -1, got -2 at index 7/],
  ])
  const inputs = x
  const wrong = api.fromArrays({ inputs, targets: y.with(7, 3), shape: [5] })
  const few = api.fromArrays({ inputs, targets: y.subarray(0, B), shape: [5] })
  const labelled = api.fromArrays({ inputs, labels, classes: 3, shape: [5] })
  for (const use of [model.fit, model.evaluate] as ((data: api.Dataset) => unknown)[])
    await expectRefusals([
      [
        () => use.call(model, wrong),
        /^the data arrays, targets of batch 1, must hold classes, integers from 0 to 2, or -1, got 3/,
      ],
      [
        () => use.call(model, few),
        "the data arrays has 1 targets a sample, the loss crossEntropy({ targets: 'steps' }) " +
          'needs 6 with 6 time steps',
      ],
      [
        () => use.call(model, labelled),
        "the data arrays has labels alone, the loss crossEntropy({ targets: 'steps' }) needs " +
          'targets; give them to fromArrays, or choose another loss',
      ],
    ])
  const numbers = await compiled(['bptt', 'm'], api.mse({ targets: 'values', ignore: -1 }))
  const gaps = api.fromArrays({ inputs, targets: values.with(4, Number.NaN), shape: [5] })
  await expectRefusal(
    () => numbers.fit(gaps),
    /targets of batch 1, must hold finite numbers, got NaN/,
  )
})

/** Frames of noise with targets that an output of each step can give. */
function series(count: number, seed: number) {
  const random = testRandom(seed)
  const inputs = Float32Array.from({ length: count * T * 2 }, () => 2 * random())
  // Whether the second number is larger; unknown at the first step, and now and then.
  const targets = Float32Array.from({ length: count * T }, (_, i) =>
    i % T === 0 || random() < 0.2 ? -1 : Number(inputs[2 * i + 1] > inputs[2 * i]),
  )
  return { inputs, targets, data: api.fromArrays({ inputs, targets, shape: [2], timeSteps: T }) }
}

const learner = (more: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileNet('linear 24, lif tau=2, linear 2', {
    input: [2],
    frames: true,
    timeSteps: T,
    batchSize: 16,
    method: 'bptt',
    loss: api.crossEntropy({ targets: 'steps', ignore: -1 }),
    optimizer: api.adam({ lr: 0.02 }),
    ...more,
  })

test('it learns; accuracy, classes and loss are of the steps that count, in batches of any size', async () => {
  const { data, targets } = series(150, 5)
  const model = await learner()
  const { epochs } = await model.fit(data, { epochs: 12, validationSplit: 0.2 })
  const last = epochs.at(-1)!
  assert.ok(last.trainAccuracy! > 0.85 && last.testAccuracy! > 0.8, JSON.stringify(last))
  const all = await model.evaluate(data)
  const known = targets.filter((label) => label >= 0)
  assert.is(
    all.perClass!.reduce((sum, { count }) => sum + count, 0),
    known.length,
  )
  assert.equal(
    all.perClass!.map(({ count }) => count),
    [0, 1].map((c) => known.filter((label) => label === c).length),
  )
  const { confusion } = all
  const right = confusion![0][0] + confusion![1][1]
  assert.is(all.accuracy, right / known.length)
  const other = await learner({ batchSize: 7 })
  other.loadStateDict(model.stateDict())
  const again = await other.evaluate(data)
  assert.is(again.accuracy, all.accuracy)
  assert.equal(again.confusion, confusion)
  assert.ok(Math.abs(again.loss - all.loss) < 1e-6, `${again.loss} ${all.loss}`)
})

test('threads, threads that read ahead, and a run that goes on change no bit', async () => {
  const { data } = series(64, 6)
  const fit = { epochs: 4, schedule: api.cosine() }
  const states: api.StateDict[] = []
  for (const [threads, numWorkers] of [
    [1, 0],
    [2, 1],
  ]) {
    const model = await learner({ threads })
    await model.fit(data, { ...fit, numWorkers })
    states.push(model.stateDict())
  }
  expectSameBits('threads', states[1], states[0])
  await withFolder(async (folder) => {
    const run = { ...fit, resume: folder, callbacks: [api.checkpoint({ dir: folder, every: 1 })] }
    const first = await learner()
    await expectRefusal(() => first.fit(data, { ...run, onStep: fails('stop', 6) }), 'stop')
    const second = await learner()
    await second.fit(data, run)
    expectSameBits('resumed', second.stateDict(), states[0])
  })
})

test('values at each step: mean absolute error, those that are NaN left out', async () => {
  const { inputs } = series(40, 7)
  const targets = Float32Array.from({ length: 40 * T * 2 }, (_, i) =>
    i % 5 === 0 ? Number.NaN : inputs[i] / 2,
  )
  const data = api.fromArrays({ inputs, targets, shape: [2], timeSteps: T })
  const model = await learner({ loss: api.mse({ targets: 'steps', ignore: Number.NaN }) })
  const { epochs } = await model.fit(data, { epochs: 8, validation: data })
  const last = epochs.at(-1)!
  assert.is(last.trainAccuracy, undefined)
  assert.ok(last.trainLoss < 0.6 * epochs[0].trainLoss)
  const { loss, meanAbsoluteError, accuracy } = await model.evaluate(data)
  assert.is(accuracy, undefined)
  assert.ok(Math.abs(last.testMeanAbsoluteError! - meanAbsoluteError!) < 1e-9)
  // The mean of squares is between the square of the mean and the largest times it.
  assert.ok(meanAbsoluteError! ** 2 <= loss && loss < 4 * meanAbsoluteError!)
})

test.run()
