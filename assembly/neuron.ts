/**
 * Leaky integrate-and-fire neurons, forward with rate and eligibility (METHOD: LIF neuron, rate-based backpropagation).
 *
 *   charge  u_t = λ v_{t−1} + (1 − λ) v0 + κ I_t
 *   fire    s_t = 1 if u_t ≥ θ
 *   reset   v_t = u_t − θ s_t (soft), or v0 where s_t (hard)
 *
 * A neuron is one channel of one pixel. Four neighbouring channels run together, over all T steps, with their state in registers.
 *
 *   masks, counts      bytes [P][C], masks with one plane for each 8 steps
 *   terms A, B         float32 [P][T][C] with pixel and step strides; scale, shift, mean, invStd [groups][C]
 *   eligibility, x̂, v, ρ, h'   float32 [P][C]
 *
 * The usual layer runs in `neuron-plain.ts`, every other in `neuron-general.ts`; backward are `neuron-rate.ts` and `neuron-time.ts`.
 */
import { hasCommonTrace, inputGain, leak } from './neuron-dynamics'
import { runGeneral } from './neuron-general'
import { runPlain } from './neuron-plain'
import { NeuronWord } from './opcodes'
import { surrogateScale } from './surrogate'

/**
 * Forward over T steps, or, where word V is set, one step t of a loop outside that keeps its state in V and Rho.
 *
 *   masks, counts, eligibility, x̂ =    (at steps t > 0 of a loop outside all but masks +=)
 *   eligibility g = κ/TotalSteps Σ_t h'(u_t − θ) ρ_t,  ρ_1 = 1,  ρ_{t+1} = 1 + λ ρ_t ∂v_t/∂u_t
 *   x̂ = 1/TotalSteps Σ_t (x_t − mean)·invStd
 *
 * Step strides count the steps of this call. Outputs alias nothing. Scratch: 16·T + 4·max(2048, (2·T + 1)·C) bytes.
 *
 * Charge and fire run first and leave u in scratch, the surrogate runs over it afterwards: together they would need more registers than
 * there are.
 */
export function neuron(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  const rows = scratch + <usize>load<u32>(rec, NeuronWord.T * 4) * 16
  eligibilityWeights(rec, scratch, t, lambda, kappa)
  let spikes = isPlain(rec, kappa)
    ? runPlain(rec, first, end, scratch, rows, lambda)
    : runGeneral(rec, first, end, t, scratch, rows, lambda, kappa)
  const partial = <usize>load<u32>(rec, NeuronWord.CountPartials * 4) + (<usize>unit << 2)
  if (load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** Is it the case of the paper, with affine maps before it? It has loops of its own. */
function isPlain(rec: usize, kappa: f32): bool {
  const b = load<u32>(rec, NeuronWord.B * 4)
  const affineA = load<u32>(rec, NeuronWord.AScale * 4) != 0 && load<u32>(rec, NeuronWord.AGroupBytes * 4) == 0
  const affineB = load<u32>(rec, NeuronWord.BScale * 4) != 0 && load<u32>(rec, NeuronWord.BGroupBytes * 4) == 0
  return hasCommonTrace(rec) && kappa == 1 && load<f32>(rec, NeuronWord.Rest * 4) == 0
    && affineA && (b == 0 || affineB && load<u32>(rec, NeuronWord.S * 4) == 0)
    && (load<u32>(rec, NeuronWord.V * 4) | load<u32>(rec, NeuronWord.SurrogateOut * 4)) == 0
    && load<u32>(rec, NeuronWord.T * 4) == load<u32>(rec, NeuronWord.TotalSteps * 4)
    && (load<u32>(rec, NeuronWord.Eligibility * 4) != 0 || (load<u32>(rec, NeuronWord.AXhat * 4) | load<u32>(rec, NeuronWord.BXhat * 4)) == 0)
}

/** weights [T][4] = κ/TotalSteps · ρ_t · the surrogate's scale, for the steps from t on; used where ρ is the same for every neuron. */
function eligibilityWeights(rec: usize, weights: usize, t: i32, lambda: f32, kappa: f32): void {
  if (!hasCommonTrace(rec)) return
  const scale = surrogateScale(load<i32>(rec, NeuronWord.Surrogate * 4), load<f32>(rec, NeuronWord.Alpha * 4))
  const factor = scale * kappa / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const end = t + load<i32>(rec, NeuronWord.T * 4)
  let rho: f32 = 1
  for (let step = 0; step < end; step++) {
    if (step >= t) v128.store(weights + (<usize>(step - t) << 4), f32x4.splat(factor * rho))
    rho = 1 + lambda * rho
  }
}
