/** Metrics of one's own in `evaluate` and `fit`: of all answers at once, shown and kept. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import type { Chart } from '../../src/watch/pages/chart.js'
import { runFigures } from '../../src/watch/pages/run.js'
import { expectRefusals, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { compileToy, toy } from '../support/toy.js'

const { data } = toy(50, 1)

/** F1 of class 1, which is no mean of that of batches. */
const f1: api.Metric = ({ predictions, labels }) => {
  let [hits, sum] = [0, 0]
  predictions.forEach((answer, i) => {
    hits += Number(answer === 1 && labels![i] === 1)
    sum += Number(answer === 1) + Number(labels![i] === 1)
  })
  return sum === 0 ? 0 : (2 * hits) / sum
}

/** Counts what it is given. */
function counter() {
  const seen = { starts: 0, batches: [] as number[], outputs: 0 }
  const metric: api.RunningMetric = {
    start() {
      seen.starts++
      seen.batches = []
      seen.outputs = 0
    },
    add({ count, outputs }) {
      seen.batches.push(count)
      seen.outputs += outputs.length
    },
    result: () => seen.batches.reduce((a, b) => a + b, 0),
  }
  return { seen, metric }
}

test('a function has all answers of an evaluation, an object has them batch by batch', async () => {
  const { seen, metric } = counter()
  for (const batchSize of [8, 50, 64]) {
    const model = await compileToy({ batchSize })
    let calls = 0
    const once: api.Metric = (all) => {
      calls++
      assert.equal([all.count, all.outputs.length, all.labels!.length], [50, 200, 50])
      assert.is(all.targets, undefined)
      return Number.NaN
    }
    const { metrics, perClass } = await model.evaluate(data, {
      metrics: { f1, samples: metric, once },
    })
    assert.equal([calls, metrics], [1, { f1: perClass![1].f1, samples: 50, once: Number.NaN }])
    assert.is(seen.batches.length, Math.ceil(50 / batchSize))
    assert.is(seen.outputs, 200)
    assert.not('metrics' in (await model.evaluate(data)))
  }
  assert.is(seen.starts, 3)
})

test('targets by step and numbers come as they are wanted', async () => {
  const [T, n] = [3, 5]
  const inputs = Float32Array.from({ length: n * T * 2 }, (_, i) => (i % 5) / 5)
  const shared = { input: [2], frames: true, timeSteps: T, batchSize: 2, method: 'bptt' } as const
  const classes = Float32Array.from({ length: n * T }, (_, i) => (i % 4) - 1)
  const byStep = await compileNet('linear 8, lif, linear 3', {
    ...shared,
    loss: api.crossEntropy({ targets: 'steps', ignore: -1 }),
  })
  const given = { inputs, shape: [2], timeSteps: T } as const
  const { logits } = await byStep.predict(inputs, { of: 'steps' })
  const look: api.Metric = ({ labels, outputs, predictions, count }) => {
    assert.equal([...labels!], [...classes])
    assert.equal(outputs, logits)
    assert.is(predictions.length, n * T)
    return count
  }
  const found = await byStep.evaluate(api.fromArrays({ ...given, targets: classes }), {
    metrics: { look },
  })
  assert.equal(found.metrics, { look: n })
  const numbers = Float32Array.from({ length: n * 3 }, (_, i) => i / 7)
  const values = await compileNet('linear 8, lif, linear 3', {
    ...shared,
    loss: api.mse({ targets: 'values' }),
  })
  const mae: api.Metric = ({ outputs, targets, labels }) => {
    assert.is(labels, undefined)
    return outputs.reduce((sum, y, i) => sum + Math.abs(y - targets![i]), 0) / outputs.length
  }
  const { metrics, meanAbsoluteError } = await values.evaluate(
    api.fromArrays({ ...given, targets: numbers }),
    { metrics: { mae } },
  )
  assert.ok(Math.abs(metrics!.mae - meanAbsoluteError!) < 1e-9)
})

test('records, CSV, the line and the charts have them; monitors choose by them; runs go on', async () => {
  await withFolder(async (folder) => {
    const fit = { epochs: 4, validationSplit: 0.3, metrics: { f1 } } as const
    const straight = await compileToy({ batchSize: 8 })
    const { epochs } = await straight.fit(data, fit)
    const dir = join(folder, 'run')
    const csv = join(folder, 'epochs.csv')
    const lines: string[] = []
    const run = {
      ...fit,
      resume: dir,
      callbacks: [
        api.checkpoint({ dir, monitor: 'metrics.f1' }),
        api.csvLogger(csv),
        api.progress({ stream: { write: (text: string) => lines.push(text) } }),
      ],
    } satisfies api.FitOptions
    const first = await compileToy({ batchSize: 8 })
    const stop = ({ epoch }: api.EpochRecord): void => {
      if (epoch === 2) throw new Error('stop')
    }
    await first.fit(data, { ...run, onEpoch: stop }).catch(() => undefined)
    const second = await compileToy({ batchSize: 8 })
    const went = await second.fit(data, run)
    const figures = went.epochs.map(({ metrics }) => metrics!.f1)
    assert.equal(
      figures,
      epochs.map(({ metrics }) => metrics!.f1),
    )
    assert.is(figures.length, 4)
    expectSameBits('resumed', second.stateDict(), straight.stateDict())
    const [head, ...rows] = readFileSync(csv, 'utf8').trim().split('\n')
    const column = head.split(',').indexOf('metrics.f1')
    assert.equal(
      rows.map((row) => Number(row.split(',')[column])),
      figures,
    )
    assert.ok(lines.at(-1)!.includes(`  f1 ${figures[3].toFixed(4)}  `), lines.at(-1))
    const steps = { at: [], loss: [], accuracy: [], learningRate: [], stepMs: [], rates: [] }
    const [{ charts }] = runFigures({ layers: [], records: went.epochs, steps })
    assert.equal((charts[2] as Chart).series[0].y, figures)
    const best = await api.loadModel(join(dir, 'best.safetensors'))
    const top = figures.indexOf(Math.max(...figures))
    const again = await compileToy({ batchSize: 8 })
    await again.fit(data, { ...fit, epochs: top + 1 })
    expectSameBits('best', best.stateDict(), again.stateDict())
    await best.dispose()
  })
})

test('early stopping and plateau read them; good is large, but of losses and errors', async () => {
  let value = 0
  const metrics = { up: () => ++value, ownError: () => value }
  for (const [monitor, stops] of [
    ['metrics.up', false],
    ['metrics.ownError', true],
  ] as const) {
    const model = await compileToy({ batchSize: 8 })
    const history = await model.fit(data, {
      epochs: 4,
      validationSplit: 0.3,
      metrics,
      callbacks: [api.earlyStopping({ monitor, patience: 2 })],
      schedule: api.plateau({ monitor, patience: 0 }),
    })
    assert.is(history.stopped !== undefined, stops, history.stopped)
    assert.is(history.epochs.at(-1)!.learningRate < history.epochs[0].learningRate, stops)
  }
})

test('what is no metric, or a name that is taken, is refused; one that throws leaves the model', async () => {
  const model = await compileToy({ batchSize: 8 })
  const before = model.stateDict()
  const boom: api.Metric = () => {
    throw new Error('boom')
  }
  // A mistake is found where it was made.
  const thrown = await model.evaluate(data, { metrics: { boom } }).catch((error) => error)
  assert.match(thrown.stack, /^metric boom: Error: boom\n +at boom \(.*own-metrics\.test/)
  assert.instance(thrown, api.SpikewasmError)
  assert.is(thrown.cause.message, 'boom')
  const batch: api.RunningMetric = { start() {}, add: boom as never, result: () => 1 }
  const late = { metrics: { f1 }, validationSplit: 0.3 }
  await expectRefusals([
    [() => model.evaluate(data, { metrics: { boom } }), 'metric boom: boom'],
    [() => model.evaluate(data, { metrics: { batch } }), 'metric batch: boom'],
    [
      () => model.evaluate(data, { metrics: { text: () => 'x' as never } }),
      /^metric text must give a number, got "x"/,
    ],
    [
      () => model.evaluate(data, { metrics: { later: (async () => 1) as never } }),
      /^metric later must give a number, got a?/,
    ],
    [
      () => model.evaluate(data, { metrics: { accuracy: f1 } }),
      "evaluate.metrics must have names of their own, got 'accuracy', which is a figure; rename it",
    ],
    [() => model.fit(data, { ...late, metrics: { testLoss: f1 } }), /^fit.metrics must have names/],
    [() => model.evaluate(data, { metrics: [f1] as never }), /^evaluate.metrics must be an object/],
    [
      () => model.evaluate(data, { metrics: { f1: { add() {} } as never } }),
      /^evaluate.metrics.f1 must be a function of all answers, or an object with start\(\)/,
    ],
    [() => model.fit(data, { metrics: { f1 } }), /^fit.metrics are of validation data; give/],
    [
      () => model.fit(data, { ...late, callbacks: [api.earlyStopping({ monitor: 'metrics.f2' })] }),
      /^earlyStopping.monitor must be a figure .* got metrics.f2, which fit.metrics has not; .*'metrics.f1'/,
    ],
    [
      () => api.earlyStopping({ monitor: 'f1' as never }),
      /or metrics.NAME of a metric of fit, got "f1"/,
    ],
  ])
  expectSameBits('parameters', model.stateDict(), before)
  assert.equal((await model.evaluate(data, { metrics: { f1 } })).count, 50)
})

test.run()
