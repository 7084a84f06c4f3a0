/** What layers of normalisation share. */

import { describe, fail } from '../errors.js'
import type { ParameterSpec } from './kind.js'
import { finite } from './numbers.js'

/** @throws SpikewasmError unless `eps` is a finite number > 0 */
export function epsilon(name: string, eps: number): number {
  if (!(finite(eps) && Math.fround(eps) > 0))
    fail(`${name}.eps must be > 0 and finite as a float32, got ${describe(eps)}`)
  return eps
}

/** A weight and a bias of a shape. */
export const affineParameters = (shape: readonly number[]): ParameterSpec[] => [
  { name: 'weight', shape, decays: false, initial: 1 },
  { name: 'bias', shape, decays: false, initial: 0 },
]
