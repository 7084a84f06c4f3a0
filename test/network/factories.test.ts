/**
 * Every option and argument of every function that makes layers, losses, optimizers, schedules and
 * callbacks, with many values: which are taken and what becomes of them, and the messages for the
 * others, against factories.txt.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { compositeOf, graphToJson } from '../../src/network/json.js'
import { kindOf } from '../../src/network/kind.js'
import { test } from '../support/models.js'
import {
  compareLines,
  hashOf,
  type Line,
  lineOf,
  outcomeOf,
  plainLine,
  textOf,
  values,
} from '../support/outcomes.js'

type Maker = (...args: readonly unknown[]) => unknown

const makers = { ...api } as unknown as Readonly<Record<string, Maker>>

/** Functions that make networks, models or data, and those that do something. */
const others =
  `augment block checkGradient checkNeuron cnn compile custom esdResnet18 evaluateNet eventCnn
  exportWasm fromArrays fromBytes loadModel loadNir mlp netHeader netInfo networkFromJSON networkFromNir openNet
  layer permutation preactResnet34 pretrained readState residual resnet18 resnet19 sequential sewResnet34
  subset vgg11 vgg13 vggsnn`.split(/\s+/)

/** Arguments before the options, options that are there already, and strings that are rules. */
interface Row {
  readonly args?: readonly unknown[]
  readonly options?: readonly object[]
  /** It takes none. */
  readonly plain?: boolean
}

const windows: Row = { args: [4], options: [{}, { stride: 3, padding: 1 }] }
const { lif, leakyIntegrator, constant, stepDecay } = api
const none: Row = { plain: true }

const rows: Readonly<Record<string, Row>> = {
  adaptiveAvgPool1d: { args: [2], plain: true },
  adaptiveAvgPool2d: { args: [2], plain: true },
  adex: { options: [{}, { vCut: 20, EL: [-70, -60] }] },
  alif: { options: [{}, { learn: ['beta', 'tau', 'tauSyn', 'tauAdaptation'], tauSyn: 3 }] },
  avgPool1d: windows,
  avgPool2d: windows,
  batchNorm1d: { args: [3] },
  batchNorm2d: { args: [3] },
  conv1d: { args: [4, 6, 3], options: [{}, { groups: 2, standardise: true }] },
  conv2d: { args: [4, 6, 3], options: [{}, { groups: 2, standardise: true }] },
  convTranspose1d: { args: [4, 6, 3], options: [{}, { groups: 2, stride: 3, outputPadding: 1 }] },
  convTranspose2d: { args: [4, 6, 3], options: [{}, { groups: 2, stride: 3, outputPadding: 1 }] },
  cubaLif: { options: [{}, { vThreshold: [1, 2], learn: ['tauSyn', 'vThreshold'] }] },
  dcls1d: { args: [4, 3], options: [{ maxDelay: 5 }, { maxDelay: 1, interpolation: 'gauss' }] },
  delay: { args: [1], options: [{ maxDelay: 5 }, { maxDelay: 1, interpolation: 'gauss' }] },
  dropout: { args: [0.5], plain: true },
  elementwise: { args: ['x * sigmoid(beta*x)', { beta: 1 }] },
  exponentialIntegrateAndFire: {},
  expand: { args: [[4, -1]], plain: true },
  flatten: none,
  groupNorm: { args: [2, 4] },
  identity: none,
  integrateAndFire: { options: [{}, { vReset: 0, learn: ['vThreshold'] }] },
  integrator: {},
  izhikevich: { options: [{}, { b: [0.2, 0.25], inputScale: 10 }] },
  layerNorm: { args: [[4]] },
  leakyIntegrator: { options: [{}, { learn: ['tau', 'tauSyn'], tauSyn: 3 }] },
  lif: { options: [{}, { vThreshold: 2, vReset: 0.5 }, { vReset: [0, 0.5], vThreshold: [1, 2] }] },
  linear: { args: [2, 3] },
  maxPool1d: windows,
  maxPool2d: windows,
  neuron: { args: ['u = u + x; spike = u >= beta; u = u - beta*spike', { beta: 1 }] },
  permute: { args: [[2, 1]], plain: true },
  plif: { options: [{}, { refractory: 1 }] },
  quadraticIntegrateAndFire: { options: [{}, { surrogate: '1/(1 + x^2)', learn: ['tau'] }] },
  recurrent: { args: [lif({ vThreshold: 2, tau: 3, surrogate: 'atan', decayInput: true })] },
  relu: none,
  reshape: { args: [[4, -1]], plain: true },
  resonateAndFire: {},
  scale: { args: [2], plain: true },
  slice: { args: [1, 3, 1], plain: true },
  softmax: { args: [1], plain: true },
  stabilizedLif: {},
  sumPool1d: windows,
  sumPool2d: windows,
  timeMean: none,
  upsample: { options: [{ scale: 2 }, { size: 3, mode: 'bilinear', alignCorners: true }] },

  adam: { options: [{}, { groups: [{ params: 'a', lr: 1 }] }] },
  adamW: {},
  rmsprop: {},
  rule: { args: ['m = beta*m + g + decay*p; p = p - lr*m'], options: [{ beta: 1 }] },
  checkpoint: { options: [{ dir: 'run' }] },
  comparableLr: {
    args: [0.1],
    options: [
      { from: 'bptt', to: 'rate', timeSteps: 4 },
      { from: 'rate', to: 'sltt', timeSteps: 6, backwardSteps: 2 },
      { from: 'sltt', to: 'ottt', timeSteps: 6, backwardSteps: 2 },
    ],
  },
  constant: none,
  cosine: { options: [{}, { warmup: 3, min: 0.25 }, { warmup: 3, by: 'step' }] },
  crossEntropy: {},
  csvLogger: { args: ['file.csv'], options: [{}, { append: true }] },
  dashboard: {},
  earlyStopping: {},
  linearWarmup: { args: [3, stepDecay(2, 2)], options: [{}, { by: 'step' }] },
  mse: { options: [{}, { targets: 'values' }, { targets: 'labels', correctRate: 0.5 }] },
  oneCycle: { options: [{ by: 'epoch' }, {}, { anneal: 'linear', finalDivFactor: 2 }] },
  perStep: { args: [({ step }: { step: number }) => 1 / (step + 1)], plain: true },
  plateau: { options: [{}, { monitor: 'trainLoss', factor: 0.5, patience: 1 }] },
  progress: {},
  ratePenalty: { options: [{ weight: 1 }] },
  selfDistillation: {},
  sgd: { options: [{}, { groups: [{ params: 'a', lr: 1 }] }, { momentum: 0 }] },
  stepDecay: { args: [3, 2], plain: true },
  tet: {},
}

const names = `all weights epoch step cos linear atOrAbove above min max pooled official L1 L2 rates counts
  labels values default toString sigmoid atan triangle rectangle fastSigmoid piecewiseExp erf *
  rate bptt ottt sltt os 5m 0.5m 0m m 5 m5m`
const monitors = 'testAccuracy testLoss testMeanAbsoluteError trainAccuracy trainLoss'
/** Names that some option takes, and what else only one does. */
const special: readonly unknown[] = [
  ...names.split(/\s+/),
  5,
  100,
  ...monitors.split(' '),
  ['tau'],
  ['vThreshold'],
  ['vThreshold', 'tau'],
  ['tau', 'tau'],
  ['tauSyn'],
  ['beta'],
  ['tauAdaptation'],
  [1, 3, 7],
  [3, 3],
  [0.9, 0.999],
  [0.9, 1],
  [0.9],
  { stride: 1 },
  [{ params: 'a' }],
  [{ params: ['a', 'b'], lr: 0 }],
  [{ params: 'a', lr: -1 }],
  [{}],
  [null],
  [{ params: 'a', weightDecay: 0.5 }],
  [{ params: 'a', weightDecay: Number.NaN }],
  [{ params: [] }],
  [{ params: 'a', x: 1 }],
  constant,
  'cosine',
  stepDecay(2),
  lif,
  lif(),
  8,
  16,
  leakyIntegrator(),
  api.recurrent(lif()),
  { kind: 'neuron' },
  { write() {} },
  { write: 1 },
]
const all = [...values, ...special]

const records = [4, 3, 3.5, 3, 2.9999, 5, 6, 7, 1, 1, 1, 1].map((trainLoss, i) => ({
  epoch: i + 1,
  trainLoss,
  testLoss: 10 - i,
  testAccuracy: trainLoss,
  trainAccuracy: 0.5,
  testMeanAbsoluteError: Number.NaN,
  learningRate: 1,
}))

/** Factors of a schedule over 12 epochs of 2 steps, and what the schedule says of itself. */
function scheduled(schedule: api.Schedule): string {
  const factors = Array.from({ length: 24 }, (_, step) => {
    const epoch = step >> 1
    const at = { epoch, epochs: 12, step, steps: 24, records: records.slice(0, epoch) }
    return outcomeOf(() => Number(schedule(epoch, 12, at).toPrecision(9)))
  })
  const alone = outcomeOf(() => (schedule as api.EpochSchedule)(3, 12).toPrecision(9))
  return [factors.join(' '), alone, textOf({ ...schedule })].join('\n')
}

/** A layer; the same is made anew from its fields, and from JSON. */
function layered(layer: api.Module): string {
  const { kind, ...fields } = layer as { kind: never }
  const again = kindOf({ kind }).again(fields as never)
  assert.equal(again, layer, 'made anew')
  const graph = {
    nodes: [
      { kind: 'input', name: '' },
      { kind, name: 'it', inputs: [0], layer },
    ],
    output: 1,
  }
  const json = JSON.parse(JSON.stringify(graphToJson(graph as never)))
  assert.equal(compositeOf(json, 'it').children.it, layer, 'from JSON')
  return textOf(layer)
}

function show(made: unknown): string {
  if (typeof made === 'function') return scheduled(made as api.Schedule)
  const { kind } = Object(made) as { kind?: unknown }
  const isLayer = typeof kind === 'string' && kindOf({ kind } as never) !== undefined
  return isLayer ? layered(made as api.Module) : textOf(made)
}

const lines: Line[] = []
for (const [name, { args = [], options = [{}], plain = false }] of Object.entries(rows))
  test(name, () => {
    const make = makers[name]
    const made = (...given: readonly unknown[]): string => outcomeOf(() => make(...given), show)
    const tried = (of: string, call: (value: unknown) => string, given = all): void => {
      lines.push(
        lineOf(
          of,
          given.map((value) => [value, call(value)]),
        ),
      )
    }
    for (const [i, arg] of args.entries())
      tried(
        `${name}(${i + 1} in place of ${textOf(arg)})`,
        (value) => made(...args.with(i, value)),
        [undefined, ...all],
      )
    if (plain) {
      lines.push(plainLine(`${name}(): ${made(...args)}`))
      return
    }
    tried(`${name}(options)`, (value) => made(...args, value))
    const [, known] = made(...args, { '?': 1 }).split('is not an option; known are ')
    for (const [i, base] of options.entries()) {
      lines.push(plainLine(`${name}(${textOf(base)}): ${made(...args, base)}`))
      for (const option of known.split(', ')) {
        const call = (value: unknown) => made(...args, { ...base, [option]: value })
        const of = lineOf(
          `${name}.${option}`,
          all.map((value) => [value, call(value)]),
        )
        lines.push(i === 0 ? of : { ...of, text: `  ${option} ${hashOf(of.text)}` })
      }
    }
  })

test('each function that makes a part of a network or a training is here', () => {
  const names = Object.keys(makers).filter((name) => typeof makers[name] === 'function')
  const left = names.filter((name) => !Object.hasOwn(rows, name) && !/^[A-Z]/.test(name))
  assert.equal(left.sort(), others.toSorted())
})

test('factories.txt', () => compareLines('network/factories.txt', lines))

test.run()
