/**
 * Trainings whose numbers must not change by accident. `golden.json` holds what they gave.
 *
 * `npm run golden` runs them, `npm run golden -- --update --all` takes new numbers over. Only the
 * package's public functions are used here, so that the table outlives changes inside.
 */
import {
  adam,
  adamW,
  type Block,
  type CompileOptions,
  crossEntropy,
  type FitOptions,
  type MethodOptions,
  mse,
  perStep,
  ratePenalty,
  resnet18,
  rmsprop,
  type SgdOptions,
  type SurrogateName,
  selfDistillation,
  sewResnet34,
  sgd,
  tet,
  vggsnn,
} from '../../src/index.js'
import { cnn, mlp } from '../../src/model/models/vgg.js'
import {
  between,
  branched,
  cells,
  delayed,
  distilled,
  dropped,
  grouped,
  learnable,
  looped,
  maxPooled,
  normal,
  plain,
  series,
  smallInput,
  stabilised,
  standardised,
  stem,
  strided,
  wide,
  written,
} from './networks.js'

export interface GoldenCase {
  /** Key in `golden.json`. */
  readonly name: string
  readonly network: () => Block
  readonly options: CompileOptions & { readonly timeSteps: number; readonly batchSize: number }
  readonly steps: number
  /** lr 0.1 and momentum 0.9 unless given. */
  readonly optimizer?: SgdOptions
  /**
   * 'made' (default): parameters of `madeState`. 'initial': those that `compile` gives; for small
   * networks only, where a last bit of a logarithm does not matter.
   */
  readonly start?: 'made' | 'initial'
  /** Trains by `fit`, two epochs of so many steps, instead of by `trainStep`. */
  readonly fit?: boolean
  /** With `fit`: its options, in place of `optimizer` and the schedule of all cases. */
  readonly training?: FitOptions
  /** With `fit`: a second training by this method follows. */
  readonly thenBy?: MethodOptions
  /** Takes seconds: left out of the tests, `npm run golden -- --all` runs it. */
  readonly slow?: boolean
  /** Takes a second or more: tested with `--long` alone. */
  readonly long?: boolean
  /** Tested on 2 and 3 threads too; starting threads takes time, so these are few. */
  readonly threaded?: boolean
  /** Tested on one thread of the release build alone. */
  readonly large?: boolean
}

const methods = {
  'rate m': { method: 'rate', stepMode: 'm' },
  'rate s': { method: 'rate', stepMode: 's' },
  'bptt m': { method: 'bptt', stepMode: 'm' },
  'bptt s': { method: 'bptt', stepMode: 's' },
  ottt: { method: 'ottt', update: 'afterwards' },
  'ottt everyStep': { method: 'ottt', update: 'everyStep' },
  sltt: { method: 'sltt', update: 'afterwards' },
  'sltt everyStep': { method: 'sltt', update: 'everyStep' },
  'sltt K1': { method: 'sltt', backwardSteps: 1 },
  os: { method: 'os' },
} satisfies Record<string, MethodOptions>

type MethodName = keyof typeof methods
const everyMethod = Object.keys(methods) as MethodName[]
const offline: readonly MethodName[] = ['rate m', 'rate s', 'bptt m', 'bptt s']

interface Row extends Partial<Omit<GoldenCase, 'name' | 'network' | 'options' | 'steps'>> {
  readonly T: number
  readonly B: number
  readonly steps?: number
  readonly input?: CompileOptions['input']
  readonly more?: Omit<Partial<CompileOptions>, 'input'>
}

/** One case for a network and a method. */
function make(name: string, network: () => Block, method: MethodName, row: Row): GoldenCase {
  const { T, B, steps = 6, input = smallInput, more, ...rest } = row
  return {
    name: `${name}, ${method}, T ${T}, batch ${B}`,
    network,
    options: { input, timeSteps: T, batchSize: B, seed: 7, ...methods[method], ...more },
    steps,
    ...rest,
  }
}

const surrogates: readonly SurrogateName[] = [
  'sigmoid',
  'atan',
  'triangle',
  'rectangle',
  'fastSigmoid',
  'piecewiseExp',
  'erf',
]

/** By small networks: every layer, option and method. */
function smallCases(): GoldenCase[] {
  const digits = [1, 8, 8] as const
  const cases: GoldenCase[] = []
  for (const T of [1, 4, 9])
    for (const method of everyMethod) {
      cases.push(make('plain', plain, method, { T, B: 5, threaded: T === 4 }))
      if (method !== 'sltt K1' || T === 4)
        cases.push(make('standardised', standardised, method, { T, B: 3, threaded: T === 9 }))
    }
  for (const method of ['rate m', 'bptt m'] as const) {
    const loss = selfDistillation({ alpha: 0.5, beta: 0.25, temperature: 2 })
    cases.push(make('distilled', distilled, method, { T: 4, B: 5, more: { loss }, threaded: true }))
  }
  for (const method of everyMethod) {
    cases.push(
      make('mlp', () => mlp(digits, 10, { vThreshold: 0.5 }), method, {
        T: 4,
        B: 13,
        input: digits,
        start: 'initial',
        optimizer: { lr: 0.05, weightDecay: 2 ** -10 },
        threaded: method === 'rate m',
      }),
      make('frames plain', plain, method, {
        T: 4,
        B: 3,
        more: { frames: true },
        threaded: ['rate m', 'bptt m', 'ottt'].includes(method),
      }),
    )
  }
  for (const method of [...offline, 'sltt'] as const)
    cases.push(
      make('analog stem', stem, method, {
        T: 4,
        B: 3,
        input: [2, 8, 8],
        more: { frames: method !== 'rate m' },
        threaded: method === 'rate m',
      }),
    )
  for (const method of [...offline, 'sltt'] as const) {
    const steps = method === 'rate m' ? 20 : 6
    const network = (): Block => cnn(digits, 10)
    const nesterov = { nesterov: true, lr: 0.05 }
    const [rateM, bpttM] = [method === 'rate m', method === 'bptt m']
    const threaded = method !== 'rate s' && method !== 'bptt s'
    cases.push(
      make('cnn', network, method, {
        T: 4,
        B: 7,
        input: digits,
        steps,
        start: 'initial',
        threaded: rateM,
      }),
      make('strided', strided, method, { T: 4, B: 7, optimizer: nesterov, threaded: true }),
      make('dropout', dropped, method, { T: 4, B: 6, threaded }),
      make('max pooling', maxPooled, method, { T: 4, B: 3, threaded }),
      make('hard reset', () => plain({ vReset: 0, detachReset: false }), method, {
        T: 4,
        B: 3,
        threaded: bpttM,
      }),
      make('branched', branched, method, { T: 9, B: 3, threaded: rateM }),
      make('wide', wide, method, {
        T: 4,
        B: 3,
        input: [16, 12, 12],
        steps: 5,
        threaded: rateM || bpttM,
      }),
    )
  }
  for (const method of offline)
    for (const T of [4, 9])
      cases.push(make('grouped', grouped, method, { T, B: 5, threaded: T === 4 }))
  cases.push(
    make('grouped', grouped, 'sltt', { T: 4, B: 5 }),
    make('grouped', grouped, 'sltt everyStep', { T: 4, B: 5 }),
  )
  for (const method of [...offline, 'sltt'] as const)
    cases.push(
      make('between neurons', between, method, { T: 4, B: 3, threaded: method === 'bptt m' }),
      make('series', series, method, { T: 4, B: 3, input: [3, 15] }),
    )
  for (const method of offline) cases.push(make('delayed', delayed, method, { T: 9, B: 3 }))
  for (const surrogate of surrogates)
    for (const method of ['rate m', 'bptt m', 'ottt'] as const) {
      const network = (): Block => plain({ surrogate, ...(surrogate === 'atan' && { alpha: 3 }) })
      cases.push(make(`surrogate ${surrogate}`, network, method, { T: 4, B: 3 }))
    }
  for (const method of ['bptt m', 'bptt s'] as const)
    for (const T of [1, 4, 9])
      cases.push(make('plif', learnable, method, { T, B: 5, threaded: T === 9 }))
  for (const T of [1, 4, 9])
    cases.push(make('stabilised', stabilised, 'os', { T, B: 5, threaded: T === 4 }))
  cases.push(make('stabilised frames', stabilised, 'os', { T: 4, B: 3, more: { frames: true } }))
  for (const method of ['bptt m', 'rate s'] as const)
    cases.push(make('cells', () => cells(true), method, { T: 9, B: 3, threaded: true }))
  cases.push(make('cells', () => cells(false), 'sltt', { T: 5, B: 3 }))
  for (const method of ['rate m', 'rate s', 'bptt m'] as const)
    cases.push(make('written', () => written(true), method, { T: 9, B: 3, threaded: true }))
  cases.push(make('written', () => written(false), 'sltt', { T: 5, B: 3 }))
  for (const method of ['bptt m', 'ottt'] as const)
    cases.push(make('recurrent', looped, method, { T: 5, B: 3, more: { frames: true } }))
  const hard = { tau: 3, vReset: -0.25, surrogate: 'triangle' } as const
  for (const method of ['ottt', 'sltt'] as const)
    cases.push(make('standardised hard reset', () => standardised(hard), method, { T: 4, B: 3 }))
  for (const method of ['rate m', 'bptt m'] as const)
    cases.push(
      make('inspected', branched, method, { T: 4, B: 3, more: { inspect: true } }),
      make('long', strided, method, { T: 33, B: 2 }),
      make('normal start', normal, method, { T: 4, B: 3, start: 'initial' }),
      make('wide frames', wide, method, {
        T: 9,
        B: 2,
        input: [16, 12, 12],
        more: { frames: true },
      }),
      make('fit dropout', dropped, method, {
        T: 4,
        B: 6,
        fit: true,
        optimizer: { decay: 'weights', weightDecay: 2 ** -8 },
        thenBy: method === 'rate m' ? { method: 'bptt' } : { method: 'sltt', backwardSteps: 2 },
        threaded: true,
      }),
    )
  return cases
}

/** What a training can ask of `fit`: optimizers, losses and all that changes a step. */
function trainingCases(): GoldenCase[] {
  const groups = [{ params: 'bn*', lr: 0.02, weightDecay: 0 }]
  const averaged = { accumulate: 2, ema: 0.75, clipNorm: 0.05 }
  const tables: readonly (readonly [string, readonly MethodName[], FitOptions])[] = [
    ['adam', offline, { optimizer: adam({ lr: 0.01, weightDecay: 2 ** -6 }) }],
    ['adamW groups', ['rate m', 'bptt m'], { optimizer: adamW({ lr: 0.01, groups }) }],
    ['adamW averaged', ['rate m', 'bptt m'], { optimizer: adamW({ lr: 0.01 }), ...averaged }],
    ['adam', ['ottt everyStep', 'sltt'], { optimizer: adam({ lr: 0.01 }), clipNorm: 0.5 }],
    ['rmsprop', ['bptt m', 'ottt everyStep'], { optimizer: rmsprop({ lr: 0.01, momentum: 0.5 }) }],
    ['sgd groups', ['rate m'], { optimizer: sgd({ lr: 0.1, groups }), freeze: ['conv1'] }],
    ['sgd averaged', ['rate m', 'ottt'], { optimizer: sgd({ lr: 0.1 }), ...averaged }],
    ['smoothed', ['rate m', 'ottt'], { loss: crossEntropy({ labelSmoothing: 0.125 }) }],
    ['counted', ['rate m', 'bptt m'], { loss: crossEntropy({ of: 'counts' }) }],
    ['mse', ['rate m', 'bptt m', 'sltt'], { loss: mse({ correctRate: 0.75 }) }],
    ['tet', ['bptt m', 'sltt'], { loss: tet({ lambda: 0.25 }) }],
    [
      'penalties',
      offline,
      {
        penalties: [
          ratePenalty({ weight: 0.5, target: 0.25 }),
          ratePenalty({ weight: 0.125, norm: 'L1' }),
        ],
      },
    ],
  ]
  const small = { T: 4, B: 5, fit: true, steps: 5 }
  return tables.flatMap(([name, names, training]) =>
    names.map((method) =>
      make(`fit ${name}`, offline.includes(method) ? strided : standardised, method, {
        ...small,
        training: { optimizer: sgd({ lr: 0.1 }), schedule: perStep(halved), ...training },
        threaded: method === 'rate m',
      }),
    ),
  )
}

/** A factor that no rounding changes. */
const halved = ({ step }: { step: number }): number => 1 / (1 + (step >> 2))

/** The paper's networks on the smallest images that they take. */
function paperCases(): GoldenCase[] {
  const large = { large: true, steps: 5 }
  const cifar = { ...large, input: [3, 32, 32] as const }
  const quickResnet = { ...large, input: [3, 8, 8] as const }
  const vgg = (): Block => vggsnn({ imageSize: 32 })
  const sew = (): Block => sewResnet34({ classes: 7 })
  const slow: GoldenCase[] = []
  for (const method of offline)
    slow.push(
      make('vggsnn 32', vgg, method, { ...cifar, T: 4, B: 3, slow: true }),
      make('resnet18 16', resnet18, method, {
        ...large,
        input: [3, 16, 16],
        T: 4,
        B: 5,
        slow: true,
      }),
      make('sewResnet34 64', sew, method, { ...large, input: [3, 64, 64], T: 4, B: 2, slow: true }),
    )
  for (const method of ['ottt', 'sltt K1'] as const)
    slow.push(make('vggsnn 32', vgg, method, { ...cifar, T: 4, B: 3, slow: true }))
  const dvs = (): Block => vggsnn({ inChannels: 2 })
  return [
    make('vggsnn', vgg, 'rate m', { ...cifar, T: 1, B: 2, long: true }),
    make('resnet18', resnet18, 'rate m', { ...quickResnet, T: 4, B: 3 }),
    make('sewResnet34', sew, 'rate m', { ...cifar, T: 1, B: 3, long: true }),
    ...slow,
    make('vggsnn frames', dvs, 'rate m', {
      ...large,
      input: [2, 48, 48],
      T: 4,
      B: 2,
      more: { frames: true },
      slow: true,
    }),
  ]
}

export const cases: readonly GoldenCase[] = [...smallCases(), ...trainingCases(), ...paperCases()]
