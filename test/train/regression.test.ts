// runs: apart
/** Training towards numbers: `mse({ targets: 'values' })` on data sets with targets. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusals, withFolder } from '../files/temporary.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { leastOf } from '../support/trainings.js'

const loss = api.mse({ targets: 'values' })
const compile = (more: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileNet('linear 32, lif tau=2, linear 2', {
    input: [3],
    batchSize: 16,
    timeSteps: 4,
    loss,
    ...more,
  })
const one = { inputs: uniform(9, 1, 1), shape: [3] } as const
const answers = { labels: [0, 1, 0], classes: 2 }
const labelled = api.fromArrays({ ...one, ...answers })

/** y = (a + b, a − c) / 4 */
function sums(
  count: number,
  seed: number,
): { data: api.Dataset; inputs: Float32Array; y: Float32Array } {
  const inputs = uniform(3 * count, 1, seed)
  const y = Float32Array.from({ length: 2 * count }, (_, i) => {
    const [a, b, c] = inputs.subarray(3 * (i >> 1), 3 * (i >> 1) + 3)
    return (i % 2 ? a - c : a + b) / 4
  })
  return { data: api.fromArrays({ name: 'sums', inputs, targets: y, shape: [3] }), inputs, y }
}

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: a network learns numbers; records have no accuracy`, async () => {
    const model = await compile()
    const { data, inputs, y } = sums(100, 1)
    const before = await model.evaluate(data)
    const { epochs } = await model.fit(data, {
      epochs: 12,
      method,
      optimizer: api.sgd({ lr: method === 'rate' ? 0.4 : 0.1 }),
      validationSplit: 0.2,
    })
    const last = epochs.at(-1)!
    assert.equal(
      [last.trainAccuracy, last.testAccuracy, last.trainLoss < 0.5 * epochs[0].trainLoss],
      [undefined, undefined, true],
      JSON.stringify(epochs.map(({ trainLoss }) => trainLoss)),
    )
    const after = await model.evaluate(data)
    const { logits } = await model.predict(inputs)
    let [squares, errors] = [0, 0]
    y.forEach((value, i) => {
      squares += (logits[i] - value) ** 2 / y.length
      errors += Math.abs(logits[i] - value) / y.length
    })
    assert.ok(Math.abs(after.loss - squares) < 1e-5 * squares, `${after.loss} ${squares}`)
    assert.ok(Math.abs(after.meanAbsoluteError! - errors) < 1e-6 * errors)
    assert.ok(after.loss < 0.6 * before.loss)
    for (const key of ['accuracy', 'confusion', 'perClass', 'topK']) assert.not(key in after)
    assert.ok(last.testMeanAbsoluteError! > 0)
  })

test('a thread that prepares batches, and threads that compute, change no bit', async () => {
  const states = []
  for (const [threads, numWorkers] of [
    [1, 0],
    [1, 1],
    [2, 1],
  ] as const) {
    const model = await compile({ threads })
    await model.fit(sums(64, 2).data, { epochs: 60, numWorkers })
    states.push(model.stateDict())
    await model.dispose()
  }
  for (const state of states.slice(1)) expectSameBits('state', states[0], state)
})

test('a loss and data that do not go together: the same error wherever the data come from', async () => {
  const [model, classifier] = [await compile(), await compile({ loss: undefined })]
  const before = classifier.stateDict()
  const { data } = sums(20, 1)
  const wide = api.fromArrays({ ...one, targets: uniform(9, 1, 1) })
  // Data with both go with either loss.
  const both = api.fromArrays({ ...one, ...answers, targets: uniform(6, 1, 1) })
  const read = (_: number, out: Float32Array): unknown => out.fill(Number.NaN)
  const broken = { ...both, targets: { size: 2, read } } as api.Dataset
  const noTargets =
    "the data arrays has labels alone, the loss mse({ targets: 'values' }) needs targets; give " +
    'them to fromArrays, or choose another loss'
  const noLabels =
    'the data sums has targets and no labels, which the loss crossEntropy() needs; give labels, ' +
    "or loss: mse or custom(text) with targets: 'values', or custom(f) with targets: 2"
  await expectRefusals([
    [() => model.evaluate(labelled), noTargets],
    [() => model.fit(data, { validation: labelled }), noTargets],
    [() => classifier.fit(labelled as api.Dataset, { loss }), noTargets],
    [
      () => model.evaluate(wide),
      "the data arrays has 3 targets a sample, the model's last layer gives 2 outputs",
    ],
    [
      () => model.evaluate(data, { topK: 1 }),
      /^evaluate\.topK must be left out where the loss is of targets/,
    ],
    [
      () => model.fit(broken),
      /^the data arrays, targets of batch 1, must hold finite numbers, got NaN/,
    ],
    [() => classifier.evaluate(data), noLabels],
    [() => classifier.fit(labelled, { validation: data }), noLabels],
    [() => classifier.fit(data, { validationSplit: 0.5 }), noLabels],
  ])
  expectSameBits('state', before, classifier.stateDict())
  await model.fit(both)
  const { epochs } = await model.fit(both, { loss: api.mse() })
  assert.type(epochs[0].trainAccuracy, 'number')
})

test('figures: what regression has can be monitored, what it has not is named before training', async () => {
  const model = await compile()
  const { data } = sums(32, 1)
  const monitor = 'testMeanAbsoluteError'
  let figures: readonly string[] = []
  const look: api.Callback = {
    name: 'look',
    onFitStart(start) {
      figures = start.figures
    },
  }
  await withFolder(async (dir) => {
    // A learning rate of 0: no epoch is better than the first.
    const { stopped, epochs } = await model.fit(data, {
      epochs: 4,
      validationSplit: 0.5,
      optimizer: api.sgd({ lr: 0 }),
      schedule: api.plateau({ monitor }),
      callbacks: [
        look,
        api.earlyStopping({ monitor, patience: 1 }),
        api.checkpoint({ dir, monitor }),
      ],
    })
    assert.equal(figures, ['testLoss', 'testMeanAbsoluteError', 'trainLoss'])
    assert.is(epochs.length, 2)
    assert.match(
      stopped ?? '',
      /testMeanAbsoluteError has not improved for 1 epoch; best 0\.\d+ in/,
    )
    const before = model.stateDict()
    const accuracy = 'testAccuracy'
    const needsLabels =
      'must be a figure that epochs have, got testAccuracy, which needs labels, and the loss is ' +
      "of targets; use 'testLoss' or 'testMeanAbsoluteError' or 'trainLoss'"
    const needsData =
      /must be .*, got test\w+, which needs validation data; give fit\.validation, or/
    const rows: [string, (monitor?: api.Monitor) => api.FitOptions][] = [
      ['the monitor of fit.schedule', (of) => ({ schedule: api.plateau({ monitor: of }) })],
      ['earlyStopping.monitor', (of) => ({ callbacks: [api.earlyStopping({ monitor: of })] })],
      ['checkpoint.monitor', (of) => ({ callbacks: [api.checkpoint({ dir, monitor: of })] })],
    ]
    for (const [name, watch] of rows)
      await expectRefusals([
        [
          () => model.fit(data, { ...watch(accuracy), validationSplit: 0.5 }),
          `${name} ${needsLabels}`,
        ],
        [() => model.fit(data, watch('testLoss')), needsData],
      ])
    expectSameBits('state', before, model.stateDict())
  })
})

for (const monitor of [undefined, 'testMeanAbsoluteError'] as const)
  test(`the best epoch by ${monitor ?? 'default'} is that of the smallest`, () =>
    withFolder(async (dir) => {
      const model = await compile()
      const { data } = sums(32, 1)
      const states: api.StateDict[] = []
      const { epochs } = await model.fit(data, {
        epochs: 3,
        validation: data,
        // The second epoch is worse than the first.
        schedule: (epoch) => (epoch === 1 ? 30 : 1),
        optimizer: api.sgd({ lr: 0.02, momentum: 0 }),
        callbacks: [api.checkpoint({ dir, monitor })],
        onEpoch: () => states.push(model.stateDict()),
      })
      const errors = epochs.map((epoch) => epoch[monitor ?? 'testLoss'] as number)
      const best = leastOf(errors)
      assert.ok(best !== errors.indexOf(Math.max(...errors)))
      const found = await own(api.loadModel(join(dir, 'best.safetensors')))
      expectSameBits('best', found.stateDict(), states[best])
    }))

test.run()
