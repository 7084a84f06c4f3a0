/** Random trainings, each from a seed, as plain data. */
import {
  type AugmentOptions,
  adam,
  adamW,
  augment,
  type Block,
  batchNorm2d,
  type Callback,
  type CompileOptions,
  conv2d,
  cosine,
  crossEntropy,
  csvLogger,
  type Dataset,
  dropout,
  earlyStopping,
  type FitOptions,
  flatten,
  fromArrays,
  fromBytes,
  type InputShape,
  type Loss,
  lif,
  linear,
  linearWarmup,
  type Monitor,
  mse,
  type Optimizer,
  oneCycle,
  type ParameterGroup,
  perStep,
  plateau,
  ratePenalty,
  residual,
  type Schedule,
  sequential,
  sgd,
  stepDecay,
  tet,
} from '../../src/index.js'
import { testRandom } from '../support/engine.js'

const classes = 3
/** Numbers of a sample, whatever its shape. */
const SIZE = 30

export type Random = () => number
export const pick = <T>(random: Random, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)]
/** An integer in min … max. */
export const between = (random: Random, min: number, max: number): number =>
  min + Math.floor(random() * (max - min + 1))

const methods: readonly Partial<CompileOptions>[] = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', gradientCheckpoint: 'layers' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
  { method: 'ottt', update: 'everyStep' },
  { method: 'sltt', backwardSteps: 2 },
  { method: 'sltt', update: 'everyStep' },
]

/** All that a training can be made of: each is drawn once, in an order of its own, then again. */
export const choices = {
  network: ['cnn', 'mlp', 'residual', 'vector', 'series', 'regression'],
  optimizer: ['sgd', 'sgd groups', 'adam', 'adam groups', 'adamW', 'adamW groups'],
  loss: ['crossEntropy', 'smoothing', 'counts', 'mse', 'mse counts', 'tet'],
  penalty: [undefined, 'L1', 'L2'],
  schedule: [
    ...['constant', 'cosine', 'cosine warm-up', 'linearWarmup', 'oneCycle', 'perStep'],
    ...['plateau', 'stepDecay', 'a function'],
  ],
  validation: ['data', 'split', 'none'],
  stopping: [undefined, 'stops', 'restores', 'restores first'],
  freeze: [false, true],
  clipNorm: [undefined, 0.5],
  accumulate: [undefined, 3],
  ema: [undefined, undefined, 0.9],
  csv: [true, false],
  dropout: [0, 0.2, 0.5],
  augment: [undefined, { crop: 1, flip: true }, { flip: true, cutout: 3 }],
  numWorkers: [0, 1],
  every: [1, 2, 3, 7, 'epoch'],
} as const

type Choices = { readonly [K in keyof typeof choices]: (typeof choices)[K][number] }

export interface Scenario extends Choices {
  readonly seed: number
  readonly compile: Partial<CompileOptions>
  readonly samples: number
  readonly epochs: number
  readonly monitor?: Monitor
  /** Whether it is a loop of `trainStep` over frames, with checkpoints of its own. */
  readonly frames: boolean
}

/** Neighbouring seeds draw all of a list before they draw one twice. */
function drawn<T>(list: readonly T[], seed: number, axis: number): T {
  const random = testRandom(1 + 131 * axis + 17 * Math.floor(seed / list.length))
  for (let i = 0; i < 8; i++) random()
  const rest = [...list]
  for (let i = seed % list.length; i > 0; i--) rest.splice(Math.floor(random() * rest.length), 1)
  return rest[Math.floor(random() * rest.length)]
}

/** What excludes one another gives way. */
function allowed(of: Choices, { method, update }: Partial<CompileOptions>): Choices {
  const { network, loss, schedule, validation, ema } = of
  const online = method === 'ottt' || method === 'sltt'
  const instead = method === 'rate' ? loss === 'tet' : online && loss.includes('counts')
  const values = network === 'regression'
  return {
    ...of,
    loss: values ? 'mse' : instead ? (method === 'rate' ? 'mse counts' : 'tet') : loss,
    penalty: online ? undefined : of.penalty,
    accumulate: update === 'everyStep' ? undefined : of.accumulate,
    augment: ['cnn', 'mlp', 'residual'].includes(network) ? of.augment : undefined,
    stopping: ema !== undefined && of.stopping?.startsWith('restores') ? 'stops' : of.stopping,
    validation: schedule === 'plateau' && validation === 'none' ? 'data' : validation,
  }
}

export function scenarioOf(seed: number): Scenario {
  const random = testRandom(seed)
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 8; i++) random()
  const method = methods[seed % methods.length]
  const all = Object.fromEntries(
    Object.entries(choices).map(([name, list], axis) => [name, drawn<unknown>(list, seed, axis)]),
  ) as unknown as Choices
  const of = allowed(all, method)
  const { validation, network } = of
  const figures: Monitor[] = ['trainLoss', validation === 'none' ? 'trainLoss' : 'testLoss']
  const online = method.method === 'ottt' || method.method === 'sltt'
  const mseWeight = online && /crossEntropy|smoothing/.test(of.loss) ? 0.2 : undefined
  return {
    ...of,
    seed,
    compile: {
      ...method,
      mseWeight,
      timeSteps: between(random, 2, 4),
      batchSize: between(random, 3, 8),
      seed,
    },
    samples: between(random, 30, 60),
    epochs: between(random, 2, 5),
    monitor: pick(random, [
      undefined,
      ...figures,
      ...(network === 'regression' ? [] : ['trainAccuracy' as const]),
    ]),
    frames: seed % 5 === 4,
  }
}

/** What it is made of, in a line. */
export function describeScenario(scenario: Scenario): string {
  const { compile, network, optimizer, loss, schedule, frames } = scenario
  const { method, stepMode = '', update = '' } = compile
  const { clipNorm, accumulate, ema, freeze, penalty, stopping, validation } = scenario
  const more = frames ? {} : { accumulate, ema, freeze, penalty, stopping, validation }
  const given = Object.entries({ clipNorm, augment: scenario.augment, ...more })
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  const how = frames ? ['frames', optimizer] : [optimizer, loss, schedule]
  return [network, method, stepMode, update, ...how, ...given].filter((x) => x !== '').join(', ')
}

const isImage = ({ network }: Scenario): boolean =>
  network === 'cnn' || network === 'mlp' || network === 'residual'

export function inputOf({ network }: Scenario): InputShape {
  if (network === 'vector' || network === 'regression') return [SIZE]
  return network === 'series' ? [3, 10] : [1, 6, 5]
}

/** The first layer with parameters, and the first neurons. */
function namesOf(scenario: Scenario): { first: string; neurons: string } {
  const { network } = scenario
  if (network === 'cnn' || network === 'residual') return { first: '0', neurons: '2' }
  return network === 'mlp' || network === 'series'
    ? { first: '1', neurons: '2' }
    : { first: '0', neurons: '1' }
}

export function networkOf({ network, dropout: p }: Scenario): Block {
  const drop = p > 0 ? [dropout(p)] : []
  const conv = [conv2d(1, 5, 3, { padding: 1 }), batchNorm2d(5), lif()]
  const body = residual(sequential(conv2d(5, 5, 3, { padding: 1 }), batchNorm2d(5), lif()))
  const dense = [linear(SIZE, 17), lif(), ...drop, linear(17, classes)]
  const layers = {
    cnn: [...conv, ...drop, flatten(), linear(150, 9), lif(), linear(9, classes)],
    mlp: [flatten(), ...dense],
    residual: [...conv, body, lif(), ...drop, flatten(), linear(150, classes)],
    vector: dense,
    series: [flatten(), ...dense],
    regression: dense,
  }
  return sequential(...layers[network])
}

function bytesOf(count: number, seed: number): Dataset {
  const random = testRandom(seed)
  const images = Uint8Array.from({ length: count * SIZE }, () => 256 * random())
  const labels = Array.from({ length: count }, () => Math.floor(random() * classes))
  const normalization = { scale: 255, mean: [0.5], std: [0.3] }
  const shape = [1, 6, 5] as const
  return fromBytes({ name: 'noise', images, labels, shape, classes, normalization })
}

function arraysOf(scenario: Scenario, count: number, seed: number): Dataset {
  const random = testRandom(seed)
  const floats = (length: number): Float32Array =>
    Float32Array.from({ length }, () => 2 * random() - 1)
  const inputs = floats(count * SIZE)
  const shape = inputOf(scenario)
  if (scenario.network === 'regression')
    return fromArrays({ inputs, targets: floats(count * classes), shape })
  const labels = Array.from({ length: count }, () => Math.floor(random() * classes))
  return fromArrays({ inputs, labels, classes, shape })
}

const samplesOf = (scenario: Scenario, count: number, seed: number): Dataset =>
  isImage(scenario) ? bytesOf(count, seed) : arraysOf(scenario, count, seed)

export function dataOf(scenario: Scenario): Dataset {
  const data = samplesOf(scenario, scenario.samples, 5)
  return scenario.augment ? augment(data, { ...(scenario.augment as AugmentOptions) }) : data
}

/** Float32 samples and labels of a step, for loops of one's own. */
export function batchOf({ seed, compile }: Scenario, step: number): [Float32Array, number[]] {
  const random = testRandom(1000 * seed + step)
  const { batchSize = 1, timeSteps = 1 } = compile
  const x = Float32Array.from({ length: timeSteps * batchSize * SIZE }, () => 2 * random() - 1)
  return [x, Array.from({ length: batchSize }, () => Math.floor(random() * classes))]
}

export function optimizerOf(scenario: Scenario): Optimizer {
  const [name, grouped] = scenario.optimizer.split(' ')
  const params = namesOf(scenario).first
  const groups: ParameterGroup[] = grouped ? [{ params, lr: 0.003, weightDecay: 0.02 }] : []
  if (name === 'adam') return adam({ lr: 0.01, groups })
  if (name === 'adamW') return adamW({ lr: 0.01, groups })
  return sgd({ lr: 0.05, momentum: scenario.seed % 3 === 0 ? 0 : 0.9, groups })
}

export function lossOf({ loss, network }: Scenario): Loss {
  if (network === 'regression') return mse({ targets: 'values' })
  return {
    crossEntropy: crossEntropy(),
    smoothing: crossEntropy({ labelSmoothing: 0.1 }),
    counts: crossEntropy({ of: 'counts' }),
    mse: mse(),
    'mse counts': mse({ of: 'counts' }),
    tet: tet(),
  }[loss]
}

function scheduleOf({ schedule, validation, epochs }: Scenario): Schedule | undefined {
  const monitor = validation === 'none' ? 'trainLoss' : 'testLoss'
  return {
    constant: undefined,
    cosine: cosine(),
    'cosine warm-up': cosine({ warmup: 1, min: 0.1, by: 'step' }),
    linearWarmup: linearWarmup(Math.min(epochs, 2), cosine()),
    oneCycle: oneCycle(),
    perStep: perStep(({ step, steps }) => 1 - step / (2 * steps)),
    plateau: plateau({ monitor, patience: 0, factor: 0.5, threshold: 0.2 }),
    stepDecay: stepDecay([1, 3], 4),
    'a function': (epoch: number) => 0.5 ** epoch,
  }[schedule]
}

/** What is given beside the checkpoint. */
export function callbacksOf({ stopping, validation, csv }: Scenario, csvPath: string): Callback[] {
  const monitor = validation === 'none' ? 'trainLoss' : 'testLoss'
  const early = {
    // These stop some of the trainings.
    stops: { patience: 1, minDelta: 0.05 },
    restores: { patience: 1, minDelta: 0.05, restoreBest: true },
    // Losses fall: the best epoch lies long before the end, and before most ends in between.
    'restores first': { patience: 99, mode: 'max', restoreBest: true },
  } as const
  return [
    ...(stopping ? [earlyStopping({ monitor, ...early[stopping] })] : []),
    ...(csv ? [csvLogger(csvPath)] : []),
  ]
}

export function fitOptionsOf(scenario: Scenario): FitOptions {
  const { epochs, numWorkers, validation, freeze, penalty, clipNorm, accumulate, ema } = scenario
  const { first, neurons } = namesOf(scenario)
  const layers = scenario.seed % 2 === 0 ? neurons : '*'
  return {
    epochs,
    numWorkers,
    ...{ clipNorm, accumulate, ema },
    optimizer: optimizerOf(scenario),
    schedule: scheduleOf(scenario),
    loss: lossOf(scenario),
    ...(penalty
      ? { penalties: [ratePenalty({ weight: 0.3, norm: penalty, target: 0.2, layers })] }
      : {}),
    ...(freeze ? { freeze: [`${first}.bias`] } : {}),
    ...(validation === 'data' ? { validation: samplesOf(scenario, 17, 6) } : {}),
    ...(validation === 'split' ? { validationSplit: 0.25 } : {}),
  }
}
