/**
 * Whole small runs as text, against runs.txt: what steps, epochs, callbacks, files and the end
 * say, and the weights. The clock stands still but where data are read and callbacks are called,
 * so that times are exact too. Figures have four places: kernels may round otherwise.
 */
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'uvu'
import { VERSION } from '../../src/base/version.js'
import { parseCheckpoint } from '../../src/files/checkpoint.js'
import * as api from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import {
  compareLines,
  hashOf,
  type Line,
  outcomeOfPromise,
  places,
  plainLine,
  rounded,
  shortOf,
  textOf,
} from '../support/outcomes.js'

const { flatten, lif, linear, sequential, batchNorm1d, dropout } = api
let clock = 0
const lines: Line[] = []

/** Reading the i-th sample takes 1 + i % 3 ms. */
function dataOf(length: number, more: object = {}): api.Dataset {
  return {
    name: `${length} points`,
    length,
    shape: [3],
    classes: 2,
    ...more,
    read(i, out) {
      clock += 1 + (i % 3)
      for (let n = 0; n < out.length; n++) out[n] = (((7 * i + 3 * n) * 5) % 13) / 3 - 2 + (i & 1)
      return i & 1
    },
  }
}
const targets = {
  size: 2,
  read: (i: number, out: Float32Array) => void out.set([(i & 1) / 2, (i % 5) / 10]),
}
const train = dataOf(22)
const test_ = dataOf(7)
const numbers = [22, 7].map((n) => dataOf(n, { targets, classes: 0, name: `${n} numbers` }))

const small = (): api.Block =>
  sequential({
    in: linear(3, 6),
    norm: batchNorm1d(6),
    a: lif(),
    drop: dropout(0.2),
    out: linear(6, 2),
  })
const deep = (): api.Block =>
  sequential({
    flat: flatten(),
    in: linear(3, 6),
    a: lif(),
    b: lif(),
    c: lif({ vThreshold: 0.3 }),
    silent: lif({ vThreshold: 1e9 }),
    out: linear(6, 2),
  })

/** Sums of the weights, by name. */
const sums = (state: api.StateDict): object =>
  Object.fromEntries(
    Object.entries(state).map(([name, { data }]) => [
      name,
      data.reduce((a, b, i) => a + b * (i + 1), 0),
    ]),
  )

/** Says whatever a training tells it; each step takes 10 ms, each epoch's callbacks 1000. */
function teller(tell: (line: string) => void): api.Callback {
  const steps: string[] = []
  return {
    name: 'teller',
    onFitStart: (start) => tell(`start ${shortOf(start)}`),
    onStep(info, training) {
      clock += 10
      const rates = Object.values(training.firingRates())
      steps.push(`${Object.values(rounded(info)).join(' ')} (${rates.map(places).join(' ')})`)
    },
    onEpoch(record, training) {
      clock += 1000
      tell(`steps ${steps.splice(0).join(', ')}`)
      tell(`epoch ${shortOf(record)} averages ${shortOf(sums(training.averages() ?? {}))}`)
    },
    onFitEnd(history) {
      const epochs = history?.epochs.map(({ epoch }) => epoch)
      tell(`end ${shortOf({ ...history, epochs })}`)
    },
  }
}

interface Run {
  readonly network?: () => api.Block
  readonly compile?: Partial<api.CompileOptions>
  readonly data?: api.Dataset
  /** Trainings, one behind the other. */
  readonly fits: readonly (api.FitOptions | ((model: api.Model, dir: string) => api.FitOptions))[]
}

/** Aborts behind so many steps. */
function abortAt(steps: number): Pick<api.FitOptions, 'signal' | 'onStep'> {
  const controller = new AbortController()
  return {
    signal: controller.signal,
    onStep: () => {
      if (--steps === 0) controller.abort()
    },
  }
}
const stopAt = (epoch: number, reason?: string): api.Callback => ({
  name: 'stopper',
  onEpoch: (record, training) => (record.epoch === epoch ? training.stop(reason) : undefined),
})
const sgd = api.sgd({ lr: 0.5, momentum: 0.5 })
const both = { optimizer: sgd, validation: test_ }
const early = (of: object) => api.earlyStopping({ patience: 1, ...of })

const runs: Readonly<Record<string, Run>> = {
  plain: { fits: [{ epochs: 2, optimizer: sgd }, { optimizer: sgd }] },
  'schedule by step': {
    fits: [{ ...both, epochs: 2, schedule: api.cosine({ by: 'step', warmup: 3 }) }],
  },
  'schedule by epoch': {
    fits: [{ ...both, epochs: 3, schedule: api.linearWarmup(1, api.stepDecay(1)) }],
  },
  plateau: {
    fits: [
      { ...both, epochs: 5, schedule: api.plateau({ patience: 0, threshold: 0.5, min: 0.01 }) },
    ],
  },
  'all samples, accumulated': {
    fits: [{ ...both, epochs: 2, dropLast: false, accumulate: 2, clipNorm: 0.5, ema: 0.9 }],
  },
  'accumulated, last batch left out': { fits: [{ ...both, accumulate: 3, epochs: 2 }] },
  'more samples a batch than there are': { data: dataOf(3), fits: [{ epochs: 2, optimizer: sgd }] },
  numbers: {
    data: numbers[0],
    network: deep,
    fits: [
      {
        epochs: 2,
        optimizer: api.adam({ lr: 0.05 }),
        loss: api.mse({ targets: 'values' }),
        validation: numbers[1],
      },
    ],
  },
  counts: {
    data: numbers[0],
    fits: [
      {
        optimizer: sgd,
        loss: api.mse({ targets: 'values', of: 'counts' }),
        validation: numbers[1],
      },
    ],
  },
  'silent layers, penalties': {
    network: deep,
    compile: { method: 'bptt' },
    fits: [{ ...both, epochs: 2, penalties: [api.ratePenalty({ weight: 2, target: 0.5 })] }],
  },
  groups: {
    fits: [
      {
        freeze: 'norm',
        optimizer: api.adamW({ lr: 0.1, groups: [{ params: 'out', lr: 0.01, weightDecay: 0.5 }] }),
      },
    ],
  },
  'stopped in an epoch, and gone on': {
    fits: [
      { ...both, epochs: 3, ...abortAt(7) },
      { ...both, epochs: 2 },
      { ...both, fresh: true },
    ],
  },
  'stopped behind an epoch': {
    fits: [
      { ...both, epochs: 3, ...abortAt(5) },
      { ...both, initialEpoch: 4, epochs: 5 },
    ],
  },
  'a split': { fits: [{ optimizer: sgd, validationSplit: 0.3, epochs: 1 }] },
  'stopped by a callback': {
    fits: [{ epochs: 4, callbacks: [stopAt(2)] }, { callbacks: [stopAt(3, 'enough')] }],
  },
  'early stopping': {
    fits: [
      { ...both, epochs: 9, callbacks: [early({ minDelta: 0.02 })] },
      {
        ...both,
        epochs: 9,
        callbacks: [
          early({ monitor: 'testAccuracy', restoreBest: true, patience: 2, mode: 'min' }),
        ],
      },
      {
        ...both,
        epochs: 3,
        ema: 0.5,
        callbacks: [early({ monitor: 'trainAccuracy', restoreBest: true, minDelta: 1 })],
      },
      {
        ...both,
        epochs: 2,
        optimizer: api.sgd({ lr: 0 }),
        callbacks: [early({ monitor: 'trainLoss', minDelta: 99 })],
      },
    ],
  },
  errors: {
    fits: [
      {
        epochs: 2,
        callbacks: [{ name: 'thrower', onEpoch: () => Promise.reject(new Error('mine')) }],
      },
      {
        epochs: 1,
        callbacks: [{ name: 'thrower', onFitEnd: () => Promise.reject(new Error('end')) }],
      },
      { optimizer: api.sgd({ lr: 3e38 }), epochs: 3 },
      { epochs: 1, schedule: (() => api.constant) as never },
      { epochs: 3, schedule: (epoch) => (epoch === 1 ? -1 : 1) },
      {
        epochs: 1,
        optimizer: api.sgd({
          lr: 1,
          groups: [
            { params: 'in', lr: 1 },
            { params: 'out', lr: 3e38 },
          ],
        }),
        schedule: () => 2,
      },
    ],
  },
  files: {
    network: deep,
    fits: [
      (_, dir) => ({
        ...both,
        epochs: 3,
        callbacks: [
          api.checkpoint({ dir: `${dir}/run`, every: 2, report: false }),
          api.csvLogger(`${dir}/log.csv`),
          early({ restoreBest: true, patience: 3 }),
        ],
      }),
      (_, dir) => ({
        ...both,
        epochs: 3,
        resume: `${dir}/run`,
        callbacks: [
          api.checkpoint({ dir: `${dir}/run`, every: 2, report: false }),
          api.csvLogger(`${dir}/log.csv`),
          early({ restoreBest: true, patience: 3 }),
        ],
      }),
      (_, dir) => ({
        ...both,
        epochs: 2,
        ...abortAt(7),
        callbacks: [
          api.checkpoint({
            dir: `${dir}/run`,
            monitor: 'trainLoss',
            overwrite: true,
            report: false,
          }),
          api.csvLogger(`${dir}/log.csv`, { append: true }),
        ],
      }),
    ],
  },
}

/** Files of a folder: lines of text, and what checkpoints and weights hold. */
async function filesOf(dir: string, tell: (line: string) => void): Promise<void> {
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    if (!/\.\w+$/.test(name) || name.endsWith('manifest.json')) continue
    const bytes = await readFile(`${dir}/${name}`)
    if (!name.includes('safetensors')) {
      const text = bytes
        .toString()
        .replaceAll(/\d+\.\d{5,}(e-?\d+)?/g, (x) => Number(x).toPrecision(4))
      tell(`file ${name}: ${text.length > 3000 ? `${text.length} characters` : text}`)
      continue
    }
    if (!name.includes('checkpoint')) {
      tell(`file ${name}: ${hashOf(bytes.toString('latin1', 8, 8 + bytes.readUInt32LE()))}`)
      continue
    }
    const { about, tensors } = await parseCheckpoint(bytes, name)
    const { setting, ...rest } = about as { setting: unknown; version: string }
    const same = { ...rest, version: rest.version === VERSION }
    tell(`file ${name}: ${shortOf(same)} ${shortOf(sums(tensors))} ${hashOf(textOf(setting))}`)
  }
}

for (const [name, { network = small, compile = {}, data = train, fits }] of Object.entries(runs))
  test(name, () =>
    withFolder(async (dir) => {
      const tell = (line: string): void => {
        lines.push(plainLine(`  ${line.replaceAll(dir, 'DIR')}`))
      }
      lines.push(plainLine(name))
      const { now } = performance
      const { emitWarning } = process
      performance.now = () => clock
      process.emitWarning = (text: string | Error) => tell(`warning ${text}`)
      clock = 0
      try {
        const model = await network().compile({
          input: [3],
          timeSteps: 3,
          batchSize: 4,
          seed: 3,
          ...compile,
        })
        for (const given of fits) {
          const own = typeof given === 'function' ? given(model, dir) : given
          const text: string[] = []
          const stream = { write: (of: string) => void text.push(of) }
          const callbacks = [teller(tell), ...(own.callbacks ?? []), api.progress({ stream })]
          tell(
            await outcomeOfPromise(
              () => model.fit(data, { ...own, callbacks }),
              () => 'fit',
            ),
          )
          tell(`progress ${text.join(' | ')}`)
          tell(`weights ${shortOf(sums(model.stateDict()))}, method ${model.method}`)
          await filesOf(dir, tell)
        }
        await model.dispose()
      } finally {
        performance.now = now
        process.emitWarning = emitWarning
      }
    }),
  )

test('runs.txt', () => compareLines('train/runs.txt', lines))

test.run()
