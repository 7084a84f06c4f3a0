/**
 * Leaky integrate-and-fire neurons, forward, with the rate and eligibility of rate-based
 * backpropagation (Yu et al. 2024, arXiv 2410.11488).
 *
 *   charge  u_t = λ v_{t−1} + (1 − λ) v0 + κ I_t
 *   fire    s_t = 1 if u_t ≥ θ
 *   reset   v_t = u_t − θ s_t (soft), or v0 where s_t = 1 (hard)
 *
 * A neuron is one channel of one pixel. Four neighbouring channels run together. Their state stays
 * in registers over four steps (learn.ts) or all T.
 *
 *   masks, counts             bytes [P][C], masks with one plane for each 8 steps
 *   terms A, B                float32 [P][T][C] with strides between pixels and between steps
 *   scale, shift, mean, invStd            float32 [groups][C]
 *   eligibility, x̂, v, ρ                  float32 [P][C]
 *   κ h' (SurrogateOut)                   float32 [P][T][C]
 *
 * The usual neurons run in learn.ts, or in plain.ts when only spikes are wanted; all others run in
 * general.ts. The backward passes are backward-rate.ts and backward-time.ts.
 */

import { NeuronWord } from '../opcodes'
import { activityOf, validEnd } from './counting'
import { hasCommonTrace, hasGroups, inputGain, leak } from './dynamics'
import { runGeneral } from './general'
import { runLearn } from './learn'
import { runPlain } from './plain'

/**
 * Forward over T steps. Where word V is set, they are the steps from t on of an outer loop, which
 * keeps its state in V and Rho.
 *
 *   masks, counts, eligibility, x̂ =    (at steps t > 0 of an outer loop all but masks +=)
 *   eligibility g = κ/TotalSteps Σ_t h'(u_t − θ) ρ_t,  ρ_1 = 1,  ρ_{t+1} = 1 + λ ρ_t ∂v_t/∂u_t
 *   x̂ = 1/TotalSteps Σ_t (x_t − mean)·invStd
 *
 * Where Counts or CountPartials is 0, it is not counted (not with Eligibility or SurrogateOut).
 * Activity += what `ActivityCount` says, of valid images, where and when it is wanted and neither
 * Eligibility nor SurrogateOut is. Step strides count the steps of this call. No output may overlap
 * another tensor. Unit = PixelsPerUnit pixels. Scratch, with the sizes of `NeuronScratch`:
 * HeadBytes + StepBytes·T + ChannelBytes·C + 4·max(BlockFloats, (2·T + 1)·C) bytes; with groups of
 * statistics max(ChannelBytes, GroupBytes·T) in the place of ChannelBytes.
 */
export function neuron(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  let spikes: u32
  if (
    isUsual(rec) &&
    (load<u32>(rec, NeuronWord.Eligibility * 4) | load<u32>(rec, NeuronWord.SurrogateOut * 4)) != 0
  ) {
    spikes = runLearn(rec, first, end, t, scratch, lambda, kappa)
  } else {
    const activity = activityOf(
      <usize>load<u32>(rec, NeuronWord.Activity * 4),
      <usize>load<u32>(rec, NeuronWord.ActivityWanted * 4),
      unit,
    )
    const counted = activity
      ? validEnd(first, end, load<u32>(rec, NeuronWord.PixelsPerImage * 4))
      : first
    const plain = isUsual(rec) && isPlain(rec, kappa)
    spikes = 0
    if (counted > first)
      spikes += plain
        ? runPlain(rec, first, counted, lambda, activity)
        : runGeneral(rec, first, counted, t, scratch, lambda, kappa, activity)
    if (counted < end)
      spikes += plain
        ? runPlain(rec, counted, end, lambda, 0)
        : runGeneral(rec, counted, end, t, scratch, lambda, kappa, 0)
  }
  if (load<u32>(rec, NeuronWord.CountPartials * 4) == 0) return
  const partial = <usize>load<u32>(rec, NeuronWord.CountPartials * 4) + ((<usize>unit) << 2)
  if (load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** Is it a neuron that learn.ts can run: v0 = 0, soft detached reset, one or two terms? */
function isUsual(rec: usize): bool {
  return (
    hasCommonTrace(rec) &&
    load<f32>(rec, NeuronWord.Rest * 4) == 0 &&
    load<u32>(rec, NeuronWord.A * 4) != 0 &&
    (load<u32>(rec, NeuronWord.B * 4) == 0 || load<u32>(rec, NeuronWord.S * 4) == 0) &&
    load<f32>(rec, NeuronWord.Threshold * 4) <= HIGHEST_THRESHOLD
  )
}

/** For larger θ the difference u − θ would lose digits of u. */
const HIGHEST_THRESHOLD: f32 = 4

/**
 * Are only spikes wanted, with κ = 1, affine maps on all terms that are the same at every step, and
 * all steps in one call?
 */
function isPlain(rec: usize, kappa: f32): bool {
  return (
    kappa == 1 &&
    load<u32>(rec, NeuronWord.AScale * 4) != 0 &&
    (load<u32>(rec, NeuronWord.B * 4) == 0 || load<u32>(rec, NeuronWord.BScale * 4) != 0) &&
    !hasGroups(rec) &&
    (load<u32>(rec, NeuronWord.V * 4) |
      load<u32>(rec, NeuronWord.AXhat * 4) |
      load<u32>(rec, NeuronWord.BXhat * 4)) ==
      0
  )
}
