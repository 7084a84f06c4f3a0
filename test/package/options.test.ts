/** Every function that makes something refuses what it does not read, by its own name. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { messageOf } from '../files/temporary.js'

/** Valid arguments, and whether the last one is options. */
interface Valid {
  readonly args: readonly unknown[]
  readonly options: boolean
  /** What messages call it, or its options, if not by its own name. */
  readonly called?: string
}
const plain = (...args: readonly unknown[]): Valid => ({ args, options: false })
const withOptions = (...args: readonly unknown[]): Valid => ({ args, options: true })
const called = (name: string, of: Valid): Valid => ({ ...of, called: name })

const image = [1, 8, 8]
const data = api.fromArrays({
  name: 'four',
  shape: [4],
  classes: 2,
  inputs: new Float32Array(8),
  labels: [0, 1],
} as never)
const recording = api.events.from({
  x: [0, 1],
  y: [0, 1],
  t: [0, 10],
  p: [0, 1],
  sensor: [2, 2],
} as never)

/** What makes layers, blocks and networks. */
const networks: Record<string, Valid> = {
  adaptiveAvgPool1d: plain(2),
  adaptiveAvgPool2d: plain(2),
  resonateAndFire: withOptions({}),
  quadraticIntegrateAndFire: withOptions({}),
  izhikevich: withOptions({}),
  exponentialIntegrateAndFire: withOptions({}),
  adex: withOptions({}),
  alif: withOptions({}),
  avgPool1d: withOptions(2, {}),
  avgPool2d: withOptions(2, {}),
  batchNorm1d: withOptions(3, {}),
  batchNorm2d: withOptions(3, {}),
  block: plain({ a: api.relu() }, (m: { a: unknown }) => m.a),
  checkNeuron: withOptions('output = x', {}, {}),
  cnn: called('lif', withOptions(image, 3, {})),
  conv1d: withOptions(1, 2, 3, {}),
  conv2d: withOptions(1, 2, 3, {}),
  cubaLif: withOptions({}),
  delay: plain(1),
  dropout: plain(0.5),
  elementwise: withOptions('beta*x', { beta: 1 }, { learn: [] }),
  esdResnet18: withOptions({}),
  eventCnn: called('lif', withOptions([2, 32, 32], 3, {})),
  flatten: plain(),
  groupNorm: withOptions(1, 2, {}),
  identity: plain(),
  integrateAndFire: withOptions({}),
  integrator: withOptions({}),
  layerNorm: withOptions([4], {}),
  leakyIntegrator: withOptions({ tau: 2 }),
  lif: withOptions({}),
  linear: withOptions(2, 3, {}),
  maxPool1d: withOptions(2, {}),
  maxPool2d: withOptions(2, {}),
  mlp: called('lif', withOptions([4], 3, {})),
  neuron: withOptions('u = u + x; spike = u > 1', {}, {}),
  plif: withOptions({}),
  preactResnet34: withOptions({}),
  recurrent: withOptions(api.lif(), {}),
  relu: plain(),
  residual: plain(api.relu(), api.identity()),
  resnet18: withOptions({}),
  resnet19: withOptions({}),
  scale: plain(2),
  sewResnet34: withOptions({}),
  stabilizedLif: withOptions({}),
  sumPool1d: withOptions(2, {}),
  sumPool2d: withOptions(2, {}),
  timeMean: plain(),
  vgg11: withOptions({}),
  vgg13: withOptions({}),
  vggsnn: withOptions({}),
}

/** What training is told with. */
const training: Record<string, Valid> = {
  adam: withOptions({}),
  adamW: withOptions({}),
  rmsprop: withOptions({}),
  checkpoint: withOptions({}),
  comparableLr: withOptions(0.1, { from: 'bptt', to: 'rate', timeSteps: 4 }),
  constant: plain(),
  cosine: withOptions({}),
  crossEntropy: withOptions({}),
  csvLogger: withOptions('file.csv', {}),
  dashboard: withOptions({}),
  earlyStopping: withOptions({}),
  linearWarmup: withOptions(2, api.constant(), {}),
  mse: withOptions({}),
  oneCycle: withOptions({}),
  perStep: plain(() => 1),
  plateau: withOptions({}),
  progress: withOptions({}),
  ratePenalty: withOptions({ weight: 1 }),
  selfDistillation: withOptions({}),
  sgd: withOptions({}),
  stepDecay: plain(2, 10),
  tet: withOptions({}),
}

const sets: Record<string, Valid> = {
  augment: withOptions(data, { flip: true }),
  fromArrays: plain({
    name: 'four',
    shape: [4],
    classes: 2,
    inputs: new Float32Array(8),
    labels: [0, 1],
  }),
  fromBytes: plain({}),
  permutation: plain(3, 0, 0),
  subset: plain(data, [0]),
}

const ofNeurons: Record<string, Valid> = {
  of: called('neurons.of', plain(api.lif())),
  list: plain(),
  surrogates: plain(),
}

const ofEncoders: Record<string, Valid> = {
  constant: withOptions(data, { timeSteps: 2 }),
  rate: withOptions(data, { timeSteps: 2 }),
  poisson: called('encoders.rate', withOptions(data, { timeSteps: 2 })),
  latency: withOptions(data, { timeSteps: 2 }),
  delta: withOptions(data, {}),
  phase: withOptions(data, { timeSteps: 2 }),
}

const ofEvents: Record<string, Valid> = {
  from: plain({ x: [0], y: [0], t: [0], p: [0], sensor: [2, 2] }),
  toFrames: withOptions(recording, { timeWindow: 5 }),
  denoise: plain(recording, 10),
  downsample: withOptions(recording, { size: [1, 1] }),
  timeJitter: withOptions(recording, { std: 1, seed: 0 }),
  dropEvent: withOptions(recording, { p: 0.5 }),
  dropEventByTime: withOptions(recording, { ratio: 0.5 }),
  dropEventByArea: withOptions(recording, { ratio: 0.5 }),
  eventDrop: withOptions(recording, {}),
}

/** Loaders of data sets: where options are, they come second. */
const ofDatasets: Record<string, Valid> = {
  digits: plain(undefined),
  mnist: plain('folder'),
  fashionMnist: plain('folder'),
  cifar10: withOptions('folder', {}),
  cifar100: plain('folder'),
  imageFolder: withOptions('folder', {}),
  imageNet: withOptions('folder', {}),
  nmnist: called('N-MNIST', withOptions('folder', {})),
  cifar10Dvs: called('CIFAR10-DVS', withOptions('folder', {})),
  dvsGesture: called('DVS128 Gesture', withOptions('folder', {})),
  eventFolder: withOptions('folder', {}),
}

/** Functions that make nothing, or take any number of values. */
const others = [
  ...['Batches', 'Model', 'SpikewasmError', 'sequential'],
  ...['compile', 'evaluateNet', 'exportWasm', 'loadModel', 'loadNir', 'netHeader', 'netInfo'],
  ...['networkFromJSON', 'networkFromNir', 'openNet', 'pretrained', 'readState'],
]

type Made = (...args: readonly unknown[]) => unknown

function check(prefix: string, name: string, make: Made, { args, options, called }: Valid): void {
  const refuses = async (...given: readonly unknown[]): Promise<void> => {
    const message = await messageOf(async () => make(...given))
    const isNamed = message.includes(name) || (called !== undefined && message.includes(called))
    assert.ok(isNamed && message.includes('nonsense'), message)
  }
  test(`${prefix}${name} takes all its arguments`, async () => {
    const message = await messageOf(async () => make(...args)).catch(() => '')
    assert.not.match(message, /takes no more arguments|has no option/)
  })
  test(`${prefix}${name} refuses one argument more`, () => refuses(...args, 'nonsense'))
  test(`${prefix}${name} refuses options that it has not`, () => {
    const before = options ? args.slice(0, -1) : args
    const known = options ? (args[args.length - 1] as object) : {}
    return refuses(...before, { ...known, nonsense: 1 })
  })
}

const groups = [
  ['', { ...networks, ...training, ...sets }, api],
  ['neurons.', ofNeurons, api.neurons],
  ['encoders.', ofEncoders, api.encoders],
  ['events.', ofEvents, api.events],
  ['datasets.', ofDatasets, api.datasets],
] as const
for (const [prefix, table, from] of groups) {
  for (const [name, valid] of Object.entries(table) as [string, Valid][])
    check(prefix, name, from[name as never] as Made, valid)
  test(`all functions of ${prefix || 'the package'} are here`, () => {
    const named = Object.entries(from).filter(([, value]) => typeof value === 'function')
    const left = named.map(([name]) => name).filter((name) => !(name in table))
    assert.equal(
      left.filter((name) => prefix !== '' || !others.includes(name)),
      prefix === 'events.' ? ['read'] : [],
    )
  })
}

test.run()
