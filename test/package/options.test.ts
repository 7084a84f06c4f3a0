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
const four = { name: 'four', shape: [4], classes: 2, inputs: new Float32Array(8), labels: [0, 1] }
const data = api.fromArrays(four as never)
const track = { x: [0, 1], y: [0, 1], t: [0, 10], p: [0, 1], sensor: [2, 2] }
const recording = api.events.from(track as never)

type Table = Readonly<Record<string, Valid>>
/** The same for each of these functions. */
const all = (names: string, valid: Valid): Table =>
  Object.fromEntries(names.split(' ').map((name) => [name, valid]))

/** What makes layers, blocks, networks, data sets, and what training is told with. */
const ofPackage: Table = {
  ...all(
    'adex alif cubaLif exponentialIntegrateAndFire integrateAndFire integrator izhikevich lif plif ' +
      'quadraticIntegrateAndFire resonateAndFire stabilizedLif esdResnet18 preactResnet34 ' +
      'resnet18 resnet19 sewResnet34 vgg11 vgg13 vggsnn adam adamW rmsprop sgd checkpoint ' +
      'cosine crossEntropy dashboard earlyStopping mse oneCycle plateau progress ' +
      'selfDistillation tet',
    withOptions({}),
  ),
  ...all('avgPool1d avgPool2d maxPool1d maxPool2d sumPool1d sumPool2d', withOptions(2, {})),
  ...all('adaptiveAvgPool1d adaptiveAvgPool2d scale', plain(2)),
  ...all('flatten identity relu timeMean constant', plain()),
  ...all('batchNorm1d batchNorm2d', withOptions(3, {})),
  ...all('conv1d conv2d convTranspose1d convTranspose2d', withOptions(1, 2, 3, {})),
  upsample: withOptions({ scale: 2 }),
  block: plain({ a: api.relu() }, (m: { a: unknown }) => m.a),
  checkNeuron: withOptions('output = x', {}, {}),
  cnn: called('lif', withOptions(image, 3, {})),
  dcls1d: withOptions(1, 2, { maxDelay: 3 }),
  delay: withOptions(1, { maxDelay: 3 }),
  dropout: plain(0.5),
  elementwise: withOptions('beta*x', { beta: 1 }, { learn: [] }),
  eventCnn: called('lif', withOptions([2, 32, 32], 3, {})),
  groupNorm: withOptions(1, 2, {}),
  layerNorm: withOptions([4], {}),
  leakyIntegrator: withOptions({ tau: 2 }),
  linear: withOptions(2, 3, {}),
  mlp: called('lif', withOptions([4], 3, {})),
  neuron: withOptions('u = u + x; spike = u > 1', {}, {}),
  recurrent: withOptions(api.lif(), {}),
  residual: plain(api.relu(), api.identity()),
  comparableLr: withOptions(0.1, { from: 'bptt', to: 'rate', timeSteps: 4 }),
  csvLogger: withOptions('file.csv', {}),
  linearWarmup: withOptions(2, api.constant(), {}),
  expand: plain([4]),
  layer: withOptions({ forward: (_: unknown, x: unknown) => x }),
  permute: plain([1]),
  reshape: plain([4]),
  slice: plain(1, 2, 1),
  softmax: plain(1),
  perStep: plain(() => 1),
  ratePenalty: withOptions({ weight: 1 }),
  rule: withOptions('p = p - lr*g', {}),
  stepDecay: plain(2, 10),
  augment: withOptions(data, { flip: true }),
  fromArrays: plain(four),
  fromBytes: plain({}),
  permutation: plain(3, 0, 0),
  subset: plain(data, [0]),
}

const ofNeurons: Table = {
  of: called('neurons.of', plain(api.lif())),
  ...all('list surrogates', plain()),
}

const coded = withOptions(data, { timeSteps: 2 })
const ofEncoders: Table = {
  ...all('constant rate latency phase', coded),
  poisson: called('encoders.rate', coded),
  delta: withOptions(data, {}),
}

const ofEvents: Table = {
  from: plain({ x: [0], y: [0], t: [0], p: [0], sensor: [2, 2] }),
  toFrames: withOptions(recording, { timeWindow: 5 }),
  denoise: plain(recording, 10),
  downsample: withOptions(recording, { size: [1, 1] }),
  timeJitter: withOptions(recording, { std: 1, seed: 0 }),
  dropEvent: withOptions(recording, { p: 0.5 }),
  ...all('dropEventByTime dropEventByArea', withOptions(recording, { ratio: 0.5 })),
  eventDrop: withOptions(recording, {}),
}

/** Loaders of data sets: where options are, they come second. */
const loaded = withOptions('folder', {})
const ofDatasets: Table = {
  digits: plain(undefined),
  ...all('mnist fashionMnist cifar100', plain('folder')),
  ...all('cifar10 imageFolder imageNet eventFolder shd ssc', loaded),
  nmnist: called('N-MNIST', loaded),
  cifar10Dvs: called('CIFAR10-DVS', loaded),
  dvsGesture: called('DVS128 Gesture', loaded),
}

/** Functions that make nothing, or take any number of values. */
const others = [
  ...['Batches', 'Model', 'SpikewasmError', 'sequential'],
  ...[
    'checkGradient',
    'compile',
    'custom',
    'evaluateNet',
    'exportWasm',
    'loadModel',
    'loadNir',
    'netHeader',
    'netInfo',
  ],
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
  ['', ofPackage, api],
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
