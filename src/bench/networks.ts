/**
 * Networks of the benchmarks, by the names of the registry, on images of CIFAR's shape unless said
 * otherwise.
 */
import { expect } from '../errors.js'
import type { Model } from '../model.js'
import { type ModelFactory, modelNames, models } from '../models/registry.js'
import { compile } from '../network.js'
import type { Module } from '../nn/module.js'
import type { Method, StepMode } from '../plan/methods.js'
import { fillNormal, randomNumbers } from './spikes.js'

type Shape = readonly [number, number, number]

export const input: Shape = [3, 32, 32]
export const classes = 10
/** What is measured when no model is named, as far as the registry has it. */
const DEFAULT_MODELS = ['cnn', 'resnet18', 'vgg11']

export interface MethodChoice {
  readonly method: Method
  readonly stepMode: StepMode
}
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
 * Names to run, and a note about those that this version does not have.
 * @param wanted if none is named
 * @throws SpikewasmError for an unknown name.
 */
export function chooseModels(
  name: string | undefined,
  isQuick: boolean,
  wanted: readonly string[] = isQuick ? ['cnn'] : DEFAULT_MODELS,
): { names: string[]; missing: string[] } {
  const known: readonly string[] = modelNames
  if (name !== undefined) {
    expect(
      known.includes(name),
      () => `bench.model must be one of ${known.join(', ')}, got ${JSON.stringify(name)}`,
    )
    return { names: [name], missing: [] }
  }
  return {
    names: wanted.filter((n) => known.includes(n)),
    missing: wanted.filter((n) => !known.includes(n)),
  }
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
}

/** Compiles a network of a build with that build. */
export function compileWith(sw: Package, setting: Setting): Promise<Model> {
  const { model, choice, timeSteps, threads, batchSize, purpose, input: shape = input } = setting
  const options = { input: shape, timeSteps, threads, batchSize, seed: 0 }
  return sw.compile(
    networkOf(sw, model, shape),
    purpose === undefined ? { ...options, ...choice } : { ...options, purpose },
  )
}

type Package = typeof import('../index.js')

/** As the registry makes it, of a build of its own. */
function networkOf(sw: Package, model: string, shape: Shape): Module {
  const [inChannels, imageSize] = shape
  switch (model) {
    case 'mlp':
    case 'cnn':
      return sw[model](shape, classes)
    case 'vggsnn':
      return sw.vggsnn({ inChannels, classes, imageSize })
    default: {
      const factory = (sw as unknown as Record<string, (options: object) => Module>)[model]
      expect(factory !== undefined, () => `bench.model: this build has no network ${model}`)
      return factory({ inChannels, classes })
    }
  }
}

interface NetworkShape {
  readonly input?: Shape
  readonly batchSize?: number
  readonly inspect?: boolean
}

export function compileNetwork(
  name: string,
  choice: MethodChoice,
  timeSteps: number,
  threads: number,
  { input: shape = input, batchSize = batchOf(name), inspect }: NetworkShape = {},
): Promise<Model> {
  const factory = (models as Record<string, ModelFactory>)[name]
  return compile(factory(shape, classes), {
    input: shape,
    ...choice,
    timeSteps,
    threads,
    batchSize,
    inspect,
    seed: 0,
  })
}

/** Steps that train before time is taken: rates are then no longer those of fresh weights. */
export async function pretrain(
  model: Model,
  steps: number,
  onStep: () => void = () => undefined,
): Promise<void> {
  const { x, y } = makeBatch(model.batchSize, model.input as Shape)
  for (let i = 0; i < steps; i++) {
    await model.trainStep(x, y, { lr: 0.02 })
    onStep()
  }
}

/** Spikes per neuron and step: mean of the layers, with the lowest and the highest. */
export function describeRates(rates: Readonly<Record<string, number>> | readonly number[]): string {
  const values: readonly number[] = Object.values(rates)
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return `${mean.toFixed(2)} (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`
}

/** One batch of noise and labels, always the same. */
export function makeBatch(size: number, [C, H, W] = input): { x: Float32Array; y: number[] } {
  const x = new Float32Array(size * C * H * W)
  fillNormal(x, 1)
  const random = randomNumbers(2)
  return { x, y: Array.from({ length: size }, () => Math.floor(random() * classes)) }
}
