/** Training steps of every method, and the prediction of one image. */
import { trace } from '../../graph/trace.js'
import type { Model } from '../../model.js'
import { type ModelFactory, models } from '../../models/registry.js'
import { traitsOf } from '../../plan/methods.js'
import type { Benchmark, Build, Prepared, Work } from '../benchmark.js'
import {
  batchOf,
  chooseModels,
  classes,
  compileWith,
  describeMethod,
  describeRates,
  input,
  type MethodChoice,
  makeBatch,
  methods,
  type Setting,
} from '../networks.js'
import { fewestOperations, flop, forwardOperations, type Operations } from '../operations.js'
import { trainedWeights } from '../weights.js'

/** What the cases of networks depend on. */
export interface NetworkOptions {
  readonly quick: boolean
  readonly model?: string
  /** Largest number of threads. */
  readonly threads: number
  readonly timeSteps?: number
  readonly batchSize?: number
}

const TIME_STEPS = [1, 2, 4, 8, 16]
const USUAL_TIME_STEPS = 4

interface Configuration {
  readonly choice: MethodChoice
  readonly timeSteps: number
}

/**
 * All methods at the wanted T. Without one: all at T = 4, and rate m and bptt m at every T; all of
 * methods × T for a named model.
 */
function configurations({ model, quick, timeSteps: wanted }: NetworkOptions): Configuration[] {
  const only = wanted ?? (quick ? USUAL_TIME_STEPS : undefined)
  if (only !== undefined) return methods.map((choice) => ({ choice, timeSteps: only }))
  const all = methods.flatMap((choice) => TIME_STEPS.map((timeSteps) => ({ choice, timeSteps })))
  if (model !== undefined) return all
  return all.filter(
    ({ choice, timeSteps }) =>
      timeSteps === USUAL_TIME_STEPS || (choice.stepMode === 'm' && choice.method !== 'ottt'),
  )
}

/** One thread, and the largest number. */
const threadCounts = (threads: number): number[] => (threads > 1 ? [1, threads] : [1])

const suffix = (threads: number): string => (threads > 1 ? ` threads ${threads}` : '')

export function stepBenchmarks(options: NetworkOptions): Benchmark[] {
  return chooseModels(options.model, options.quick).names.flatMap((model) => {
    const batchSize = options.batchSize ?? batchOf(model)
    return configurations(options).flatMap(({ choice, timeSteps }) =>
      threadCounts(options.threads).map((threads): Benchmark => {
        const setting = { model, choice, timeSteps, threads, batchSize }
        const method = describeMethod(choice)
        return {
          name: `train ${model} ${method} B${batchSize} T${timeSteps}${suffix(threads)}`,
          section: 'steps',
          threads,
          prepare: (build) => prepareStep(build, setting, options.quick),
        }
      }),
    )
  })
}

/** A model with trained weights, the same ones in all builds. */
export async function trainedModel(build: Build, setting: Setting, quick: boolean): Promise<Model> {
  const state = await trainedWeights(setting.model, quick)
  const model = await compileWith(build.sw, setting)
  try {
    model.loadStateDict(state)
  } catch (error) {
    await model.dispose()
    throw error
  }
  return model
}

/** Images, and the operations that they need at least. */
function workOf(setting: Setting, count: Count): Work {
  const factory = (models as Record<string, ModelFactory>)[setting.model]
  const graph = trace(factory(input, classes), input)
  const operations = count(graph)
  return {
    amount: setting.batchSize,
    unit: 'images',
    limit: 'multiply-add',
    least: flop(operations) / 1e9,
  }
}
type Count = (graph: ReturnType<typeof trace>) => Operations

/** Steps at learning rate 0, so that weights and with them firing rates stay what they are. */
async function prepareStep(build: Build, setting: Setting, quick: boolean): Promise<Prepared> {
  const model = await trainedModel(build, setting, quick)
  const { x, y } = makeBatch(setting.batchSize)
  const { choice, timeSteps, batchSize } = setting
  return {
    run: async () => void (await model.trainStep(x, y, { lr: 0 })),
    get density() {
      return `rate ${describeRates(model.firingRates())}`
    },
    get work() {
      const rates = model.firingRates()
      return workOf(setting, (graph) =>
        fewestOperations(graph, traitsOf(choice), rates, timeSteps, batchSize),
      )
    },
    dispose: () => model.dispose(),
  }
}

export function inferenceBenchmarks(options: NetworkOptions): Benchmark[] {
  const timeSteps = options.timeSteps ?? USUAL_TIME_STEPS
  const batchSize = options.batchSize ?? 1
  const { names } = chooseModels(options.model, options.quick)
  return names.flatMap((model) =>
    threadCounts(options.threads).map((threads): Benchmark => {
      const setting = { model, choice: methods[0], timeSteps, threads, batchSize }
      return {
        name: `predict ${model} B${batchSize} T${timeSteps}${suffix(threads)}`,
        section: 'inference',
        threads,
        prepare: (build) => preparePrediction(build, setting, options.quick),
      }
    }),
  )
}

async function preparePrediction(
  build: Build,
  setting: Setting,
  quick: boolean,
): Promise<Prepared> {
  const model = await trainedModel(build, { ...setting, purpose: 'inference' }, quick)
  const { x } = makeBatch(setting.batchSize)
  const { timeSteps, batchSize } = setting
  return {
    run: async () => void (await model.predict(x)),
    get density() {
      return `rate ${describeRates(model.firingRates())}`
    },
    get work() {
      const rates = model.firingRates()
      return workOf(setting, (graph) => forwardOperations(graph, rates, timeSteps, batchSize))
    },
    dispose: () => model.dispose(),
  }
}
