/** Surrogates of a spike's derivative. */

import { surrogateTexts } from '../equations/surrogates.js'
import { describe, expect } from '../errors.js'
import { finite } from './numbers.js'

/**
 * Functions h'(x) that stand in for the derivative of a spike in the backward pass; x is the
 * potential minus the threshold, α the option `alpha`:
 *
 * - `sigmoid` α σ(αx) (1 − σ(αx))
 * - `atan` (α/2) / (1 + (παx/2)²)
 * - `triangle` max(0, α − α²|x|)
 * - `rectangle` α where |x| < 1/(2α), else 0
 * - `fastSigmoid` 1 / (1 + α|x|)² (snnTorch's)
 * - `piecewiseExp` (α/2) exp(−α|x|)
 * - `erf` (α/√π) exp(−α²x²)
 */
export type SurrogateName =
  | 'sigmoid'
  | 'atan'
  | 'triangle'
  | 'rectangle'
  | 'fastSigmoid'
  | 'piecewiseExp'
  | 'erf'

/** Those of others are 1. */
const alphas: Readonly<Record<string, number>> = { sigmoid: 4, atan: 2, fastSigmoid: 25, erf: 2 }

export const isSurrogate = (name: unknown): name is SurrogateName =>
  typeof name === 'string' && Object.hasOwn(surrogateTexts, name)

/** @throws SpikewasmError for a surrogate or a sharpness that is none */
export function checkSurrogate(
  name: string,
  options: { readonly surrogate?: SurrogateName; readonly alpha?: number },
): { surrogate: SurrogateName; alpha: number } {
  const { surrogate = 'sigmoid' } = options
  expect(
    isSurrogate(surrogate),
    () =>
      `${name}.surrogate must be one of ${Object.keys(surrogateTexts).join(', ')}, got ` +
      describe(surrogate),
  )
  const { alpha = alphas[surrogate] ?? 1 } = options
  expect(
    finite(alpha) && Math.fround(alpha) > 0,
    () => `${name}.alpha must be > 0 and finite, got ${describe(alpha)}`,
  )
  return { surrogate, alpha }
}
