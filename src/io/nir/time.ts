/** Time constants: seconds in a file, steps in a layer. */

import type { NirTime } from './note.js'

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
