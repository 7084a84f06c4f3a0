/** Random trainings, each from a seed, as plain data. */
import {
  type AugmentOptions,
  augment,
  type Block,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  cosine,
  type Dataset,
  dropout,
  type FitOptions,
  flatten,
  fromBytes,
  lif,
  linear,
  type Monitor,
  residual,
  sequential,
  sgd,
} from '../../src/index.js'
import { testRandom } from '../support/engine.js'

const shape = [1, 6, 5] as const
const classes = 3

export type Random = () => number
export const pick = <T>(random: Random, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)]
/** An integer in min … max. */
export const between = (random: Random, min: number, max: number): number =>
  min + Math.floor(random() * (max - min + 1))

const methods: readonly Partial<CompileOptions>[] = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
  { method: 'ottt', update: 'everyStep' },
  { method: 'sltt', backwardSteps: 2 },
  { method: 'sltt', update: 'everyStep' },
]

export interface Scenario {
  readonly compile: Partial<CompileOptions>
  readonly network: 'cnn' | 'mlp' | 'residual'
  readonly dropout: number
  readonly augment?: AugmentOptions
  readonly samples: number
  readonly validation: boolean
  readonly epochs: number
  readonly numWorkers: 0 | 1
  readonly schedule: 'cosine' | 'constant' | 'steps'
  readonly optimizer: { readonly lr: number; readonly momentum: number }
  readonly every: number | 'epoch'
  readonly monitor?: Monitor
}

export function scenarioOf(seed: number): Scenario {
  const random = testRandom(seed)
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 8; i++) random()
  const method = methods[seed % methods.length]
  const timeSteps = between(random, 2, 4)
  const validation = random() < 0.7
  return {
    compile: { ...method, timeSteps, batchSize: between(random, 3, 8), seed },
    network: pick(random, ['cnn', 'mlp', 'residual'] as const),
    dropout: pick(random, [0, 0.2, 0.5]),
    augment: pick(random, [undefined, { crop: 1, flip: true }, { flip: true, cutout: 3 }]),
    samples: between(random, 30, 60),
    validation,
    epochs: between(random, 2, 4),
    numWorkers: pick(random, [0, 1] as const),
    schedule: pick(random, ['cosine', 'constant', 'steps'] as const),
    optimizer: { lr: 0.05, momentum: pick(random, [0, 0.9]) },
    every: pick(random, [1, 2, 3, 7, 'epoch'] as const),
    monitor: pick(random, [undefined, 'trainLoss', validation ? 'testLoss' : 'trainAccuracy']),
  }
}

export function networkOf({ network, dropout: p }: Scenario): Block {
  const drop = p > 0 ? [dropout(p)] : []
  const conv = [conv2d(1, 5, 3, { padding: 1 }), batchNorm2d(5), lif()]
  const body = residual(sequential(conv2d(5, 5, 3, { padding: 1 }), batchNorm2d(5), lif()))
  const layers = {
    cnn: [...conv, ...drop, flatten(), linear(150, 9), lif(), linear(9, classes)],
    mlp: [flatten(), linear(30, 17), lif(), ...drop, linear(17, classes)],
    residual: [...conv, body, lif(), ...drop, flatten(), linear(150, classes)],
  }
  return sequential(...layers[network])
}

function bytesOf(count: number, seed: number): Dataset {
  const random = testRandom(seed)
  const images = Uint8Array.from({ length: count * 30 }, () => 256 * random())
  const labels = Array.from({ length: count }, () => Math.floor(random() * classes))
  const normalization = { scale: 255, mean: [0.5], std: [0.3] }
  return fromBytes({ name: 'noise', images, labels, shape, classes, normalization })
}

export const inputOf = shape

export function dataOf({ samples, augment: how }: Scenario): Dataset {
  const data = bytesOf(samples, 5)
  return how ? augment(data, how) : data
}

const halved = (epoch: number): number => 0.5 ** epoch

export function fitOptionsOf(scenario: Scenario): FitOptions {
  const { epochs, numWorkers, optimizer, schedule, validation } = scenario
  const schedules = { cosine: cosine(), constant: undefined, steps: halved }
  return {
    epochs,
    numWorkers,
    optimizer: sgd(optimizer),
    schedule: schedules[schedule],
    validation: validation ? bytesOf(17, 6) : undefined,
  }
}
