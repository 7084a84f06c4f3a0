/** How the continuous time of NIR becomes steps. */

import { checkOptions, describe, expect } from '../../errors.js'

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
   * How the steps of the model are read as equations in continuous time: 'euler', the default, or
   * 'exact'. `loadNir` with the same gives the same neurons.
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
   * Reset of the neurons. Default what the file says; else 'stored' where a `v_reset` is not 0,
   * and 'subtract' otherwise, as the NIR paper's simulators do.
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

export const nirOptionKeys = ['dt', 'discretisation', 'reset', 'fires', 'integration'] as const

/** What a file of ours says about itself, and what is done where nobody says anything. */
export type NirConventions = Required<Omit<NirOptions, 'reset' | 'fires'>> &
  Pick<NirOptions, 'reset' | 'fires'>

const choices = {
  discretisation: ['euler', 'exact'],
  reset: ['subtract', 'zero', 'stored'],
  fires: ['above', 'at'],
  integration: ['step', 'dt'],
} as const

/** @throws SpikewasmError for an unknown option or value */
export function checkNirOptions(name: string, options: NirOptions, more: readonly string[]): void {
  checkOptions(name, options, [...nirOptionKeys, ...more])
  const { dt } = options
  if (dt !== undefined) checkDt(`${name}.dt`, dt)
  for (const [key, known] of Object.entries(choices)) {
    const value = options[key as keyof typeof choices]
    expect(
      value === undefined || (known as readonly unknown[]).includes(value),
      () =>
        `${name}.${key} must be one of ${known.map((of) => `'${of}'`).join(', ')}, got ` +
        describe(value),
    )
  }
}

/** Checks and completes options of `saveNir`. */
export function checkSaveOptions(options: SaveNirOptions): Required<SaveNirOptions> {
  checkOptions('saveNir', options, ['dt', 'discretisation'])
  checkNirOptions('saveNir', options, [])
  const { dt = usualDt, discretisation = 'euler' } = options
  return { dt, discretisation }
}

/** @throws SpikewasmError unless it can be the time of a step */
export function checkDt(name: string, dt: unknown): asserts dt is number {
  expect(
    typeof dt === 'number' && Number.isFinite(dt) && dt >= 1e-12 && dt <= 1e12,
    () => `${name} must be the seconds of a time step, from 1e-12 to 1e12, got ${describe(dt)}`,
  )
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
  const of = <K extends keyof typeof choices>(key: K): (typeof choices)[K][number] | undefined =>
    options[key] ??
    ((choices[key] as readonly unknown[]).includes(said[key])
      ? (said[key] as (typeof choices)[K][number])
      : undefined)
  const dt = typeof said.dt === 'number' && said.dt >= 1e-12 && said.dt <= 1e12 ? said.dt : usualDt
  return {
    dt: options.dt ?? dt,
    discretisation: of('discretisation') ?? 'euler',
    reset: of('reset'),
    fires: of('fires'),
    integration: of('integration') ?? 'step',
  }
}
