/** What all neuron kernels share: the constants of a record, and the reset with its derivative. */

import { logistic } from '../base/math'
import { NeuronWord } from '../opcodes'

/**
 * The words of term B follow those of term A in the same order. So term A is read through A's
 * words at rec, and term B through the same words at rec + TERM_B.
 */
export const TERM_B: usize = (NeuronWord.B - NeuronWord.A) * 4

/** λ: the word, or 1 − σ(w) when w is learnable. */
export function leak(rec: usize): f32 {
  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  return parameter
    ? <f32>(1 - logistic(<f64>load<f32>(parameter)))
    : load<f32>(rec, NeuronWord.Lambda * 4)
}

/** κ: 1, or 1/τ with decayInput; 1/τ = σ(w) when w is learnable. */
export function inputGain(rec: usize): f32 {
  const kappa = load<f32>(rec, NeuronWord.Kappa * 4)
  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  return parameter && kappa != 1 ? <f32>logistic(<f64>load<f32>(parameter)) : kappa
}

/** Is ρ_t the same for every neuron? It is when the reset is soft and detached. */
export function hasCommonTrace(rec: usize): bool {
  return load<u32>(rec, NeuronWord.HardReset * 4) == 0 && load<u32>(rec, NeuronWord.Detach * 4) != 0
}

/** Has a term statistics of its own for each step? */
export function hasGroups(rec: usize): bool {
  return (
    (load<u32>(rec, NeuronWord.AGroupBytes * 4) | load<u32>(rec, NeuronWord.BGroupBytes * 4)) != 0
  )
}

/** The common ρ at step t (0, 1, …). */
export function traceAt(t: u32, lambda: f32): f32 {
  let rho: f32 = 1
  for (; t > 0; t--) rho = 1 + lambda * rho
  return rho
}

/** v_t from u_t: v0 where a neuron fired (hard), or u_t − θ there (soft). */
// @ts-ignore: decorator
@inline
export function resetPotential(hard: bool, fired: v128, u: v128, theta: v128, rest: v128): v128 {
  return hard ? v128.bitselect(rest, u, fired) : f32x4.sub(u, v128.and(fired, theta))
}

/** ∂v_t/∂u_t. h is h'(u_t − θ). */
// @ts-ignore: decorator
@inline
export function resetDerivative(
  hard: bool,
  detach: bool,
  fired: v128,
  u: v128,
  h: v128,
  theta: v128,
  rest: v128,
): v128 {
  const one = f32x4.splat(1)
  if (hard) {
    const kept = v128.andnot(one, fired)
    return detach ? kept : f32x4.sub(kept, f32x4.mul(f32x4.sub(u, rest), h))
  }
  return detach ? one : f32x4.sub(one, f32x4.mul(theta, h))
}
