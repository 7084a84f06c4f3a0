/** Random networks that hold every kind of layer in any order, for tests of plans. */

import { trace } from '../../src/graph/trace.js'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  alif,
  avgPool1d,
  avgPool2d,
  type Block,
  batchNorm1d,
  batchNorm2d,
  block,
  type CellOptions,
  conv1d,
  conv2d,
  crossEntropy,
  cubaLif,
  delay,
  dropout,
  flatten,
  groupNorm,
  identity,
  integrateAndFire,
  type Loss,
  layerNorm,
  leakyIntegrator,
  lif,
  linear,
  type Method,
  maxPool1d,
  maxPool2d,
  mse,
  plif,
  ratePenalty,
  recurrent,
  relu,
  residual,
  type StepMode,
  scale,
  sequential,
  stabilizedLif,
  sumPool1d,
  sumPool2d,
  tet,
  timeMean,
} from '../../src/index.js'
import { fires } from '../../src/nn/layers/kinds.js'
import type { Module } from '../../src/nn/module.js'
import type { PlanOptions } from '../../src/plan/plan.js'
import { standardTraining, type TrainingSpec } from '../../src/plan/training.js'
import { testRandom } from './engine.js'

type Random = () => number

const integer = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1))
const one = <T>(random: Random, of: readonly T[]): T => of[integer(random, 0, of.length - 1)]

/** Numbers of its own, so that networks behind it do not depend on what it draws. */
function cell(seed: number, tau: number, options: CellOptions, learnable: boolean): Module {
  const random = testRandom(seed)
  const learn = learnable && random() < 0.4 ? (['tau', 'vThreshold'] as const) : []
  const kind = random()
  if (kind < 0.3) return lif({ tau, ...options, refractory: 1, learn })
  if (kind < 0.6) return cubaLif({ tau, tauSyn: 3, ...options, learn })
  if (learnable && kind < 0.75) return leakyIntegrator({ tau, decayInput: true })
  return alif({ tau, tauAdaptation: 4, ...options, fires: 'above', learn })
}

/** Neurons that only some methods have, or none: true for those of a learnable tau. */
type Special = boolean | 'stabilized'

const neuron = (random: Random, special: Special): Module => {
  const options = {
    vReset: one(random, [null, null, 0, -0.25]),
    detachReset: random() < 0.6,
    decayInput: random() < 0.3,
  }
  if (special === 'stabilized' && random() < 0.5) {
    const { vReset, decayInput } = options
    return stabilizedLif({ vReset, decayInput })
  }
  if (special === true && random() < 0.3) return plif(options)
  const kind = random()
  if (kind < 0.1) return integrateAndFire()
  const tau = one(random, [1.25, 2])
  return kind < 0.88
    ? lif({ tau, ...options })
    : cell(Math.floor(kind * 1e6), tau, options, special === true)
}

/** One group for most, else any number that divides both. */
function groupsOf(random: Random, from: number, to: number): number {
  const divisors = Array.from({ length: from }, (_, i) => i + 1).filter(
    (n) => from % n === 0 && to % n === 0,
  )
  return random() < 0.6 ? 1 : one(random, divisors)
}

/** A convolution with or without normalisation, of as many pixels. */
const convolution = (random: Random, from: number, to: number): Module => {
  const kernel = one(random, [1, 3, 3, 5])
  const groups = groupsOf(random, from, to)
  const whole = groups === 1 || (to / groups) % 4 === 0
  const standardise = whole && kernel > 1 && random() < 0.15
  const conv = conv2d(from, to, kernel, {
    padding: (kernel - 1) / 2,
    groups,
    bias: random() < 0.5,
    standardise,
  })
  return random() < 0.7 ? sequential(conv, batchNorm2d(to)) : conv
}

/**
 * A network from images to classes.
 *
 * @param whole all steps are there at once, as `timeMean` needs them
 */
export function randomNetwork(
  random: Random,
  [channels, height]: readonly [number, number, number],
  learnable: Special,
  whole = false,
): Block {
  const layers: Module[] = []
  let width = one(random, [4, 8, 12, 20])
  let size = height
  layers.push(convolution(random, channels, width))
  if (random() < 0.8) layers.push(neuron(random, learnable))
  for (let i = integer(random, 0, 4); i > 0; i--) {
    const kind = random()
    if (kind < 0.35) {
      const to = one(random, [4, 8, 12, 40])
      layers.push(convolution(random, width, to))
      if (random() < 0.8) layers.push(neuron(random, learnable))
      width = to
    } else if (kind < 0.5 && size >= 4) {
      size >>= 1
      layers.push(random() < 0.5 ? avgPool2d(2) : maxPool2d(2))
    } else if (kind < 0.6) layers.push(dropout(0.3))
    else if (kind < 0.66) layers.push(scale(2.74))
    else if (kind < 0.74) layers.push(relu())
    else if (kind < 0.8)
      layers.push(
        residual(sequential(convolution(random, width, width), neuron(random, learnable))),
      )
    else if (kind < 0.95) {
      const to = one(random, [8, 12])
      layers.push(
        block(
          {
            main: convolution(random, width, to),
            side: random() < 0.5 && to === width ? identity() : convolution(random, width, to),
            out: random() < 0.8 ? neuron(random, learnable) : identity(),
          },
          (m, x, { add }) => m.out(add(m.main(x), m.side(x))),
        ),
      )
      width = to
    } else if (kind < 0.975) layers.push(neuron(random, learnable), scale(0.5))
    else
      layers.push(
        block(
          { more: scale(2.5), pool: avgPool2d(3, { stride: 1, padding: 1 }) },
          (m, x, { add }) => add(m.more(x), m.pool(x)),
        ),
        neuron(random, learnable),
      )
  }
  const isPooled = random() < 0.5
  // Numbers of its own, so that what is drawn behind them does not depend on them.
  const own = testRandom(sumOf(JSON.stringify(layers)))
  if (own() < 0.6) [width, size] = moreLayers(own, layers, width, size, learnable === true)
  let shape: readonly [number, number, number] = [width, size, size]
  if (isPooled) {
    shape = [width, 1, 1]
    layers.push(adaptiveAvgPool2d(1))
  } else if (own() < 0.5) shape = seriesLayers(own, layers, shape)
  if (whole && own() < 0.2) layers.push(timeMean())
  const features = shape[0] * shape[1] * shape[2]
  layers.push(flatten())
  if (own() < 0.3) layers.push(...hiddenLayer(own, features, learnable === true))
  else layers.push(linear(features, 5))
  return sequential(...layers)
}

/** A layer of few neurons, which have thresholds of their own or hear each other, and the last. */
function hiddenLayer(random: Random, features: number, recurs: boolean): Module[] {
  const width = one(random, [5, 8])
  const hears = recurs && random() < 0.5
  const cells = [lif({ tau: 2 }), cubaLif({ tau: 2, tauSyn: 3 }), alif({ tau: 2, vReset: 0 })]
  const vThreshold = Array.from({ length: width }, () => integer(random, 1, 6) / 4)
  const neurons = hears ? recurrent(one(random, cells)) : lif({ tau: 2, vThreshold })
  return [linear(features, width), neurons, linear(width, 5)]
}

const sumOf = (text: string): number =>
  Array.from(text).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1000003, 7)

/** Constants that no rounding changes. */
const constants = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => integer(random, -4, 8) / 4)

/**
 * Two layers between neurons, at most of each kind one: a normalisation of samples, pooling by sums
 * or to another size, constants, channels side by side, a delay where the method takes it.
 */
function moreLayers(
  random: Random,
  layers: Module[],
  channels: number,
  height: number,
  learnable: boolean,
): [number, number] {
  let [width, size] = [channels, height]
  const kinds = ['groups', 'layer', 'scale', 'concat', 'sums', 'size']
  for (const kind of [one(random, kinds), learnable ? 'delay' : one(random, kinds)]) {
    if (kind === 'groups')
      layers.push(
        groupNorm(one(random, [1, width % 2 ? 1 : 2, width]), width, { affine: random() < 0.7 }),
      )
    else if (kind === 'layer')
      layers.push(layerNorm([width, size, size].slice(sumOf(`${width} ${size}`) % 3)))
    else if (kind === 'scale')
      layers.push(scale(constants(random, width * (random() < 0.5 ? 1 : size * size))))
    else if (kind === 'delay')
      layers.push(
        delay(
          random() < 0.5
            ? integer(random, 1, 3)
            : Array.from({ length: width }, () => integer(random, 0, 3)),
        ),
      )
    else if (kind === 'concat') {
      const to = one(random, [3, 8])
      const main = convolution(random, width, to)
      layers.push(
        block(
          { main: random() < 0.6 ? sequential(main, neuron(random, learnable)) : main },
          (m, x, { concat }) => concat(x, m.main(x)),
        ),
      )
      width += to
    } else if (kind === 'sums' && size >= 4) {
      size >>= 1
      layers.push(sumPool2d(2))
    } else if (kind === 'size' && size >= 3) {
      size--
      layers.push(adaptiveAvgPool2d(size))
    }
    if (random() < 0.5) layers.push(neuron(random, learnable))
  }
  return [width, size]
}

/** The image as a series. */
function seriesLayers(
  random: Random,
  layers: Module[],
  [width]: readonly [number, number, number],
): [number, number, number] {
  const to = one(random, [4, 6])
  layers.push(
    adaptiveAvgPool2d([1, 8]),
    neuron(random, false),
    conv1d(width, to, 3, { padding: 1, bias: random() < 0.5 }),
    batchNorm1d(to),
    neuron(random, false),
    one(random, [avgPool1d(2), sumPool1d(2), maxPool1d(2)]),
  )
  const length = random() < 0.5 ? 4 : 3
  layers.push(adaptiveAvgPool1d(length))
  return [to, 1, length]
}

const methods: readonly [Method, StepMode][] = [
  ['rate', 'm'],
  ['rate', 's'],
  ['bptt', 'm'],
  ['bptt', 's'],
  ['ottt', 's'],
  ['sltt', 's'],
  ['os', 's'],
]

/** A network with everything that a plan is made for. */
export function randomPlanOptions(random: Random): PlanOptions {
  const input = [
    one(random, [1, 3]),
    ...one(random, [
      [8, 8],
      [9, 9],
      [12, 12],
    ]),
  ] as unknown as [number, number, number]
  const [method, stepMode] = one(random, methods)
  const timeSteps = one(random, [1, 2, 4, 6, 9])
  const purpose = one(random, ['train', 'train', 'train', 'inference', 'stream'] as const)
  const special = method === 'os' ? 'stabilized' : method === 'bptt'
  const whole = stepMode === 'm' && purpose !== 'stream'
  const graph = trace(randomNetwork(random, input, special, whole), input)
  const options: PlanOptions = {
    graph,
    input,
    frames: random() < 0.4,
    timeSteps,
    batchSize: integer(random, 1, 9),
    inspect: random() < 0.2,
    method,
    stepMode,
    update: random() < 0.5 || method === 'os' ? 'afterwards' : 'everyStep',
    mseWeight: 0.05,
    backwardSteps: timeSteps,
    purpose,
  }
  // Numbers of its own, so that networks behind it do not depend on what it draws.
  const own = testRandom(graph.nodes.length * 1009 + timeSteps * 31 + options.batchSize)
  return { ...options, training: randomTraining(own, options) }
}

/** The standard one mostly; else a loss, and penalties, that the method defines. */
function randomTraining(random: Random, { method, graph }: PlanOptions): TrainingSpec {
  if (random() < 0.6) return standardTraining
  const online = method === 'ottt' || method === 'sltt' || method === 'os'
  const of = online || random() < 0.5 ? 'rates' : 'counts'
  const losses: readonly Loss[] = [
    crossEntropy({ labelSmoothing: 0.1, of }),
    mse({ of, correctRate: 0.9, incorrectRate: 0.1 }),
    mse({ of, targets: 'values' }),
    ...(method === 'rate' ? [] : [tet(), tet({ lambda: 0.5, mean: 0.5 })]),
  ]
  const layers = graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  const penalties = (['L1', 'L2'] as const)
    .filter(() => !online && random() < 0.5)
    .map((norm) => ({ ...ratePenalty({ weight: 0.5, norm, target: 0.25 }), layers }))
  return { ...standardTraining, loss: one(random, losses), penalties }
}
