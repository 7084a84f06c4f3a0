/** How the continuous time of NIR becomes steps. */

import { describe, fail } from '../../base/errors.js'
import { by, checkedElsewhere, complete, oneOf, optional, type Rules } from '../../base/rules.js'
import type { InputShapes } from '../../network/value.js'

/** How equations in continuous time become steps: forward Euler, or their exact solutions. */
export type Discretisation = 'euler' | 'exact'

/**
 * What happens to the potential v of a neuron that spikes: the threshold is subtracted, v becomes
 * 0, or v becomes what the file stores as `v_reset`.
 */
export type NirReset = 'subtract' | 'zero' | 'stored'

/** Options of `model.saveNir`. */
export interface SaveNirOptions {
  /** Seconds of a time step, > 0; default 0.0001. */
  dt?: number
  /**
   * How the steps of the model are read as equations in continuous time. `loadNir` with the same
   * gives the same neurons. Default 'euler'.
   */
  discretisation?: Discretisation
}

/** Options of `networkFromNir`. */
export interface NirOptions {
  /**
   * Seconds of a time step, > 0; default what a file of `saveNir` says, else 0.0001, as in
   * snnTorch, Norse and the NIR paper.
   */
  dt?: number
  /**
   * How neurons with a time constant τ decay in a step: 'euler' by 1 − dt/τ, 'exact' by exp(−dt/τ).
   * Default what the file says, else 'euler', which is what most simulators do.
   */
  discretisation?: Discretisation
  /**
   * What a spike does to the potential: 'subtract' takes the threshold away, 'zero' makes it 0,
   * 'stored' makes it the file's `v_reset`. Default what the file says, else 'stored' where a
   * `v_reset` is not 0, and 'subtract' otherwise, as the NIR paper's simulators do.
   */
  reset?: NirReset
  /**
   * When a neuron spikes: 'above' its threshold, or 'at' it too. Default what the file says, else
   * 'above', NIR's definition.
   */
  fires?: 'above' | 'at'
  /**
   * What a step adds to the potential of neurons without a time constant (IF, I): 'step' R·I,
   * whatever dt, as simulators do; 'dt' R·I·dt, as the equation says. Default what the file says,
   * else 'step'.
   */
  integration?: 'step' | 'dt'
}

/** What a file of ours says about itself, and what is done where nobody says anything. */
export type NirConventions = Required<Omit<NirOptions, 'reset' | 'fires'>> &
  Pick<NirOptions, 'reset' | 'fires'>

const rules: Rules<NirOptions> = {
  dt: optional(by<number>(checkDt)),
  discretisation: optional(oneOf(['euler', 'exact'])),
  reset: optional(oneOf(['subtract', 'zero', 'stored'])),
  fires: optional(oneOf(['above', 'at'])),
  integration: optional(oneOf(['step', 'dt'])),
}

export const nirOptionKeys = Object.keys(rules) as (keyof NirOptions)[]

/** @throws SpikewasmError for an unknown option or value */
export const checkNirOptions = (name: string, options: NirOptions, more: readonly string[]): void =>
  void complete(name, { ...rules, ...checkedElsewhere<Record<string, unknown>>(more) }, options)

/** Checks and completes options of `saveNir`. */
export function checkSaveOptions(options: SaveNirOptions): Required<SaveNirOptions> {
  const own = { dt: rules.dt, discretisation: rules.discretisation }
  const { dt = usualDt, discretisation = 'euler' } = complete('saveNir', own, options)
  return { dt, discretisation }
}

/** @throws SpikewasmError unless it can be the time of a step */
export function checkDt(name: string, dt: unknown): asserts dt is number {
  if (!(typeof dt === 'number' && Number.isFinite(dt) && dt >= 1e-12 && dt <= 1e12))
    fail(`${name} must be the seconds of a time step, from 1e-12 to 1e12, got ${describe(dt)}`)
}

/** 0.1 ms. */
export const usualDt = 1e-4

/**
 * Options, where they are left out what a file says, else the defaults. What a file says and is
 * none of the choices does not count.
 */
export function conventions(
  options: NirOptions,
  said: Readonly<Record<string, unknown>>,
): NirConventions {
  const of = <K extends Exclude<keyof NirOptions, 'dt'>>(key: K): NirOptions[K] =>
    options[key] ?? (rules[key].fits(said[key]) ? (said[key] as NirOptions[K]) : undefined)
  const dt = typeof said.dt === 'number' && said.dt >= 1e-12 && said.dt <= 1e12 ? said.dt : usualDt
  return {
    dt: options.dt ?? dt,
    discretisation: of('discretisation') ?? 'euler',
    reset: of('reset'),
    fires: of('fires'),
    integration: of('integration') ?? 'step',
  }
}

// Time constants, seconds in a file and steps in a layer; and what a file of ours says of them.

/** What a file is written with. */
export type NirTime = Readonly<Required<SaveNirOptions>>

/** For reading the file again with the same numbers. */
export interface NirNote extends NirTime {
  readonly integration: 'step'
  readonly timeSteps: number
  readonly frames: boolean
  /** Named inputs in their order, with the sizes that the model has. */
  readonly inputs?: InputShapes
}

/** Under which name of the graph's metadata a `NirNote` lies, as JSON. */
export const noteKey = 'spikewasm'

/**
 * The time constant in steps of a decay by 1 − 1/steps a step: with Euler τ/dt, else 1/(1 −
 * exp(−dt/τ)). Below 1 there is none.
 */
export function stepsOf(seconds: number, { dt, discretisation }: NirTime): number {
  if (discretisation === 'euler') {
    const steps = seconds / dt
    // Decayed whole: a layer wants more than 1, and what is left is lost beside any other number.
    return steps === 1 ? 1 + Number.EPSILON : steps
  }
  return -1 / Math.expm1(-dt / seconds)
}

/** Seconds of which `stepsOf` makes the very same steps, or those nearest to them. */
export function secondsOf(steps: number, time: NirTime): number {
  const { dt, discretisation } = time
  const near = discretisation === 'euler' ? steps * dt : -dt / Math.log1p(-1 / steps)
  let best = near
  let miss = Math.abs(stepsOf(near, time) - steps)
  for (let by = 1; by <= 8 && miss > 0; by++)
    for (const sign of [-1, 1]) {
      const seconds = near * (1 + sign * by * (Number.EPSILON / 2))
      const off = Math.abs(stepsOf(seconds, time) - steps)
      if (off < miss) [best, miss] = [seconds, off]
    }
  return best
}
