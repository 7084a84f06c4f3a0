/** Random networks of every kind of layer in any order, for tests of plans. */

import { type GraphNode, trace } from '../../src/graph/trace.js'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  type Block,
  batchNorm1d,
  batchNorm2d,
  block,
  conv1d,
  conv2d,
  crossEntropy,
  delay,
  dropout,
  flatten,
  groupNorm,
  identity,
  integrateAndFire,
  type Loss,
  type LossOf,
  layerNorm,
  lif,
  linear,
  type Method,
  maxPool1d,
  maxPool2d,
  mse,
  type NeuronOptions,
  plif,
  ratePenalty,
  relu,
  residual,
  scale,
  selfDistillation,
  sequential,
  stabilizedLif,
  sumPool1d,
  sumPool2d,
  tet,
  timeMean,
} from '../../src/index.js'
import { fires } from '../../src/nn/layers/kinds.js'
import type { Module } from '../../src/nn/module.js'
import { type Purpose, purposes } from '../../src/plan/context.js'
import { type MethodTraits, methodsTaking, stepModesOf, traitsOf } from '../../src/plan/methods.js'
import type { PlanOptions } from '../../src/plan/plan.js'
import { standardTraining, type TrainingSpec } from '../../src/plan/training.js'
import { integer, one, type Random, randomCell, randomIntegrator } from './cells.js'
import { keysOf, lossesOfOneOutput, methodModes, surrogateNames } from './tables.js'

type Shape = readonly [number, number, number]

/** Where a layer is drawn: what it gets, and what the method has. */
export interface Place {
  readonly random: Random
  readonly shape: Shape
  /** It is a vector. */
  readonly flat: boolean
  readonly has: Pick<MethodTraits, 'learnsTau' | 'neuron' | 'stabilizes'>
  /** All steps are there at once, as `timeMean` needs them. */
  readonly whole: boolean
}

/** Layers, one of the kind among them; none where the kind has no place. */
type Draw = (place: Place) => readonly Module[]

const neuronOptions = (random: Random) => ({
  vReset: one(random, [null, null, 0, -0.25]),
  decayInput: random() < 0.3,
  surrogate: one(random, surrogateNames),
})

/** Neurons of one kind for a layer. */
const neurons: Readonly<Record<string, (tau: number, options: NeuronOptions) => Module>> = {
  lif: (tau, options) => lif({ tau, ...options }),
  integrateAndFire: (_, { decayInput: __, ...options }) => integrateAndFire(options),
  plif: (_, options) => plif(options),
}

/** One group for most, else any number that divides both. */
function groupsOf(random: Random, from: number, to: number): number {
  const divisors = Array.from({ length: from }, (_, i) => i + 1).filter(
    (n) => from % n === 0 && to % n === 0,
  )
  return random() < 0.6 ? 1 : one(random, divisors)
}

/** A convolution of as many pixels. */
const convolution = (random: Random, from: number, to: number): Module => {
  const kernel = one(random, [1, 3, 3, 5])
  const groups = groupsOf(random, from, to)
  const whole = groups === 1 || (to / groups) % 4 === 0
  const standardise = whole && kernel > 1 && random() < 0.15
  const padding = (kernel - 1) / 2
  return conv2d(from, to, kernel, { padding, groups, bias: random() < 0.5, standardise })
}

const widthOf = (random: Random): number => one(random, [4, 8, 12, 40])

const normalised = ({ random, shape: [c] }: Place, to = widthOf(random)): Module[] => [
  convolution(random, c, to),
  batchNorm2d(to),
]

/** Whether a channel has several numbers, which training normalises by. */
const hasSeveral = ({ shape: [, h, w], flat }: Place): boolean => !flat && h * w > 1

/** With or without normalisation. */
const convolved = (place: Place, to?: number): Module =>
  sequential(...normalised(place, to).slice(0, hasSeveral(place) && place.random() < 0.7 ? 2 : 1))

/** Constants that no rounding changes. */
const constants = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => integer(random, -4, 8) / 4)

/** Layers of series, behind what makes a series of an image. */
const ofSeries =
  (make: (channels: number, random: Random) => readonly Module[]): Draw =>
  ({ random, shape: [c, h, w], flat }) => {
    if (flat) return []
    const series = h === 1 && w > 3 ? [] : [adaptiveAvgPool2d([1, 8]), lif({ tau: 2 })]
    return [...series, ...make(c, random)]
  }

/** Two branches that are added. */
function added(place: Place): Module {
  const { random, shape } = place
  const [c] = shape
  if (random() < 0.3) return residual(sequential(convolved(place, c), spikes(place)))
  if (random() < 0.2)
    return block(
      { more: scale(2.5), pool: avgPool2d(3, { stride: 1, padding: 1 }) },
      (m, x, { add }) => add(m.more(x), m.pool(x)),
    )
  const to = one(random, [c, 8, 12])
  const side = to === c && random() < 0.5 ? identity() : convolved(place, to)
  const after = { ...place, shape: [to, shape[1], shape[2]] as const }
  const out = random() < 0.8 ? spikes(after) : identity()
  return block({ main: convolved(place, to), side, out }, (m, x, { add }) =>
    m.out(add(m.main(x), m.side(x))),
  )
}

/** Layers that are drawn by each kind of the product's. */
export const draws: Readonly<Record<Exclude<GraphNode['kind'], 'input'>, Draw>> = {
  conv2d: (place) => (place.flat ? [] : [convolved(place)]),
  batchNorm2d: (place) => (hasSeveral(place) ? normalised(place) : []),
  linear: ({ random, shape: [c], flat }) => (flat ? [linear(c, one(random, [5, 8, 12]))] : []),
  neuron: ({ random, has }) => {
    const types = keysOf(neurons).filter((type) => type !== 'plif' || has.learnsTau)
    const options = { ...neuronOptions(random), detachReset: random() < 0.6 }
    return [neurons[one(random, ['lif', ...types])](one(random, [1.25, 2]), options)]
  },
  cell: ({ random, shape, has: { learnsTau: learns, neuron } }) => {
    if (learns && random() < 0.3) return [randomIntegrator(random, shape, random() < 0.5)]
    const hears = neuron !== 'eligibility' && shape[0] * shape[1] * shape[2] <= 40 && random() < 0.6
    return [randomCell(random, shape, { learns: learns && random() < 0.5, hears })]
  },
  stabilizedLif: ({ random, has }) =>
    has.stabilizes ? [stabilizedLif(neuronOptions(random))] : [],
  avgPool2d: ({ shape: [, h, w] }) => (Math.min(h, w) >= 4 ? [avgPool2d(2)] : []),
  maxPool2d: ({ shape: [, h, w] }) => (Math.min(h, w) >= 4 ? [maxPool2d(2)] : []),
  sumPool2d: ({ shape: [, h, w] }) => (Math.min(h, w) >= 4 ? [sumPool2d(2)] : []),
  adaptiveAvgPool2d: ({ random, shape: [, h, w] }) =>
    Math.min(h, w) >= 3 ? [adaptiveAvgPool2d(one(random, [1, h - 1, h - 1]))] : [],
  dropout: () => [dropout(0.3)],
  scale: ({ random, shape: [c, h, w] }) => {
    const count = one(random, [0, c, c * h * w])
    return [scale(count === 0 ? one(random, [0.5, 2.74]) : constants(random, count))]
  },
  flatten: ({ flat }) => (flat ? [] : [flatten()]),
  identity: () => [identity()],
  relu: () => [relu()],
  timeMean: ({ whole }) => (whole ? [timeMean()] : []),
  delay: ({ random, shape: [c], flat, has }) => {
    const steps = (): number => integer(random, 0, 3)
    if (has.neuron === 'surrogate') return []
    return [delay(flat || random() < 0.5 ? 1 + steps() : Array.from({ length: c }, steps))]
  },
  groupNorm: ({ random, shape: [c], flat }) =>
    flat ? [] : [groupNorm(one(random, [1, c % 2 ? 1 : 2, c]), c, { affine: random() < 0.7 })],
  layerNorm: ({ random, shape, flat }) => [
    layerNorm(flat ? [shape[0]] : shape.slice(integer(random, 0, 2))),
  ],
  add: (place) => (place.flat ? [] : [added(place)]),
  concat: (place) => {
    if (place.flat) return []
    const to = one(place.random, [3, 8])
    const after = { ...place, shape: [to, place.shape[1], place.shape[2]] as const }
    const spiking = place.random() < 0.6 ? [spikes(after)] : []
    const main = sequential(convolved(place, to), ...spiking)
    return [block({ main }, (m, x, { concat }) => concat(x, m.main(x)))]
  },
  conv1d: ofSeries((c, random) => [conv1d(c, 6, 3, { padding: 1, bias: random() < 0.5 })]),
  batchNorm1d: ofSeries((c) => [conv1d(c, 4, 3, { padding: 1 }), batchNorm1d(4)]),
  avgPool1d: ofSeries(() => [avgPool1d(2)]),
  maxPool1d: ofSeries(() => [maxPool1d(2)]),
  sumPool1d: ofSeries(() => [sumPool1d(2)]),
  adaptiveAvgPool1d: ofSeries((_, random) => [adaptiveAvgPool1d(integer(random, 3, 4))]),
}

/** Layers that fire, most of them neurons of one kind. */
function spikes(place: Place): Module {
  const { random, has } = place
  if (has.stabilizes && random() < 0.5) return draws.stabilizedLif(place)[0]
  return draws[random() < 0.85 ? 'neuron' : 'cell'](place)[0]
}

/** Kinds between others; what timeMean gives has no steps. */
const between = keysOf(draws).filter((kind) => kind !== 'timeMean')

/**
 * A network from images to classes.
 *
 * @param method it has layers that this method trains
 * @param whole all steps are there at once, as `timeMean` needs them
 */
export function randomNetwork(random: Random, input: Shape, method: Method, whole = false): Block {
  const layers: Module[] = []
  const has = traitsOf({ method, stepMode: stepModesOf(method)[0] })
  let place: Place = { random, shape: input, flat: false, has, whole }
  const push = (...more: readonly Module[]): void => {
    layers.push(...more)
    // A vector is traced as one.
    const all = sequential(...(place.flat ? [flatten()] : []), ...more, identity())
    const { shape, flat } = trace(all, place.shape).nodes.at(-1)!
    const features = shape[0] * shape[1] * shape[2]
    place = { ...place, shape: flat ? [features, 1, 1] : shape, flat }
  }
  push(convolution(random, input[0], widthOf(random)))
  if (random() < 0.8) push(spikes(place))
  for (let left = integer(random, 1, 6); left > 0; left--) {
    const often = one(random, ['conv2d', 'conv2d', 'add'] as const)
    let drawn: readonly Module[] = []
    while (drawn.length === 0) drawn = draws[random() < 0.3 ? often : one(random, between)](place)
    push(...drawn)
    if (random() < 0.6) push(spikes(place))
  }
  if (random() < 0.4 && !place.flat) push(adaptiveAvgPool2d(1))
  if (random() < 0.2) push(...draws.timeMean(place))
  push(...draws.flatten(place))
  if (random() < 0.3) {
    push(...draws.linear(place))
    push(spikes(place))
  }
  return sequential(...layers, linear(place.shape[0], 5))
}

/** The network with another output beside its last layer's. */
const withExit = ({ children }: Block): Block => {
  const layers = Object.values(children)
  const body = sequential(...layers.slice(0, -1))
  const last = layers.at(-1) as Module
  return block({ body, early: { ...last }, last }, (m, x) => {
    const features = m.body(x)
    return { early: m.early(features), output: m.last(features) }
  })
}

/** A network with everything that a plan is made for. */
export function randomPlanOptions(random: Random): PlanOptions {
  const size = one(random, [8, 9, 12])
  const input = [one(random, [1, 3]), size, size] as const
  const [method, stepMode] = one(random, methodModes())
  const timeSteps = one(random, [1, 2, 4, 6, 9])
  const purpose = one<Purpose>(random, ['train', 'train', ...keysOf(purposes)])
  const whole = stepMode === 'm' && purpose !== 'stream'
  const network = randomNetwork(random, input, method, whole)
  const exits = whole && random() < 0.15
  const graph = trace(exits ? withExit(network) : network, input)
  const takes = (option: Parameters<typeof methodsTaking>[0]): boolean =>
    random() < 0.5 && methodsTaking(option).includes(method)
  const options: PlanOptions = {
    graph,
    input,
    frames: random() < 0.4,
    timeSteps,
    batchSize: integer(random, 1, 9),
    inspect: random() < 0.2,
    method,
    stepMode,
    update: takes('update') ? 'everyStep' : 'afterwards',
    gradientCheckpoint: takes('gradientCheckpoint') ? 'layers' : 'none',
    normFallback: takes('normFallback') ? 'layer' : 'channel',
    mseWeight: 0.05,
    backwardSteps: takes('backwardSteps') ? 1 : timeSteps,
    purpose,
  }
  return { ...options, training: randomTraining(random, options, exits) }
}

/** How each kind of the product's losses is drawn; `of`: what the method has it of. */
export const losses: Readonly<Record<Loss['kind'], (random: Random, of: LossOf) => Loss>> = {
  crossEntropy: (random, of) => crossEntropy({ labelSmoothing: one(random, [0, 0.1]), of }),
  mse: (random, of) =>
    mse(
      one(random, [
        { of, correctRate: 0.9, incorrectRate: 0.1 },
        { of, targets: 'values' },
      ] as const),
    ),
  tet: (random) => one(random, [tet(), tet({ lambda: 0.5, mean: 0.5 })]),
  selfDistillation: () => selfDistillation({ temperature: 2 }),
}

/** The standard one mostly; else a loss, and penalties, that the method defines. */
function randomTraining(random: Random, options: PlanOptions, exits: boolean): TrainingSpec {
  const { graph } = options
  const { backward, rows } = traitsOf(options)
  const of = backward === 'everyCall' || random() < 0.5 ? 'rates' : 'counts'
  if (exits) return { ...standardTraining, loss: losses.selfDistillation(random, of) }
  if (random() < 0.6) return standardTraining
  const kinds = lossesOfOneOutput.filter((kind) => kind !== 'tet' || rows === 'steps')
  const layers = graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  const penalties = (['L1', 'L2'] as const)
    .filter(() => backward === 'afterwards' && random() < 0.5)
    .map((norm) => ({ ...ratePenalty({ weight: 0.5, norm, target: 0.25 }), layers }))
  return { ...standardTraining, loss: losses[one(random, kinds)](random, of), penalties }
}
