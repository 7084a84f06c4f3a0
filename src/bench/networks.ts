/**
 * Networks of the benchmarks, by the names of the registry, on images of CIFAR's shape unless said
 * otherwise.
 */

import { fail } from '../base/errors.js'
import { mean } from '../base/numbers.js'
import type { MethodChoice } from '../compile/methods.js'
import type { StateDict } from '../engine/memory/state.js'
import { availableParallelism } from '../engine/threads/processors.js'
import type { Model } from '../model/model.js'
import { modelNames } from '../model/models/options.js'
import type { Module } from '../network/module.js'
import { fillNormal, randomNumbers } from './spikes.js'

type Shape = readonly [number, number, number]
type Package = typeof import('../index.js')

export const input: Shape = [3, 32, 32]
export const classes = 10

export const methods: readonly MethodChoice[] = [
  { method: 'rate', stepMode: 'm' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', stepMode: 'm' },
  { method: 'ottt', stepMode: 's' },
  { method: 'sltt', stepMode: 's' },
  { method: 'os', stepMode: 's' },
]
export const describeMethod = ({ method, stepMode }: MethodChoice): string =>
  method === 'rate' || method === 'bptt' ? `${method} ${stepMode}` : method

/**
 * Names to run.
 * @param usual if none is named
 * @throws SpikewasmError for an unknown name.
 */
export function chooseModels(
  name: string | undefined,
  isQuick: boolean,
  usual: readonly string[] = isQuick ? ['cnn'] : ['cnn', 'resnet18', 'vgg11'],
): readonly string[] {
  const known: readonly string[] = modelNames
  if (name !== undefined && !known.includes(name))
    fail(`bench.model must be one of ${known.join(', ')}, got ${JSON.stringify(name)}`)
  return name === undefined ? usual : [name]
}

export const batchOf = (name: string): number => (name === 'cnn' || name === 'mlp' ? 64 : 16)

/** A network, and how it is trained. */
export interface Setting {
  readonly model: string
  readonly choice: MethodChoice
  readonly timeSteps: number
  readonly threads: number
  readonly batchSize: number
  /** Default: CIFAR's. */
  readonly input?: Shape
  /** Default: training. */
  readonly purpose?: 'inference'
  readonly inspect?: boolean
}

/** Compiles a network of a build with that build. */
export function compileWith(sw: Package, setting: Setting): Promise<Model> {
  const { model, choice, input: shape = input, ...options } = setting
  return sw.compile(networkOf(sw, model, shape), {
    ...options,
    ...(options.purpose === undefined && choice),
    input: shape,
    seed: 0,
  })
}

/** As the registry makes it, of a build of its own. */
function networkOf(sw: Package, model: string, shape: Shape): Module {
  const [inChannels, imageSize] = shape
  const makers = sw as unknown as Record<string, (...given: unknown[]) => Module>
  if (!(model in makers)) fail(`bench.model: this build has no network ${model}`)
  if (['mlp', 'cnn', 'eventCnn'].includes(model)) return makers[model](shape, classes)
  return makers[model]({ inChannels, classes, ...(model === 'vggsnn' && { imageSize }) })
}

/** Steps that train before time is taken: rates are then no longer those of fresh weights. */
export async function pretrain(model: Model, steps: number, onStep?: () => void): Promise<void> {
  const { x, y } = makeBatch(model.batchSize, model.input as Shape)
  for (let i = 0; i < steps; i++) {
    await model.trainStep(x, y, { lr: 0.02 })
    onStep?.()
  }
}

/** Spikes per neuron and step: mean of the layers, with the lowest and the highest. */
export function describeRates(rates: Readonly<Record<string, number>> | readonly number[]): string {
  const values: readonly number[] = Object.values(rates)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return `${mean(values).toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`
}

/** One batch of noise and labels, always the same. */
export function makeBatch(size: number, [C, H, W] = input): { x: Float32Array; y: number[] } {
  const x = new Float32Array(size * C * H * W)
  fillNormal(x, 1)
  const random = randomNumbers(2)
  return { x, y: Array.from({ length: size }, () => Math.floor(random() * classes)) }
}

// Weights that networks are measured with. They are trained once, by this version's code, and all
// builds get the same ones: two builds then work on the same spikes.

const TIME_STEPS = 4
/** Running statistics of normalisations need some steps to follow. */
const [STEPS, QUICK_STEPS] = [30, 20]

/** Weights by network and steps. */
export type Weights = Record<string, StateDict>

interface Place {
  /** Those of other processes; what is trained is added. */
  readonly weights: Weights
  /** Called behind each step of a training. */
  onStep?(): void
  /** Called with what was trained. */
  onTrained?(weights: Weights): void
}
let place: Place = { weights: {} }

/** From now on weights are looked for there. */
export function shareWeights(where: Place): void {
  place = where
}

/** Trained weights of a network of the registry. @param quick fewer steps */
export async function trainedWeights(model: string, quick: boolean): Promise<StateDict> {
  const steps = quick ? QUICK_STEPS : STEPS
  const { weights, onStep, onTrained } = place
  const key = `${model}-${steps}`
  if (weights[key]) return weights[key]
  // Training gives the same bits for any number of threads. A processor is left to others.
  const threads = Math.min(4, Math.max(1, availableParallelism() - 1))
  const setting = { model, choice: methods[0], timeSteps: TIME_STEPS, batchSize: batchOf(model) }
  const network = await compileWith(await import('../index.js'), { ...setting, threads })
  try {
    await pretrain(network, steps, onStep)
    weights[key] = network.stateDict()
  } finally {
    await network.dispose()
  }
  onTrained?.({ [key]: weights[key] })
  return weights[key]
}
