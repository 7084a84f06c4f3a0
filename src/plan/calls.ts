/**
 * The loop over T outside the network: calls of a few steps each. Within a call spikes of several
 * steps are listed together and gradients have a row for each step; from call to call neurons carry
 * their state. So memory depends on the steps of a call, not on T.
 */

import { Plane, Spike } from '../../assembly/opcodes.js'
import type { MethodTraits } from './methods.js'

/** Calls one behind the other that have the same number of steps. */
export interface Calls {
  /** First step of the first call. */
  readonly from: number
  /** Steps of each call. */
  readonly steps: number
  readonly repeats: number
}

/**
 * The most steps of a call. Where gradients have one row a call keeps a byte of masks, whatever its
 * steps are; where they have a row for each step everything grows with the steps, so that a call is
 * one group of spike lists.
 */
export const mostCallSteps: Readonly<Record<MethodTraits['rows'], number>> = {
  one: Plane.Steps,
  steps: Spike.GroupSteps,
}

/**
 * As few calls as there can be, of sizes that differ by one step at most, so that no T leaves a
 * short rest. Longer ones come first.
 *
 * @param most steps of a call
 */
export function callsOf(timeSteps: number, most: number): Calls[] {
  const count = Math.ceil(timeSteps / most)
  const steps = Math.ceil(timeSteps / count)
  const longer = timeSteps - count * (steps - 1)
  const calls = [{ from: 0, steps, repeats: longer }]
  if (longer < count)
    calls.push({ from: longer * steps, steps: steps - 1, repeats: count - longer })
  return calls
}
