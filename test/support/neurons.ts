/**
 * Neurons by their definition, one at a time in float64. Gradients are numeric: those of a network
 * whose spikes are lines through what fired, with the surrogate as their slope.
 */
import type { SurrogateName } from '../../src/index.js'
import type { RandomShapes } from './ops.js'
import { surrogateNames } from './tables.js'

export interface Dynamics {
  tau: number
  decayInput: boolean
  vThreshold: number
  vReset: number | null
  detachReset: boolean
  surrogate: SurrogateName
  alpha: number
  /** 1/τ = σ(w). */
  w?: number
}

const clamp = (x: number): number => Math.min(0.5, Math.max(-0.5, x))

/** erf(z) = 2/√π e^(−z²) Σ 2ⁿ z^(2n+1) / (1·3·5…(2n+1)). */
function erf(z: number): number {
  if (Math.abs(z) > 5.9) return Math.sign(z)
  let [sum, term] = [0, z]
  for (let n = 1; n < 300; n++) {
    sum += term
    term *= (2 * z * z) / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum
}

/** The smooth steps whose derivatives are the surrogates, but for a constant. */
const smoothSteps: Readonly<Record<SurrogateName, (x: number, alpha: number) => number>> = {
  sigmoid: (x, a) => Math.tanh((a * x) / 2) / 2,
  atan: (x, a) => Math.atan((Math.PI / 2) * a * x) / Math.PI,
  triangle: (x, a) =>
    a * Math.abs(x) < 1 ? a * x - (a * a * x * Math.abs(x)) / 2 : Math.sign(x) / 2,
  rectangle: (x, a) => clamp(a * x),
  fastSigmoid: (x, a) => x / (1 + a * Math.abs(x)),
  piecewiseExp: (x, a) => (-Math.sign(x) * Math.expm1(-a * Math.abs(x))) / 2,
  erf: (x, a) => erf(a * x) / 2,
}

/** Places where a surrogate or its slope jumps, relative to the threshold. */
const kinks: Partial<Record<SurrogateName, (alpha: number) => number>> = {
  triangle: (a) => 1 / a,
  rectangle: (a) => 1 / (2 * a),
}

const E = 1e-5

/** h'(x), numerically. */
export const slopeOf = ({ surrogate, alpha }: Dynamics, x: number): number =>
  (smoothSteps[surrogate](x + E, alpha) - smoothSteps[surrogate](x - E, alpha)) / (2 * E)

const leakOf = ({ tau, w }: Dynamics): number =>
  w === undefined ? 1 / tau : 1 / (1 + Math.exp(-w))

export interface Fired {
  readonly u: number[]
  readonly s: number[]
  /** Potential behind the last step. */
  readonly v: number
  /** The nearest that a potential comes to where a rounding error would show. */
  readonly margin: number
}

/** Charge, fire and reset. */
export function fire(d: Dynamics, currents: readonly number[]): Fired {
  const rate = leakOf(d)
  const rest = d.vReset ?? 0
  const [u, s]: [number[], number[]] = [[], []]
  let v = rest
  let margin = Number.POSITIVE_INFINITY
  for (const current of currents) {
    const ut = d.decayInput ? v + rate * (current - (v - rest)) : v - rate * (v - rest) + current
    const x = ut - d.vThreshold
    u.push(ut)
    s.push(x >= 0 ? 1 : 0)
    const kink = kinks[d.surrogate]?.(d.alpha)
    margin = Math.min(margin, Math.abs(x), kink ? Math.abs(Math.abs(x) - kink) : margin)
    if (d.vReset === null) v = ut - (x >= 0 ? d.vThreshold : 0)
    else v = x >= 0 ? d.vReset : ut
  }
  return { u, s, v, margin }
}

/** Spikes of the network of lines at other currents or another w. */
function lines(d: Dynamics, currents: readonly number[], at: Fired, slopes: readonly number[]) {
  const rate = leakOf(d)
  const rest = d.vReset ?? 0
  let v = rest
  return currents.map((current, t) => {
    const u = d.decayInput ? v + rate * (current - (v - rest)) : v - rate * (v - rest) + current
    const s = at.s[t] + slopes[t] * (u - at.u[t])
    const resetting = d.detachReset ? at.s[t] : s
    v = d.vReset === null ? u - d.vThreshold * resetting : (1 - resetting) * u + resetting * rest
    return s
  })
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i], 0)

/** Derivative at 0 of a function that is nearly a line there. */
const derivative = (f: (e: number) => number): number => (f(E) - f(-E)) / (2 * E)

/** All gradients of one neuron. `delta`: ∂L/∂s at each step. */
export function gradientsOf(d: Dynamics, currents: readonly number[], delta: readonly number[]) {
  const at = fire(d, currents)
  const slopes = at.u.map((u) => slopeOf(d, u - d.vThreshold))
  const loss = (i: readonly number[], w = d.w): number =>
    dot(delta, lines({ ...d, w }, i, at, slopes))
  return {
    current: currents.map((_, t) =>
      derivative((e) => loss(currents.map((x, k) => x + (k === t ? e : 0)))),
    ),
    w: d.w === undefined ? 0 : derivative((e) => loss(currents, (d.w as number) + e)),
  }
}

/** How the mean of the spikes over so many steps moves when all currents move. */
export function eligibilityOf(d: Dynamics, currents: readonly number[], steps: number): number {
  const at = fire(d, currents)
  const slopes = at.u.map((u) => slopeOf(d, u - d.vThreshold))
  const sum = (e: number): number =>
    lines(
      d,
      currents.map((x) => x + e),
      at,
      slopes,
    ).reduce((a, b) => a + b, 0)
  return derivative(sum) / steps
}

/** κ h' at each step. */
export const surrogatesOf = (d: Dynamics, { u }: Fired): number[] =>
  u.map((ut) => (d.decayInput ? leakOf(d) : 1) * slopeOf(d, ut - d.vThreshold))

/** Neurons of any kind. */
export function randomDynamics(r: RandomShapes): Dynamics {
  const vThreshold = r.pick([1, 1, 0.7, 1.3, 5])
  const surrogate = r.pick(surrogateNames)
  const usual = r.chance(0.4)
  const tau = r.pick([1.25, 2, 4, Number.POSITIVE_INFINITY])
  return {
    tau,
    // A current divided by infinity moves nothing.
    decayInput: tau < 10 && r.chance(0.3),
    vThreshold,
    vReset: usual ? null : r.pick([null, 0, -0.5, 0.25]),
    detachReset: usual || r.chance(0.5),
    surrogate,
    alpha: r.pick([1, 2, 3.5]),
  }
}
