/** The numbers of the optimizer's step: written before a run, and kept from step to step. */

import { Control, StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import { checkBoolean, fail } from '../../base/errors.js'
import { numbersOf, type Optimizer, optimizerKind } from '../../compile/optimizer-kind.js'
import { groupOffset } from '../../compile/training.js'
import { type Arena, floatsAt, trainingOf } from '../memory/arena.js'

/** What a step depends on beside gradients and the plan. */
export interface StepSource extends Arena {
  readonly optimizer: Optimizer
  /** The norm to which gradients are clipped; undefined: they are not. */
  readonly clipNorm: number | undefined
  /** What a moving average keeps of itself in a step. */
  readonly ema: number
  /** Batches whose gradients have been added up since the last step. */
  readonly accumulated: number
}

/** What an optimizer keeps from step to step beside arrays; plain data. */
export interface StepState {
  /** β₁ⁿ and β₂ⁿ. */
  readonly powers: readonly [number, number]
  /** Steps that the moving average has taken. */
  readonly averaged: number
  /** Batches whose gradients have been added up since the last step. */
  readonly accumulated: number
  /** Steps of the rule; checkpoints of before have none. */
  readonly steps?: number
}

/** Before the first step. */
export const noSteps: StepState = { powers: [1, 1], averaged: 0, accumulated: 0 }

/** @returns undefined for what is no state of a step */
export function stepStateOf(found: unknown): StepState | undefined {
  const { powers, averaged, accumulated, steps = 0 } = (found ?? {}) as Partial<StepState>
  const isCount = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
  const isPower = (n: unknown): boolean => typeof n === 'number' && n >= 0 && n <= 1
  const good =
    Array.isArray(powers) &&
    powers.length === 2 &&
    powers.every(isPower) &&
    [averaged, accumulated, steps].every(isCount)
  return good ? (found as StepState) : undefined
}

/** Writes the numbers of a group of parameters. */
export function writeGroup(
  view: DataView,
  at: number,
  optimizer: Optimizer,
  { lr, weightDecay }: Pick<Optimizer, 'lr' | 'weightDecay'>,
): void {
  const own = numbersOf(optimizer)
  const { momentum = 0, nesterov = 0, beta1, beta2 = 0, eps = 0 } = own
  const isSgd = optimizer.kind === 'sgd'
  view.setFloat64(at + StepGroup.Beta1, beta1 ?? (isSgd ? momentum : 0), true)
  view.setFloat64(at + StepGroup.Beta2, beta2, true)
  view.setFloat32(at + StepGroup.Rate, lr, true)
  view.setFloat32(at + StepGroup.Decay, weightDecay, true)
  view.setFloat32(at + StepGroup.Eps, eps, true)
  view.setUint32(at + StepGroup.Nesterov, nesterov, true)
  view.setUint32(at + StepGroup.Decoupled, optimizerKind(optimizer.kind).decoupled ? 1 : 0, true)
  for (const [i, value] of Object.values(own).entries())
    view.setFloat32(at + StepGroup.Own + 4 * i, value, true)
}

/**
 * Writes what a run's steps read.
 *
 * @param factor of the learning rates of groups that have one of their own
 */
export function writeStep(source: StepSource, learningRate: number, factor: number): void {
  const { optimizer, plan, memory, clipNorm, ema, accumulated } = source
  const { weightDecay, decay, groups } = optimizer
  const { momentum = 0, nesterov = 0 } = numbersOf(optimizer)
  const other = decay === 'all' ? weightDecay : 0
  const view = new DataView(memory.buffer)
  const float = (at: number, value: number): void => view.setFloat32(at, value, true)
  float(Control.LearningRate, learningRate)
  float(Control.Momentum, momentum)
  float(Control.Decay, weightDecay)
  float(Control.DecayOther, other)
  view.setUint32(Control.Nesterov, nesterov, true)
  const at = plan.named.training?.numbers?.address
  if (at === undefined) return
  view.setFloat64(at + StepNumbers.ClipNorm, clipNorm ?? Number.POSITIVE_INFINITY, true)
  view.setFloat64(at + StepNumbers.AverageDecay, ema, true)
  float(at + StepNumbers.One, 1)
  float(at + StepNumbers.AccumulateKeep, accumulated > 0 ? 1 : 0)
  float(at + StepNumbers.AccumulateShare, 1 / Math.max(1, accumulated))
  const planned = plan.options.training?.groups.length ?? 0
  for (const [index, group] of [undefined, ...groups.slice(0, planned)].entries())
    for (const decays of [true, false])
      writeGroup(view, at + groupOffset(index, decays), optimizer, {
        lr: group?.lr === undefined ? learningRate : group.lr * factor,
        weightDecay: group?.weightDecay ?? (decays ? weightDecay : other),
      })
}

/** What the last step with `clipNorm` had for a norm, before it was clipped. */
export function normOf({ plan, memory, clipNorm }: StepSource): { readonly gradientNorm?: number } {
  const { numbers } = plan.named.training ?? {}
  if (clipNorm === undefined || !numbers || !plan.options.training?.clip) return {}
  const view = new DataView(memory.buffer)
  return { gradientNorm: view.getFloat64(numbers.address + StepNumbers.Norm, true) }
}

/** A copy of what is kept from step to step. */
export function stepState({ plan, memory, accumulated }: StepSource): StepState {
  const at = plan.named.training?.numbers?.address
  if (at === undefined) return noSteps
  const double = (offset: number): number =>
    new DataView(memory.buffer).getFloat64(at + offset, true)
  return {
    powers: [double(StepNumbers.Power1), double(StepNumbers.Power2)],
    averaged: double(StepNumbers.Averaged),
    accumulated,
    steps: new DataView(memory.buffer).getFloat32(at + StepNumbers.Steps, true),
  }
}

/** Puts it back; the count of accumulated batches is the caller's. */
export function takeStepState({ plan, memory }: Arena, state: StepState): void {
  const { powers, averaged, steps = 0 } = state
  const at = plan.named.training?.numbers?.address
  if (at === undefined) return
  const view = new DataView(memory.buffer)
  view.setFloat64(at + StepNumbers.Power1, powers[0], true)
  view.setFloat64(at + StepNumbers.Power2, powers[1], true)
  view.setFloat64(at + StepNumbers.Averaged, averaged, true)
  view.setFloat32(at + StepNumbers.Steps, steps, true)
}

/** Where parameters as predictions want them lie: the moving average, once it has taken a step. */
export function averagesAt(source: StepSource): number {
  const { states } = trainingOf(source)
  const { parameters } = source.plan.named
  return states.average && stepState(source).averaged > 0
    ? states.average.address
    : parameters.address
}

/**
 * Whether averages are asked for.
 *
 * @param option its name, for messages
 * @throws SpikewasmError when it is not true or false, or the model keeps none
 */
export function wantsAverages(option: string, { plan }: Arena, value?: boolean): boolean {
  const wanted = checkBoolean(option, value, false)
  const { average } = plan.named.training?.states ?? {}
  if (wanted && average === undefined) fail(`${option} must be left out: ${noAverages}`)
  return wanted
}

export const noAverages =
  'the model keeps no moving average; call fit with ema, as in fit(data, { ema: 0.999 })'

/** Runs with the moving averages in the place of the parameters, which are as before behind it. */
export async function withAverages<T>(source: StepSource, run: () => Promise<T>): Promise<T> {
  const { parameters } = source.plan.named
  const from = averagesAt(source)
  if (from === parameters.address) return run()
  await source.refresh?.([parameters, trainingOf(source).states.average])
  const floats = (at: number): Float32Array => floatsAt(source, at, parameters.bytes / 4)
  const take = (values: Float32Array): void => {
    floats(parameters.address).set(values)
    source.wrote?.(parameters.address, parameters.bytes)
  }
  source.aside = floats(parameters.address).slice()
  take(floats(from))
  try {
    return await run()
  } finally {
    // Anew: the model may be disposed of, and its memory another's.
    take(source.aside)
    source.aside = undefined
  }
}
