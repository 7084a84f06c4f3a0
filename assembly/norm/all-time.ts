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
 * byLayer, as the authors' code: if any channel is beyond the bound, all of the step are normalised
 * by its own statistics, and m and i of the backward pass are the running ones even then.
 */

import { AllTimeRecord } from '../generated/records'
import { parameterAt } from './chunks'

/**
 * Frozen, Totals = at t = 0, Totals += later; Used [Groups][2][C] = m and i of the backward pass;
 * Scale, Shift [Groups][C] = over those of the step's own statistics, where the bound allows;
 * runningMean and runningVar [C] move at the last step. Padded channels are within the bound. One
 * unit. Scratch: none.
 */
export function normAllTime(rec: AllTimeRecord, unit: i32, t: i32, scratch: usize): void {
  const channels = rec.channels
  const groups = rec.groups
  const moves = max<i32>(1, rec.moves)
  const steps = rec.totalSteps
  if (t == 0) freeze(rec, channels)
  for (let group = 0; group < groups; group++) {
    addStep(rec, channels, <usize>group, <f64>moves)
    useStatistics(rec, channels, <usize>group)
  }
  if (t + groups * moves >= steps) moveRunning(rec, channels, <f64>steps)
}

/** Running statistics before the first step; no totals yet. */
function freeze(rec: AllTimeRecord, channels: usize): void {
  const epsilon = <f64>rec.epsilon
  const frozen = rec.frozen
  for (let c: usize = 0; c < channels; c++) {
    const variance = <f64>load<f32>(rec.runningVar + (c << 2))
    store<f32>(frozen + (c << 2), load<f32>(rec.runningMean + (c << 2)))
    store<f32>(frozen + ((channels + c) << 2), <f32>(1 / Math.sqrt(variance + epsilon)))
  }
  memory.fill(rec.totals, 0, channels << 4)
}

/** Totals += the mean and the mean square of a step, which stands for so many. */
function addStep(rec: AllTimeRecord, channels: usize, group: usize, moves: f64): void {
  const epsilon = <f64>rec.epsilon
  const totals = rec.totals
  const row = (group * channels) << 2
  for (let c: usize = 0; c < channels; c++) {
    const mean = <f64>load<f32>(rec.mean + row + (c << 2))
    const invStd = <f64>load<f32>(rec.invStd + row + (c << 2))
    const square = max<f64>(0, 1 / (invStd * invStd) - epsilon) + mean * mean
    const first = totals + (c << 3)
    const second = first + (channels << 3)
    store<f64>(first, load<f64>(first) + moves * mean)
    store<f64>(second, load<f64>(second) + moves * square)
  }
}

/** Which statistics normalise the channels of a step. */
function useStatistics(rec: AllTimeRecord, channels: usize, group: usize): void {
  const byLayer = <usize>rec.byLayer != 0
  const allNear = !byLayer || areNear(rec, channels, group)
  for (let c: usize = 0; c < channels; c++) {
    const near = byLayer ? allNear : isNear(rec, channels, group, c)
    if (near) storeFrozenMap(rec, channels, group, c)
    storeUsed(rec, channels, group, c, near || byLayer)
  }
}

function areNear(rec: AllTimeRecord, channels: usize, group: usize): bool {
  for (let c: usize = 0; c < channels; c++) if (!isNear(rec, channels, group, c)) return false
  return true
}

/** Is the deviation of a step at most Bound times the running one, and the other way round? */
function isNear(rec: AllTimeRecord, channels: usize, group: usize, c: usize): bool {
  if (c >= rec.realChannels) return true
  const bound = rec.bound
  const a = load<f32>(rec.invStd + ((group * channels + c) << 2))
  const b = load<f32>(rec.frozen + ((channels + c) << 2))
  return a / b <= bound && b / a <= bound
}

function storeFrozenMap(rec: AllTimeRecord, channels: usize, group: usize, c: usize): void {
  const frozen = rec.frozen
  const row = (group * channels) << 2
  const mean = <f64>load<f32>(frozen + (c << 2))
  const invStd = <f64>load<f32>(frozen + ((channels + c) << 2))
  const scale = parameterAt(<u32>rec.weight, c, 1) * invStd
  const shift = parameterAt(<u32>rec.bias, c, 0) - mean * scale
  store<f32>(rec.scale + row + (c << 2), <f32>scale)
  store<f32>(rec.shift + row + (c << 2), <f32>shift)
}

/** Used = the running statistics, or the step's own. */
function storeUsed(
  rec: AllTimeRecord,
  channels: usize,
  group: usize,
  c: usize,
  running: bool,
): void {
  const used = rec.used + ((2 * group * channels + c) << 2)
  const own = (group * channels + c) << 2
  const frozen = rec.frozen + (c << 2)
  const mean = running ? frozen : rec.mean + own
  const invStd = running ? frozen + (channels << 2) : rec.invStd + own
  store<f32>(used, load<f32>(mean))
  store<f32>(used + (channels << 2), load<f32>(invStd))
}

/** Running values = (1 − Momentum)·running values + Momentum·those of all steps. */
function moveRunning(rec: AllTimeRecord, channels: usize, steps: f64): void {
  const momentum = <f64>rec.momentum
  const totals = rec.totals
  for (let c: usize = 0; c < channels; c++) {
    const mean = load<f64>(totals + (c << 3)) / steps
    const square = load<f64>(totals + ((channels + c) << 3)) / steps
    const variance = max<f64>(0, square - mean * mean)
    if (!isFinite(variance)) continue
    move(rec.runningMean + (c << 2), momentum, mean)
    move(rec.runningVar + (c << 2), momentum, variance)
  }
}

function move(address: usize, momentum: f64, value: f64): void {
  store<f32>(address, <f32>((1 - momentum) * <f64>load<f32>(address) + momentum * value))
}
