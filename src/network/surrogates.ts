/** Derivatives of the step function that stand in for a spike's: a new one is a row here. */

import { describe, fail } from '../base/errors.js'
import { checkBy, oneOf } from '../base/rules.js'
import { finite } from './value.js'

/** Texts of x, potential minus threshold, and alpha, the sharpness; and the usual sharpness. */
const rows = {
  // α/4 / cosh²(αx/2), from products: cosh(x/2) − 1 ≈ y₃, where
  //   y₀ = (0.0668…·x)²,  y₁ = y₀(y₀ + a),  y₂ = y₁(y₁ + b),  y₃ = y₂(y₂ + c)
  // follows cosh(2x) − 1 = 2y(y + 2) with y = cosh(x) − 1; four products give degree 16.
  // 1/(1 + y₃)² is within 3.6e-7 of 1/cosh²(x/2), and within 5.4e-7 in float32. All numbers are
  // positive: nothing cancels, nothing has to be clamped, and the result falls to 0 for large x.
  // The constants were found by linear programming on the error of the result.
  sigmoid: {
    text: `y = (0.066837804*alpha*x)^2
    y = y*(y + 2.8197235)
    y = y*(y + 3.5129895)
    y = y*(y + 2.8247537)
    alpha/4 / (y + 1)^2`,
    alpha: 4,
  },
  atan: { text: 'alpha/2 / (1 + (pi/2*alpha*x)^2)', alpha: 2 },
  triangle: { text: 'alpha*max(1 - abs(alpha*x), 0)', alpha: 1 },
  rectangle: { text: 'where(abs(2*alpha*x) < 1, alpha, 0)', alpha: 1 },
  fastSigmoid: { text: '1 / (1 + abs(alpha*x))^2', alpha: 25 },
  piecewiseExp: { text: 'alpha/2*exp(-abs(alpha*x))', alpha: 1 },
  erf: { text: 'alpha/sqrt(pi)*exp(-(alpha*x)^2)', alpha: 2 },
} as const satisfies Readonly<Record<string, { text: string; alpha: number }>>

/**
 * Functions h'(x) that stand in for the derivative of a spike in the backward pass; x is the
 * potential minus the threshold, α the option `alpha`, with its default in brackets:
 *
 * - `sigmoid` α σ(αx) (1 − σ(αx)) [4]
 * - `atan` (α/2) / (1 + (παx/2)²) [2]
 * - `triangle` max(0, α − α²|x|) [1]
 * - `rectangle` α where |x| < 1/(2α), else 0 [1]
 * - `fastSigmoid` 1 / (1 + α|x|)² (snnTorch's) [25]
 * - `piecewiseExp` (α/2) exp(−α|x|) [1]
 * - `erf` (α/√π) exp(−α²x²) [2]
 */
export type SurrogateName = keyof typeof rows

export const surrogateTexts = /* @__PURE__ */ Object.fromEntries(
  Object.entries(rows).map(([name, { text }]) => [name, text]),
) as Readonly<Record<SurrogateName, string>>

export const isSurrogate = (name: unknown): name is SurrogateName =>
  typeof name === 'string' && Object.hasOwn(rows, name)

/** The text of a surrogate, which may be one already. */
export const textOf = (surrogate: string): string =>
  isSurrogate(surrogate) ? surrogateTexts[surrogate] : surrogate

/** @throws SpikewasmError for a surrogate or a sharpness that is none */
export function checkSurrogate(
  name: string,
  options: { readonly surrogate?: SurrogateName; readonly alpha?: number },
): { surrogate: SurrogateName; alpha: number } {
  const { surrogate = 'sigmoid' } = options
  checkBy(`${name}.surrogate`, oneOf(Object.keys(rows)), surrogate)
  const { alpha = rows[surrogate].alpha } = options
  if (!(finite(alpha) && Math.fround(alpha) > 0))
    fail(`${name}.alpha must be > 0 and finite, got ${describe(alpha)}`)
  return { surrogate, alpha }
}
