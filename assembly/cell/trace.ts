/**
 * Derivatives of the outputs that run forward beside them: by a constant that is added to the input
 * at every step, which gives the eligibility, and by what is learned of the cells.
 */

import { CellLearn, CellRow, CellWord } from '../opcodes'
import { constant, StepRow, stepRow } from './rows'

/** Derivatives by the input. The other values are the bits of `CellLearn`. */
export const BY_INPUT: u32 = 0

/**
 * One step: reads the rows of the step, the input x [C] and the derivatives of the state [3][C] (of
 * the potential, the current and the adaptation), and writes those. sum [C] += weight · the
 * derivative of the output, or = with `fresh`. With 1/τ = σ(w), ∂(1/τ)/∂w = (1/τ)(1 − 1/τ).
 */
export function cellTrace(
  rec: usize,
  by: u32,
  x: usize,
  derivatives: usize,
  constants: usize,
  rows: usize,
  sum: usize,
  rowBytes: usize,
  weight: f32,
  fresh: bool,
): void {
  const synapse = load<u32>(rec, CellWord.Synapse * 4) != 0
  const adapts = load<u32>(rec, CellWord.Adapts * 4) != 0
  const spikes = load<u32>(rec, CellWord.Spikes * 4) != 0
  const hard = load<u32>(rec, CellWord.HardReset * 4) != 0
  const detach = load<u32>(rec, CellWord.Detach * 4) != 0
  const decayInput = load<u32>(rec, CellWord.DecayInput * 4) != 0
  const share = f32x4.splat(weight)
  const one = f32x4.splat(1)
  const zero = f32x4.splat(0)
  const ofCurrent = derivatives + rowBytes
  const ofAdaptation = ofCurrent + rowBytes
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const active = stepRow(rows, StepRow.Active, rowBytes, c)
    let di = by == BY_INPUT ? one : zero
    if (synapse) {
      di = f32x4.mul(
        constant(constants, CellRow.SynapseLeak, rowBytes, c),
        v128.load(ofCurrent + c),
      )
      if (by == BY_INPUT) di = f32x4.add(di, constant(constants, CellRow.SynapseGain, rowBytes, c))
      if (by == CellLearn.TauSyn) {
        let direct = f32x4.neg(stepRow(rows, StepRow.CurrentBefore, rowBytes, c))
        if (decayInput)
          direct = f32x4.add(
            direct,
            f32x4.mul(constant(constants, CellRow.Scale, rowBytes, c), v128.load(x + c)),
          )
        di = f32x4.add(
          di,
          slopeTimes(constant(constants, CellRow.SynapseRate, rowBytes, c), direct),
        )
      }
      v128.store(ofCurrent + c, di)
    }
    const dv = v128.load(derivatives + c)
    let du = f32x4.add(
      f32x4.mul(constant(constants, CellRow.Leak, rowBytes, c), dv),
      f32x4.mul(constant(constants, CellRow.Gain, rowBytes, c), di),
    )
    if (by == CellLearn.Tau)
      du = f32x4.add(
        du,
        slopeTimes(
          constant(constants, CellRow.Rate, rowBytes, c),
          drive(constants, rows, rowBytes, c, decayInput, synapse),
        ),
      )
    du = v128.bitselect(du, dv, active)
    let ds = du
    let after = du
    if (spikes) {
      const fired = stepRow(rows, StepRow.Fired, rowBytes, c)
      let dTheta = by == CellLearn.Threshold ? one : zero
      let da = zero
      if (adapts) {
        da = v128.load(ofAdaptation + c)
        dTheta = f32x4.add(dTheta, f32x4.mul(constant(constants, CellRow.Beta, rowBytes, c), da))
        if (by == CellLearn.Beta)
          dTheta = f32x4.add(dTheta, stepRow(rows, StepRow.Adaptation, rowBytes, c))
      }
      ds = f32x4.mul(stepRow(rows, StepRow.Surrogate, rowBytes, c), f32x4.sub(du, dTheta))
      if (hard) {
        after = v128.andnot(du, fired)
        if (!detach) {
          const u = stepRow(rows, StepRow.Potential, rowBytes, c)
          const down = f32x4.sub(u, constant(constants, CellRow.Reset, rowBytes, c))
          after = f32x4.sub(after, f32x4.mul(down, ds))
        }
      } else {
        if (!detach)
          after = f32x4.sub(
            after,
            f32x4.mul(constant(constants, CellRow.Threshold, rowBytes, c), ds),
          )
        if (by == CellLearn.Threshold) after = f32x4.sub(after, v128.and(fired, one))
      }
      if (adapts) {
        let next = f32x4.add(
          f32x4.mul(constant(constants, CellRow.AdaptationLeak, rowBytes, c), da),
          ds,
        )
        if (by == CellLearn.TauAdaptation)
          next = f32x4.sub(
            next,
            slopeTimes(
              constant(constants, CellRow.AdaptationRate, rowBytes, c),
              stepRow(rows, StepRow.Adaptation, rowBytes, c),
            ),
          )
        v128.store(ofAdaptation + c, next)
      }
    }
    v128.store(derivatives + c, after)
    const part = f32x4.mul(ds, share)
    v128.store(sum + c, fresh ? part : f32x4.add(v128.load(sum + c), part))
  }
}

/** m(1 − m)·x, with ∂m/∂w = m(1 − m) for m = σ(w). */
// @ts-ignore: decorator
@inline
export function slopeTimes(m: v128, x: v128): v128 {
  return f32x4.mul(f32x4.mul(m, f32x4.sub(f32x4.splat(1), m)), x)
}

/** ∂u/∂(1/τ): vRest − v, and with decayInput the current as well. */
// @ts-ignore: decorator
@inline
export function drive(
  constants: usize,
  rows: usize,
  rowBytes: usize,
  c: usize,
  decayInput: bool,
  synapse: bool,
): v128 {
  const pull = f32x4.sub(
    constant(constants, CellRow.Rest, rowBytes, c),
    stepRow(rows, StepRow.Before, rowBytes, c),
  )
  if (!decayInput) return pull
  const current = stepRow(rows, StepRow.Current, rowBytes, c)
  return f32x4.add(
    pull,
    synapse ? current : f32x4.mul(constant(constants, CellRow.Scale, rowBytes, c), current),
  )
}
