/** Time constants, seconds in a file and steps in a layer; and what a file of ours says of them. */

import type { Discretisation } from './options.js'

/** What a file is written with. */
export interface NirTime {
  /** Seconds of a time step. */
  readonly dt: number
  readonly discretisation: Discretisation
}

/** For reading the file again with the same numbers. */
export interface NirNote extends NirTime {
  readonly integration: 'step'
  readonly timeSteps: number
  readonly frames: boolean
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
