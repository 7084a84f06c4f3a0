/** A small diagnosis: hashes of all that does not depend on the machine, and of what is refused. */

import { test } from 'uvu'
import { datasets } from '../../src/data/index.js'
import {
  type DiagnoseOptions,
  describeNetwork,
  diagnose,
  durations,
  layerOf,
  measureProcess,
} from '../../src/diagnose/measure.js'
import type { ProcessJob } from '../../src/diagnose/process-child.js'
import * as api from '../../src/index.js'
import { expectOutcomes, withOdd } from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('diagnose/tables.json')
const { train, test: tests } = await datasets.digits()
const data = { train, test: api.subset(tests, 70) }
const { warmUp, measure } = durations
Object.assign(durations, { warmUp: 1, measure: 1 })
test.after(() => void Object.assign(durations, { warmUp, measure }))

const network = () =>
  api.sequential({
    in: api.sequential(api.conv2d(1, 3, 3), api.batchNorm2d(3), api.lif({ vThreshold: 0.6 })),
    flat: api.flatten(),
    off: api.dropout(0.5),
    out: api.linear(108, 10),
  })
const common: DiagnoseOptions = {
  network,
  data,
  batchSize: 30,
  seed: 3,
  steps: 7,
  optimizer: api.sgd({ lr: 0.05 }),
}

/** Numbers to three digits: sums may be added in another order one day. Times are left out. */
async function outcome(options: Partial<DiagnoseOptions>): Promise<unknown> {
  const said: string[] = []
  const found = await diagnose({
    ...common,
    ...options,
    onProgress: (text) => void said.push(text),
  })
  const costs = found.costs.map(({ method, timeSteps, keptBytes, totalBytes }) => [
    method,
    timeSteps,
    keptBytes > 0,
    totalBytes > keptBytes,
  ])
  const digits = (_: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(3)) : value
  return [said, JSON.stringify({ ...found, costs }, digits)]
}

test('what is measured, of still inputs and of frames', async () => {
  const inputs = Float32Array.from({ length: 12 * 3 * 8 }, (_, i) => ((i * 7) % 11) / 10)
  const labels = Array.from({ length: 12 }, (_, i) => i % 2)
  const frames = api.fromArrays({
    inputs,
    labels,
    shape: [8],
    timeSteps: 3,
    classes: 2,
    name: 'frames',
  })
  const small = () =>
    api.sequential(api.linear(8, 6), api.lif({ vThreshold: 0.2 }), api.linear(6, 2))
  await expectOutcomes(hashes, 'diagnose', {
    'two T': () =>
      outcome({ timeSteps: [3, 1], methods: ['sltt', 'rate-m', 'bptt'], name: 'mine' }),
    'one T': () => outcome({ timeSteps: [4], methods: ['rate-s'], steps: 1, threads: 2 }),
    frames: () =>
      outcome({
        network: small,
        data: { train: frames, test: frames },
        batchSize: 5,
        steps: 11,
        methods: ['ottt'],
      }),
    layers: () => ['a.b.weight', 'weight', 'a.weight', ''].map(layerOf),
  })
})

test('options are refused by the same words, before anything is made', async () => {
  const refuse = (): never => {
    throw new Error('taken')
  }
  const option = (key: string) =>
    withOdd(
      (value) => diagnose({ ...common, network: refuse, [key]: value }),
      ...[
        [255],
        [256],
        [33],
        [2, 2],
        [1, 0],
        ['bptt'],
        ['bptt', 'bptt'],
        ['sltt'],
        ['rate'],
        1442,
        1443,
      ],
    )
  const framed = api.fromArrays({
    inputs: new Float32Array(24),
    labels: [0, 1],
    shape: [4],
    timeSteps: 3,
    classes: 2,
  })
  const ofFrames = withOdd(
    (timeSteps) =>
      diagnose({
        network: refuse,
        data: { train: framed, test: framed },
        batchSize: 2,
        timeSteps: timeSteps as number[],
      }),
    [3],
    [3, 4],
  )
  const online = withOdd(
    (timeSteps) =>
      diagnose({ ...common, network: refuse, methods: ['sltt'], timeSteps: timeSteps as number[] }),
    [32],
    [33],
  )
  const keys = ['timeSteps', 'methods', 'batchSize', 'steps', 'processes']
  await expectOutcomes(hashes, 'options', {
    ...Object.fromEntries(keys.map((key) => [key, option(key)])),
    'timeSteps of frames': ofFrames,
    'timeSteps of online methods': online,
  })
})

test('a process of its own: its plan, and what it says of a wrong state', async () => {
  const input = [1, 8, 8] as const
  const options: api.CompileOptions = { input, timeSteps: 2, batchSize: 4, method: 'bptt' }
  const model = await api.compile(network(), options)
  const { images, labels } = model.session.slot(0)
  const job: ProcessJob = {
    options,
    network: describeNetwork(network(), input),
    state: model.stateDict(),
    milliseconds: 1,
    images: images.slice(),
    labels: Int32Array.from(labels),
  }
  const { total } = model.memoryUse
  await model.dispose()
  await expectOutcomes(hashes, 'process', {
    alone: async () => {
      const { peakBytes, planBytes, stepMs } = await measureProcess()
      return [peakBytes > 20 * 2 ** 20, peakBytes < 2 ** 31, planBytes, stepMs]
    },
    'with a job': async () => {
      const { peakBytes, planBytes, stepMs } = await measureProcess(job)
      return [peakBytes > planBytes, planBytes === total, stepMs > 0]
    },
    'with a wrong one': () => measureProcess({ ...job, state: {} }, 'bptt with T 2'),
  })
})

test('tables.json holds these alone', () => hashes.finish())

test.run()
