/** What layers of normalisation share. */

import { such } from '../rules.js'
import type { ParameterSpec } from './kind.js'
import { finite } from './numbers.js'

/** What is added to a variance. */
export const epsilon = such<number>(
  '> 0 and finite as a float32',
  (eps) => finite(eps) && Math.fround(eps) > 0,
  1e-5,
)

/** A weight and a bias of a shape. */
export const affineParameters = (shape: readonly number[]): ParameterSpec[] => [
  { name: 'weight', shape, decays: false, initial: 1 },
  { name: 'bias', shape, decays: false, initial: 0 },
]
