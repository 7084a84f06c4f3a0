/**
 * Trainings whose numbers must not change by accident. `golden.json` holds what they gave.
 *
 * `npm run golden` runs them, `npm run golden -- --update --all` takes new numbers over.
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
  selfDistillation,
  sewResnet34,
  sgd,
  tet,
  vggsnn,
} from '../../src/index.js'
import { cnn, mlp } from '../../src/model/models/vgg.js'
import {
  attentive,
  between,
  branched,
  cells,
  delayed,
  distilled,
  dropped,
  grouped,
  learnable,
  learntDelays,
  looped,
  maxPooled,
  normal,
  ownLayers,
  plain,
  series,
  seriesInput,
  sized,
  sizedSeries,
  smallInput,
  stabilised,
  standardised,
  stem,
  stemInput,
  strided,
  wide,
  wideInput,
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
const every = Object.keys(methods) as MethodName[]
const offline: readonly MethodName[] = ['rate m', 'rate s', 'bptt m', 'bptt s']
const five: readonly MethodName[] = [...offline, 'sltt']
const both: readonly MethodName[] = ['rate m', 'bptt m']
const without = (...names: MethodName[]) => every.filter((name) => !names.includes(name))

interface Settings extends Partial<Omit<GoldenCase, 'name' | 'network' | 'options' | 'threaded'>> {
  /** One case for each; 4 unless given. */
  readonly T?: number | readonly number[]
  /** Images; 3 unless given. */
  readonly B?: number
  readonly input?: CompileOptions['input']
  readonly more?: Omit<Partial<CompileOptions>, 'input'>
  /** All, or those of these methods. */
  readonly threaded?: boolean | readonly MethodName[]
}
type Row = readonly [string, () => Block, readonly MethodName[], Settings]

/** A case for each T and method of a row. */
function casesOf([name, network, of, settings]: Row): GoldenCase[] {
  const { T = 4, B = 3, steps = 6, input = smallInput, more, threaded = false, ...rest } = settings
  return [T]
    .flat()
    .flatMap((timeSteps) =>
      of.map((method) => ({
        name: `${name}, ${method}, T ${timeSteps}, batch ${B}`,
        network,
        options: { input, timeSteps, batchSize: B, seed: 7, ...methods[method], ...more },
        steps,
        threaded: Array.isArray(threaded) ? threaded.includes(method) : threaded === true,
        ...rest,
      })),
    )
}

const digits = [1, 8, 8] as const
const digitsCnn = (): Block => cnn(digits, 10)
const digitsMlp = (): Block => mlp(digits, 10, { vThreshold: 0.5 })
const ofDigits = { input: digits, start: 'initial' } as const
const hardReset = (): Block => plain({ vReset: 0, detachReset: false })
const standardisedHard = (): Block => standardised({ tau: 3, vReset: -0.25, surrogate: 'triangle' })
const loss = selfDistillation({ alpha: 0.5, beta: 0.25, temperature: 2 })
const frames = { more: { frames: true } }
const surrogates = [
  'sigmoid',
  'triangle',
  'rectangle',
  'fastSigmoid',
  'piecewiseExp',
  'erf',
] as const
const decay = { decay: 'weights', weightDecay: 2 ** -8 } as const
const fitDropout = { B: 6, fit: true, optimizer: decay, threaded: true }

const int8 = { more: { weights: 'int8' } } as const
const int6 = { more: { weights: 'int6' } } as const

/** Small networks: every layer, option and method. */
const small: readonly Row[] = [
  ['plain', plain, every, { T: [1, 9], B: 5 }],
  ['plain', plain, every, { B: 5, threaded: true }],
  ['standardised', standardised, every, {}],
  ['standardised', standardised, without('sltt K1'), { T: 1 }],
  ['standardised', standardised, without('sltt K1'), { T: 9, threaded: true }],
  ['distilled', distilled, both, { B: 5, more: { loss }, threaded: true }],
  [
    'mlp',
    digitsMlp,
    every,
    { ...ofDigits, B: 13, optimizer: { lr: 0.05, weightDecay: 2 ** -10 }, threaded: ['rate m'] },
  ],
  ['frames plain', plain, every, { ...frames, threaded: ['rate m', 'bptt m', 'ottt'] }],
  ['analog stem', stem, ['rate m'], { input: stemInput, threaded: true }],
  ['analog stem', stem, five.slice(1), { ...frames, input: stemInput }],
  ['cnn', digitsCnn, ['rate m'], { ...ofDigits, B: 7, steps: 20, threaded: true }],
  ['cnn', digitsCnn, five.slice(1), { ...ofDigits, B: 7 }],
  ['strided', strided, five, { B: 7, optimizer: { nesterov: true, lr: 0.05 }, threaded: true }],
  ['dropout', dropped, five, { B: 6, threaded: [...both, 'sltt'] }],
  ['max pooling', maxPooled, five, { threaded: [...both, 'sltt'] }],
  ['hard reset', hardReset, five, { threaded: ['bptt m'] }],
  ['branched', branched, five, { T: 9, threaded: ['rate m'] }],
  ['wide', wide, five, { input: wideInput, steps: 5, threaded: both }],
  ['grouped', grouped, offline, { B: 5, threaded: true }],
  ['grouped', grouped, offline, { T: 9, B: 5 }],
  ['grouped', grouped, ['sltt', 'sltt everyStep'], { B: 5 }],
  ['between neurons', between, five, { threaded: ['bptt m'] }],
  ['series', series, five, { input: seriesInput }],
  ['attentive', attentive, ['bptt m', 'bptt s', 'sltt'], { T: 9, threaded: true }],
  ['own layers', ownLayers, every, { T: 9, threaded: ['rate m', 'sltt'] }],
  ['delayed', delayed, offline, { T: 9 }],
  ['sized', sized, five, { threaded: ['rate m', 'bptt m'] }],
  ['sized series', sizedSeries, five, { input: seriesInput }],
  ['learnt delays', learntDelays, ['bptt m', 'bptt s'], { T: 9, threaded: ['bptt m'] }],
  ['surrogate atan', () => plain({ surrogate: 'atan', alpha: 3 }), [...both, 'ottt'], {}],
  ...surrogates.map(
    (surrogate): Row => [
      `surrogate ${surrogate}`,
      () => plain({ surrogate }),
      [...both, 'ottt'],
      {},
    ],
  ),
  ['plif', learnable, ['bptt m', 'bptt s'], { T: [1, 4], B: 5 }],
  ['plif', learnable, ['bptt m', 'bptt s'], { T: 9, B: 5, threaded: true }],
  ['stabilised', stabilised, ['os'], { T: [1, 9], B: 5 }],
  ['stabilised', stabilised, ['os'], { B: 5, threaded: true }],
  ['stabilised frames', stabilised, ['os'], frames],
  ['cells', () => cells(true), ['bptt m', 'rate s'], { T: 9, threaded: true }],
  ['cells', () => cells(false), ['sltt'], { T: 5 }],
  ['written', () => written(true), ['rate m', 'rate s', 'bptt m'], { T: 9, threaded: true }],
  ['written', () => written(false), ['sltt'], { T: 5 }],
  ['recurrent', looped, ['bptt m', 'ottt'], { ...frames, T: 5 }],
  ['standardised hard reset', standardisedHard, ['ottt', 'sltt'], {}],
  ['int8 branched', branched, ['rate m', 'sltt'], { ...int8, threaded: ['rate m'] }],
  ['int6 strided', strided, ['bptt m'], { ...int6, T: 9, B: 7, threaded: true }],
  ['int8 standardised', standardised, ['ottt everyStep'], int8],
  ['inspected', branched, both, { more: { inspect: true } }],
  ['long', strided, both, { T: 33, B: 2 }],
  ['normal start', normal, both, { start: 'initial' }],
  ['wide frames', wide, both, { ...frames, T: 9, B: 2, input: wideInput }],
  ['fit dropout', dropped, ['rate m'], { ...fitDropout, thenBy: { method: 'bptt' } }],
  [
    'fit dropout',
    dropped,
    ['bptt m'],
    { ...fitDropout, thenBy: { method: 'sltt', backwardSteps: 2 } },
  ],
]

/** A factor that no rounding changes. */
const halved = ({ step }: { step: number }): number => 1 / (1 + (step >> 2))
const groups = [{ params: 'bn*', lr: 0.02, weightDecay: 0 }]
const averaged = { accumulate: 2, ema: 0.75, clipNorm: 0.05 }
const penalties = [
  ratePenalty({ weight: 0.5, target: 0.25 }),
  ratePenalty({ weight: 0.125, norm: 'L1' }),
]

/** What a training can ask of `fit`: optimizers, losses and all that changes a step. */
const trainings: readonly (readonly [string, readonly MethodName[], FitOptions])[] = [
  ['adam', offline, { optimizer: adam({ lr: 0.01, weightDecay: 2 ** -6 }) }],
  ['adamW groups', both, { optimizer: adamW({ lr: 0.01, groups }) }],
  ['adamW averaged', both, { optimizer: adamW({ lr: 0.01 }), ...averaged }],
  ['adam', ['ottt everyStep', 'sltt'], { optimizer: adam({ lr: 0.01 }), clipNorm: 0.5 }],
  ['rmsprop', ['bptt m', 'ottt everyStep'], { optimizer: rmsprop({ lr: 0.01, momentum: 0.5 }) }],
  ['sgd groups', ['rate m'], { optimizer: sgd({ lr: 0.1, groups }), freeze: ['conv1'] }],
  ['sgd averaged', ['rate m', 'ottt'], { optimizer: sgd({ lr: 0.1 }), ...averaged }],
  ['smoothed', ['rate m', 'ottt'], { loss: crossEntropy({ labelSmoothing: 0.125 }) }],
  ['counted', both, { loss: crossEntropy({ of: 'counts' }) }],
  ['mse', [...both, 'sltt'], { loss: mse({ correctRate: 0.75 }) }],
  ['tet', ['bptt m', 'sltt'], { loss: tet({ lambda: 0.25 }) }],
  ['penalties', offline, { penalties }],
]
const usual = { optimizer: sgd({ lr: 0.1 }), schedule: perStep(halved) }
const byFit = trainings.flatMap(([name, of, training]) =>
  of.map((method): Row => {
    const settings = { B: 5, fit: true, steps: 5, training: { ...usual, ...training } }
    const network = offline.includes(method) ? strided : standardised
    return [`fit ${name}`, network, [method], { ...settings, threaded: method === 'rate m' }]
  }),
)

const large = { large: true, steps: 5 }
const cifar = { ...large, input: [3, 32, 32] } as const
const slow = { ...large, slow: true }
const vgg = (): Block => vggsnn({ imageSize: 32 })
const dvs = (): Block => vggsnn({ inChannels: 2 })
const sew = (): Block => sewResnet34({ classes: 7 })

/** The paper's networks on the smallest images that they take. */
const paper: readonly Row[] = [
  ['vggsnn', vgg, ['rate m'], { ...cifar, T: 1, B: 2, long: true }],
  ['resnet18', resnet18, ['rate m'], { ...large, input: [3, 8, 8] }],
  ['sewResnet34', sew, ['rate m'], { ...cifar, T: 1, long: true }],
  ['vggsnn 32', vgg, [...offline, 'ottt', 'sltt K1'], { ...slow, input: [3, 32, 32] }],
  ['resnet18 16', resnet18, offline, { ...slow, input: [3, 16, 16], B: 5 }],
  ['sewResnet34 64', sew, offline, { ...slow, input: [3, 64, 64], B: 2 }],
  ['vggsnn frames', dvs, ['rate m'], { ...slow, ...frames, input: [2, 48, 48], B: 2 }],
]

export const cases: readonly GoldenCase[] = [...small, ...byFit, ...paper].flatMap(casesOf)
