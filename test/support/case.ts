/** A chain, a batch and the two ways to compute its step: the engine's and the reference's. */

import {
  type CompileOptions,
  type Layer,
  type Model,
  type Sgd,
  type SgdOptions,
  type StateDict,
  type StepResult,
  sequential,
  sgd,
} from '../../src/index.js'
import { imageShape } from '../../src/network/value.js'
import { testRandom } from './engine.js'
import { expectClose, labels, norm, uniform } from './measure.js'
import { modelOf } from './models.js'
import { layersOf } from './net.js'
import {
  NearThreshold,
  type ReferenceOptions,
  type ReferenceResult,
  referenceStep,
} from './reference.js'

export interface Case {
  readonly layers: readonly Layer[]
  readonly options: CompileOptions & { timeSteps: number; batchSize: number }
  readonly state: StateDict
  readonly x: Float32Array
  readonly y: readonly number[]
  readonly seed: number
  readonly reference: ReferenceResult
  /** The model that it was made with, for the first step with its options; then undefined. */
  spare: { readonly model: Model; readonly inspect: boolean } | undefined
}

/** Below this distance from the threshold a rounding error of float32 could flip a spike. */
const MARGIN = 1e-5

/**
 * A batch and parameters that no rounding error changes: the first seed from `seed` on whose
 * membrane potentials keep away from the threshold. Normalisations get weights and biases that make
 * neurons fire.
 */
export async function makeCase(
  of: string | readonly Layer[],
  options: Case['options'],
  seed: number,
  more: Partial<ReferenceOptions> = {},
): Promise<Case> {
  const layers = typeof of === 'string' ? layersOf(options.input, of) : of
  const inspect = (options.method ?? 'rate') === 'rate'
  const model = await compileCase(layers, { ...options, inspect })
  const initial = model.stateDict()
  const { classes } = model
  const size =
    options.batchSize *
    options.input.reduce((a, b) => a * b, 1) *
    (options.frames ? options.timeSteps : 1)
  for (let tried = seed; tried < seed + 100; tried++) {
    const random = testRandom(tried)
    const state: StateDict = {}
    for (const [name, { shape, data }] of Object.entries(initial)) {
      const isNorm = layers[Number(name.split('.')[0])].kind.includes('Norm')
      const value = (v: number): number => {
        if (name.endsWith('running_var')) return 0.5 + random()
        if (name.endsWith('running_mean')) return random() - 0.5
        if (isNorm || name.endsWith('gain')) return (name.endsWith('bias') ? 0 : 0.4) + random()
        return name.endsWith('.w') ? random() - 0.5 : v + (random() - 0.5) * 0.6
      }
      state[name] = { shape, data: data.map(value) }
    }
    const x = uniform(size, 2, tried + 1)
    const y = labels(options.batchSize, classes, tried)
    const step = {
      method: options.method ?? 'rate',
      stepMode: options.stepMode ?? 'm',
      timeSteps: options.timeSteps,
      batch: options.batchSize,
      input: imageShape(options.input),
      frames: options.frames,
      mseWeight: options.mseWeight,
      normFallback: options.normFallback,
      truncate: options.truncate,
      update: options.update,
      leastMargin: MARGIN,
      ...more,
    }
    try {
      const reference = referenceStep(layers, state, x, y, step)
      const spare = { model, inspect }
      return { layers, options, state, x, y, seed: tried, reference, spare }
    } catch (error) {
      if (!(error instanceof NearThreshold)) throw error
    }
  }
  await model.dispose()
  throw new Error(
    `no seed from ${seed} on keeps all potentials ${MARGIN} away from the threshold; ` +
      `use a smaller case`,
  )
}

export function compileCase(layers: readonly Layer[], options: CompileOptions): Promise<Model> {
  return modelOf(sequential(...layers), options)
}

/** The spare model where it has these options. */
async function takeSpare(c: Case, options: Partial<CompileOptions>): Promise<Model | undefined> {
  const { spare } = c
  c.spare = undefined
  const { inspect = c.options.inspect ?? false, ...others } = options
  if (spare?.inspect === inspect && Object.keys(others).length === 0) return spare.model
  await spare?.model.dispose()
  return undefined
}

/** One step of the engine on a case. The caller disposes of the model. */
export async function stepOnEngine(
  c: Case,
  options: Partial<CompileOptions> = {},
  optimizer?: Sgd,
): Promise<{ model: Model; result: StepResult }> {
  const model =
    (await takeSpare(c, options)) ?? (await compileCase(c.layers, { ...c.options, ...options }))
  model.loadStateDict(c.state)
  if (optimizer) model.optimizer = optimizer
  const result = await model.trainStep(c.x, c.y, { update: optimizer !== undefined })
  return { model, result }
}

/**
 * Compares output, loss, gradients, rates, eligibilities and running statistics with the
 * reference's.
 */
export async function checkCase(
  what: string,
  c: Case,
  options: Partial<CompileOptions> = {},
  limit = 1e-4,
): Promise<void> {
  const where = `${what} seed=${c.seed}`
  const inspect = options.method === undefined && (c.options.method ?? 'rate') === 'rate'
  const { model, result } = await stepOnEngine(c, { inspect, ...options })
  try {
    const { reference } = c
    expectClose(`${where} output`, model.output(), reference.output, limit)
    expectClose(`${where} loss`, [result.loss], [reference.loss], limit)
    for (const [name, rate] of Object.entries(model.firingRates())) {
      const expected = reference.rates[name]
      expectClose(
        `${where} firing rate of ${name}`,
        [rate],
        [expected.reduce((a, b) => a + b, 0) / expected.length],
        1e-5,
      )
    }
    if (!Object.values(reference.rates).some((rates) => rates.some((r) => r > 0)))
      throw new Error(`${where}: nothing spikes`)
    if (inspect)
      for (const name of Object.keys(reference.rates)) {
        expectClose(
          `${where} rates of ${name}`,
          model.activity(name).rate,
          reference.rates[name],
          1e-6,
        )
        expectClose(
          `${where} eligibility of ${name}`,
          model.activity(name).eligibility ?? [],
          reference.eligibilities[name],
          limit,
        )
      }
    checkGradients(where, c, model.gradients(), reference.gradients, limit)
    const state = model.stateDict()
    for (const name of Object.keys(state))
      if (name.includes('running_'))
        expectClose(`${where} ${name}`, state[name].data, reference.state[name], limit)
  } finally {
    await model.dispose()
  }
}

/** Whether a step moves parameters as the reference's did, by an optimizer with these options. */
export async function checkMoves(c: Case, options: SgdOptions): Promise<void> {
  const { model } = await stepOnEngine(c, {}, sgd({ decay: 'all', ...options }))
  const state = model.stateDict()
  await model.dispose()
  for (const name of Object.keys(c.reference.gradients)) {
    const before = c.state[name].data
    const [found, wanted] = [state[name].data, c.reference.state[name]].map((now) =>
      Float64Array.from(now, (v, i) => v - before[i]),
    )
    expectClose(`movement of ${name} seed=${c.seed}`, found, wanted, 1e-3)
  }
}

/** What cells learn of their neurons. */
const learned = ['w_syn', 'v_threshold', 'beta', 'w_adaptation']

/**
 * A bias right before a BatchNorm has a true gradient of zero: it is measured against its layer's
 * weight gradient. What neurons learn may be one number that sums terms of both signs over the whole
 * layer: most of it may cancel.
 */
export function checkGradients(
  where: string,
  c: Pick<Case, 'layers'>,
  gradients: StateDict,
  expected: Record<string, ArrayLike<number>>,
  limit: number,
): void {
  for (const name of Object.keys(expected)) {
    const { data } = gradients[name]
    const [index, role] = name.split('.')
    if (role === 'bias' && c.layers[Number(index) + 1]?.kind === 'batchNorm2d') {
      const scale = norm(expected[`${index}.weight`])
      const distance = norm(data.map((v, i) => v - expected[name][i]))
      if (!(distance <= limit * scale))
        throw new Error(
          `${where} gradient of ${name}: ${distance} away, ${limit * scale} is allowed`,
        )
    } else
      expectClose(
        `${where} gradient of ${name}`,
        data,
        expected[name],
        role === 'w' || (expected[name].length === 1 && learned.includes(role))
          ? 20 * limit
          : limit,
      )
  }
}
