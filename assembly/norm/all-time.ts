/**
 * Batch normalisation over all time steps, computed online (online spiking renormalisation, Zhu et
 * al., ICLR 2024): steps are normalised by running statistics, which move once behind the last
 * step by those of all steps together.
 *
 *   forward   y = weight·(x − m)·i + bias,  m = running mean,  i = 1/√(running variance + ε);
 *             in a channel of a step where one of the two deviations is more than Bound times the
 *             other, m and i are the step's own, μ_t and i_t
 *   behind    μ = mean_t μ_t,  σ² = mean_t (σ_t² + μ_t²) − μ²;  running values move to μ and σ²
 *   backward  dx = weight·i·(δ − mean δ − x̂_t·mean (δ·x̂_t)),  x̂_t by the step's own statistics
 *             d weight = Σ δ·x̂_t + Σ δ·(μ_t − m)·i        (backward.ts), m and i as in forward
 *
 * ByLayer, as the authors' code: if any channel is beyond the bound, all of the step are normalised
 * by its own statistics, and m and i of the backward pass are the running ones even then.
 */

import { address as at } from '../base/record'
import { AllTimeWord } from '../opcodes'
import { parameterAt } from './chunks'

/**
 * Frozen, Totals = at t = 0, Totals += later; Used [Groups][2][C] = m and i of the backward pass;
 * Scale, Shift [Groups][C] = over those of the step's own statistics, where the bound allows;
 * RunningMean and RunningVar [C] move at the last step. Padded channels are within the bound. One
 * unit. Scratch: none.
 */
export function normAllTime(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const channels = at(rec, AllTimeWord.C)
  const groups = <i32>at(rec, AllTimeWord.Groups)
  const moves = max<i32>(1, <i32>at(rec, AllTimeWord.Moves))
  const steps = <i32>at(rec, AllTimeWord.TotalSteps)
  if (t == 0) freeze(rec, channels)
  for (let group = 0; group < groups; group++) {
    addStep(rec, channels, <usize>group, <f64>moves)
    useStatistics(rec, channels, <usize>group)
  }
  if (t + groups * moves >= steps) moveRunning(rec, channels, <f64>steps)
}

/** Running statistics before the first step; no totals yet. */
function freeze(rec: usize, channels: usize): void {
  const epsilon = <f64>load<f32>(rec, AllTimeWord.Epsilon * 4)
  const frozen = at(rec, AllTimeWord.Frozen)
  for (let c: usize = 0; c < channels; c++) {
    const variance = <f64>load<f32>(at(rec, AllTimeWord.RunningVar) + (c << 2))
    store<f32>(frozen + (c << 2), load<f32>(at(rec, AllTimeWord.RunningMean) + (c << 2)))
    store<f32>(frozen + ((channels + c) << 2), <f32>(1 / Math.sqrt(variance + epsilon)))
  }
  memory.fill(at(rec, AllTimeWord.Totals), 0, channels << 4)
}

/** Totals += the mean and the mean square of a step, which stands for so many. */
function addStep(rec: usize, channels: usize, group: usize, moves: f64): void {
  const epsilon = <f64>load<f32>(rec, AllTimeWord.Epsilon * 4)
  const totals = at(rec, AllTimeWord.Totals)
  const row = (group * channels) << 2
  for (let c: usize = 0; c < channels; c++) {
    const mean = <f64>load<f32>(at(rec, AllTimeWord.Mean) + row + (c << 2))
    const invStd = <f64>load<f32>(at(rec, AllTimeWord.InvStd) + row + (c << 2))
    const square = max<f64>(0, 1 / (invStd * invStd) - epsilon) + mean * mean
    const first = totals + (c << 3)
    const second = first + (channels << 3)
    store<f64>(first, load<f64>(first) + moves * mean)
    store<f64>(second, load<f64>(second) + moves * square)
  }
}

/** Which statistics normalise the channels of a step. */
function useStatistics(rec: usize, channels: usize, group: usize): void {
  const byLayer = at(rec, AllTimeWord.ByLayer) != 0
  const allNear = !byLayer || areNear(rec, channels, group)
  for (let c: usize = 0; c < channels; c++) {
    const near = byLayer ? allNear : isNear(rec, channels, group, c)
    if (near) storeFrozenMap(rec, channels, group, c)
    storeUsed(rec, channels, group, c, near || byLayer)
  }
}

function areNear(rec: usize, channels: usize, group: usize): bool {
  for (let c: usize = 0; c < channels; c++) if (!isNear(rec, channels, group, c)) return false
  return true
}

/** Is the deviation of a step at most Bound times the running one, and the other way round? */
function isNear(rec: usize, channels: usize, group: usize, c: usize): bool {
  if (c >= <usize>at(rec, AllTimeWord.RealC)) return true
  const bound = load<f32>(rec, AllTimeWord.Bound * 4)
  const a = load<f32>(at(rec, AllTimeWord.InvStd) + ((group * channels + c) << 2))
  const b = load<f32>(at(rec, AllTimeWord.Frozen) + ((channels + c) << 2))
  return a / b <= bound && b / a <= bound
}

function storeFrozenMap(rec: usize, channels: usize, group: usize, c: usize): void {
  const frozen = at(rec, AllTimeWord.Frozen)
  const row = (group * channels) << 2
  const mean = <f64>load<f32>(frozen + (c << 2))
  const invStd = <f64>load<f32>(frozen + ((channels + c) << 2))
  const scale = parameterAt(<u32>at(rec, AllTimeWord.Weight), c, 1) * invStd
  const shift = parameterAt(<u32>at(rec, AllTimeWord.Bias), c, 0) - mean * scale
  store<f32>(at(rec, AllTimeWord.Scale) + row + (c << 2), <f32>scale)
  store<f32>(at(rec, AllTimeWord.Shift) + row + (c << 2), <f32>shift)
}

/** Used = the running statistics, or the step's own. */
function storeUsed(rec: usize, channels: usize, group: usize, c: usize, running: bool): void {
  const used = at(rec, AllTimeWord.Used) + ((2 * group * channels + c) << 2)
  const own = (group * channels + c) << 2
  const frozen = at(rec, AllTimeWord.Frozen) + (c << 2)
  const mean = running ? frozen : at(rec, AllTimeWord.Mean) + own
  const invStd = running ? frozen + (channels << 2) : at(rec, AllTimeWord.InvStd) + own
  store<f32>(used, load<f32>(mean))
  store<f32>(used + (channels << 2), load<f32>(invStd))
}

/** Running values = (1 − Momentum)·running values + Momentum·those of all steps. */
function moveRunning(rec: usize, channels: usize, steps: f64): void {
  const momentum = <f64>load<f32>(rec, AllTimeWord.Momentum * 4)
  const totals = at(rec, AllTimeWord.Totals)
  for (let c: usize = 0; c < channels; c++) {
    const mean = load<f64>(totals + (c << 3)) / steps
    const square = load<f64>(totals + ((channels + c) << 3)) / steps
    const variance = max<f64>(0, square - mean * mean)
    if (!isFinite(variance)) continue
    move(at(rec, AllTimeWord.RunningMean) + (c << 2), momentum, mean)
    move(at(rec, AllTimeWord.RunningVar) + (c << 2), momentum, variance)
  }
}

function move(address: usize, momentum: f64, value: f64): void {
  store<f32>(address, <f32>((1 - momentum) * <f64>load<f32>(address) + momentum * value))
}
