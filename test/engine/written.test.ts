/**
 * Small models by every method and purpose: what each of their methods gives or says before a run
 * and behind it, and what wrong arguments get. All of it is in test/engine/written.txt.
 */
import { test } from 'uvu'
import { SpikewasmError } from '../../src/base/errors.js'
import { VERSION } from '../../src/base/version.js'
import { cosineOf } from '../../src/engine/memory/arena.js'
import { addressesOf } from '../../src/engine/package-file.js'
import { inParts, merged } from '../../src/engine/page/mirror.js'
import * as api from '../../src/index.js'
import { labels, uniform } from '../support/measure.js'
import { netOf } from '../support/net.js'
import { expectSnapshot } from '../support/snapshot.js'

const written: string[] = []

/** Five figures, the ends of lists, and their sums. */
function brief(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(5)))
  if (ArrayBuffer.isView(value)) return brief(Array.from(value as Float32Array))
  if (Array.isArray(value)) {
    if (value.length <= 8 || typeof value[0] !== 'number') return `[${value.map(brief).join(' ')}]`
    const sum = value.reduce((a: number, b: number, i) => a + b * (1 + (i % 7)), 0)
    return `[${brief(value[0])} … ${value.length}, ${brief(sum)}]`
  }
  if (typeof value !== 'object' || value === null) return String(value)
  return `{${Object.entries(value)
    .map(([name, item]) => `${name}: ${brief(item)}`)
    .join(', ')}}`
}

async function outcome(call: () => unknown): Promise<string> {
  try {
    return brief(await call())
  } catch (error) {
    if (!(error instanceof SpikewasmError)) return `${error}`
    return `refused: ${error.message.replaceAll(VERSION, 'VERSION')}`
  }
}

const [batchSize, timeSteps] = [5, 4]
const inputOf = (frames: boolean): Float32Array =>
  uniform(batchSize * 8 * (frames ? timeSteps : 1), 3, 4)
const y = labels(batchSize, 3, 5)

type Options = Partial<api.CompileOptions>
const networks = {
  plain: () =>
    netOf(
      [2, 2, 2],
      'conv 9 3 padding=1, lif vThreshold=0.5, flatten, linear 17, norm, lif vThreshold=0.3, linear 3',
    ),
  cells: () =>
    netOf([2, 2, 2], 'flatten, linear 9, alif, linear 5, hears, linear 3', {
      hears: () => api.recurrent(api.cubaLif()),
    }),
}

const compile = (network: keyof typeof networks, options: Options): Promise<api.Model> =>
  networks[network]().compile({ input: [2, 2, 2], batchSize, timeSteps, seed: 2, ...options })

/** What can be asked of a model, by name. */
const asked = (model: api.Model, layer: string): Readonly<Record<string, () => unknown>> => ({
  output: () => model.output(),
  gradients: () => model.gradients(),
  firingRates: () => model.firingRates(),
  stepRates: () => model.stepRates(),
  activity: () => model.activity(layer),
  'activity of none': () => model.activity('x'),
  diagnostics: () => model.diagnostics(),
  spikes: () => model.spikes(layer),
  'spikes of none': () => model.spikes('x'),
  averages: () => model.averages(),
})

async function tell(
  name: string,
  questions: Readonly<Record<string, () => unknown>>,
): Promise<void> {
  written.push(`== ${name}`)
  for (const [question, call] of Object.entries(questions))
    written.push(`${question}: ${await outcome(call)}`)
}

const cases: readonly (readonly [keyof typeof networks, string, Options])[] = [
  ['plain', '1', { method: 'rate', stepMode: 'm', inspect: true, record: true }],
  ['plain', '1', { method: 'rate', stepMode: 's', record: ['5'] }],
  ['plain', '5', { method: 'bptt', stepMode: 'm', inspect: true, record: ['5'], frames: true }],
  ['plain', '5', { method: 'bptt', stepMode: 's', inspect: true }],
  ['plain', '5', { method: 'bptt' }],
  ['plain', '1', { method: 'ottt', inspect: true }],
  ['plain', '1', { method: 'sltt', backwardSteps: 2, record: true }],
  ['cells', '2', { method: 'bptt', inspect: true, frames: true }],
  ['plain', '1', { purpose: 'inference', record: true, inspect: true }],
  ['plain', '1', { purpose: 'inference', timeSteps: 300, record: true, inspect: true }],
  ['plain', '1', { purpose: 'stream', record: true }],
  ['cells', '2', { purpose: 'stream' }],
]

for (const [network, layer, options] of cases)
  test(`${network} ${JSON.stringify(options)}`, async () => {
    const model = await compile(network, options)
    const name = `${network} ${JSON.stringify(options)}`
    const x = inputOf(model.frames)
    const questions = asked(model, layer)
    await tell(`${name}: before a run`, questions)
    await tell(`${name}: runs`, {
      step: () => model.step(x),
      'step again': () => model.step(x),
      trainStep: () => model.trainStep(x, y, { clipNorm: 0.5 }),
      'without update': () => model.trainStep(x, y, { update: false, lr: 0 }),
    })
    await tell(`${name}: behind these`, questions)
    await tell(`${name}: others`, {
      predict: () => model.predict(x),
      'a few': () => model.predict(x.slice(0, (2 * x.length) / batchSize)),
      spikes: () => model.spikes(layer),
      firingRates: () => model.firingRates(),
      reset: () => model.reset(),
      stateDict: () => model.stateDict(),
      optimizer: () => {
        model.resetOptimizer()
        model.optimizer = api.sgd({ lr: 0.5, momentum: 0.9 })
      },
      trainStep: () => model.trainStep(x, y),
      'and again': () => model.trainStep(x, y, { lr: 0.25 }),
      weights: () => model.stateDict(),
    })
    await model.dispose()
    await tell(`${name}: behind dispose`, {
      predict: () => model.predict(x),
      output: () => model.output(),
    })
  })

const data = (count: number): api.Dataset =>
  api.fromArrays({
    name: 'few',
    images: uniform(count * 8, 7, 1),
    labels: labels(count, 3, 9),
    shape: [2, 2, 2],
    classes: 3,
  })

test('trainings with other optimizers, losses and options', async () => {
  const fits = {
    adam: { optimizer: api.adam({ lr: 0.01 }) },
    'adamW, two groups': {
      optimizer: api.adamW({
        lr: 0.01,
        groups: [
          { params: '0.*', lr: 0.1 },
          { params: '3.*', weightDecay: 0 },
        ],
      }),
    },
    averages: { optimizer: api.sgd({ lr: 0.1 }), ema: 0.9, clipNorm: 1 },
    accumulate: { optimizer: api.sgd({ lr: 0.1, momentum: 0.9 }), accumulate: 2, freeze: '0.*' },
    penalties: {
      optimizer: api.sgd({ lr: 0.1 }),
      penalties: [api.ratePenalty({ weight: 0.1, target: 0.1 })],
    },
  }
  for (const [name, options] of Object.entries(fits)) {
    const model = await compile('plain', {})
    await tell(`fit: ${name}`, {
      fit: async () => {
        const history = await model.fit(data(23), { epochs: 2, ...options } as never)
        return JSON.parse(
          JSON.stringify(history, (key, value) => (/ms|second/i.test(key) ? undefined : value)),
        )
      },
      weights: () => model.stateDict(),
      averages: () => model.averages(),
      evaluate: async () => {
        const found = await model.evaluate(data(7))
        return { loss: found.loss, accuracy: found.accuracy, count: found.count }
      },
      predict: () => model.predict(inputOf(false), { averages: true }),
      profile: async () =>
        (await model.profile(1)).map(({ op, layer, phase, workers }) =>
          [op, layer, phase, workers].join(' '),
        ),
    })
    await model.dispose()
  }
})

test('arguments out of range', async () => {
  const model = await compile('plain', {})
  const ofValues = await compile('plain', { loss: api.mse({ targets: 'values' }) })
  const x = inputOf(false)
  const wide = new Float32Array(15).fill(0.5)
  const state = model.stateDict()
  const { '3.weight': weight, ...others } = state
  const with3 = (data: number, at = 0, name = '3.bias') => ({
    ...state,
    [name]: { ...state[name], data: state[name].data.with(at, data) },
  })
  const numbers = [Number.NaN, -1, 0, 1, 1.5, Number.POSITIVE_INFINITY, 1e39, 1e-46]
  const odd = [null, ...numbers, '', 'x', [], {}]
  const each = (name: string, call: (value: never) => unknown) =>
    Object.fromEntries(
      odd.map((value) => [`${name} ${JSON.stringify(value)} ${value}`, () => call(value as never)]),
    )
  await tell('wrong arguments', {
    ...each('x', (value) => model.predict(value)),
    ...each('y', (value) => model.trainStep(x, value)),
    ...each('labels', (value) => model.trainStep(x, [0, 1, 2, value, 0], { update: false })),
    ...each('lr', (lr) => model.trainStep(x, y, { lr, update: false })),
    ...each('clipNorm', (clipNorm) => model.trainStep(x, y, { clipNorm, update: false })),
    ...each('update', (update) => model.trainStep(x, y, { update, lr: 0 })),
    ...each('profile', (value) => (value === 1 ? 1 : model.profile(value))),
    ...each('optimizer', (value) => {
      model.optimizer = value
    }),
    ...each('state', (value) => model.loadStateDict(value)),
    ...each('entry', (value) => model.loadStateDict({ ...state, '3.bias': value })),
    'profile 10001': () => model.profile(10_001),
    'too few': () => model.predict(x.slice(1)),
    none: () => model.predict(new Float32Array(0)),
    'not finite': () => model.predict(x.with(13, Number.NaN)),
    large: () => model.predict(x.with(13, 3e38)),
    'step x': () => model.trainStep(x.slice(8), y),
    'step y': () => model.trainStep(x, y.slice(1)),
    'label 3': () => model.trainStep(x, [0, 1, 2, 3, 0]),
    values: () => ofValues.trainStep(x, wide),
    'values 14': () => ofValues.trainStep(x, wide.slice(1)),
    'values of labels': () => ofValues.trainStep(x, y),
    'values not finite': () => ofValues.trainStep(x, wide.with(7, Number.NaN)),
    'state without a weight': () => model.loadStateDict(others),
    'state with another': () =>
      model.loadStateDict({ ...state, more: weight, 'a.num_batches_tracked': weight }),
    'state of another shape': () =>
      model.loadStateDict({ ...state, '3.weight': { ...weight, shape: [36, 17] } }),
    'state of another length': () =>
      model.loadStateDict({ ...state, '3.weight': { ...weight, data: wide } }),
    'state NaN': () => model.loadStateDict(with3(Number.NaN, 2)),
    'state 1e39': () =>
      model.loadStateDict({
        ...state,
        '3.bias': { ...state['3.bias'], data: Array(17).fill(1e39) },
      } as never),
    'variance -1': () => model.loadStateDict(with3(-1, 3, '4.running_var')),
    'variance 0': () => model.loadStateDict(with3(0, 3, '4.running_var')),
    infinite: () => model.loadStateDict(with3(3e38)),
    'what it gives': () => model.trainStep(x, y),
    ...Object.fromEntries(
      [
        [{ params: 'x' }],
        [{ params: '0.*' }],
        [
          { params: '*', lr: 1 },
          { params: '0.*', lr: 2 },
        ],
        [{ params: '0.*' }, { params: '*', lr: 2 }],
      ].map((groups) => [
        `groups ${JSON.stringify(groups)}`,
        () => {
          model.optimizer = api.sgd({ lr: 0.1, groups } as never)
        },
      ]),
    ),
  })
  await Promise.all([model.dispose(), ofValues.dispose()])
})

test('models that are too large', async () => {
  const large =
    (batch: number, input: readonly [number, number, number], options: Options = {}) =>
    () =>
      api
        .sequential(
          api.conv2d(2, 9, 3, { padding: 1 }),
          api.lif(),
          api.flatten(),
          api.linear(9 * input[1] * input[2], 3),
        )
        .compile({ input, batchSize: batch, timeSteps: 4, ...options } as never)
        .then(() => 'fits')
  await tell('too large', {
    'far too large': large(1_000_000, [2, 64, 64]),
    'too large': large(60_000, [2, 16, 16]),
    'for inference': large(1_000_000, [2, 32, 32], { purpose: 'inference' }),
    'not even one': large(1, [2, 10_000, 8000]),
  })
})

test('places in memory, words, addresses', () => {
  const areas = [
    { address: 40, bytes: 8 },
    { address: 0, bytes: 16 },
    { address: 16, bytes: 4 },
    { address: 8, bytes: 4 },
    { address: 30, bytes: 0 },
    { address: 41, bytes: 20 },
  ]
  const file = 'file:///a/node_modules/spikewasm/b.js'
  written.push(
    '== places',
    brief(merged(areas)),
    ...[7, 20, 28, 100].map((most) => brief(inParts(merged(areas), most))),
    ...addressesOf(new URL(file), 'x.wasm').map(String),
    brief([cosineOf([1, 2], [2, 4]), cosineOf([1, 0], [1, 1]), cosineOf([0], [1])]),
  )
})

test.after(() => expectSnapshot('engine/written.txt', `${written.join('\n')}\n`, 'engine/written'))

test.run()
