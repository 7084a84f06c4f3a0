/**
 * Batch normalisation over rows [rows][C]. Row r belongs to group r % Groups: one group, or one
 * for each time step.
 *
 *   forward   μ = mean x,  σ² = mean (x − μ)²
 *             y = Scale·x + Shift = weight·(x − μ)/√(σ² + ε) + bias   (its readers compute y)
 *   backward  dx = a·δ − b − c·x̂
 *             a = weight/√(σ² + ε),  b = a·mean δ,  c = a·mean (δ·x̂)
 *
 * Rows are cut into chunks. Each chunk writes its partial sums in float32; they are added up in
 * order in float64. The sums are of x minus a row of the chunk, so that a mean far from 0 does not
 * cancel the variance. A convolution on spikes writes the partial sums itself (moments.ts), while
 * its output is in the cache.
 */

import { NormRecord } from '../generated/records'
import { Control, NormSize, Rec } from '../opcodes'
import { firstOfChunk, MOMENT_ROWS, parameterAt, partialOf, rowsOfChunk } from './chunks'
import { combineMoments, normSums4, normSums16, startMoments } from './moments'

/** Channels of one unit of `normFinish`. */
const FINISH_CHANNELS: usize = NormSize.FinishChannels

/**
 * Partial [unit][Groups][4][C] = moments of the rows of each group. Unit = chunk of rows. Scratch:
 * none.
 */
export function normStatistics(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = rec.channels << 2
  const groups = <u32>rec.groups
  const x = rec.in
  for (let group: u32 = 0; group < groups; group++) {
    const count = rowsOfChunk(rec, unit, group)
    const start = x + <usize>firstOfChunk(rec, unit, group) * rowBytes
    const moments = partialOf(rec, unit, group, MOMENT_ROWS)
    if (count == 0) {
      memory.fill(moments, 0, rowBytes << 2)
      continue
    }
    startMoments(moments, rowBytes, start, rowBytes, count)
    const sums = moments + (rowBytes << 1)
    const step = <usize>groups * rowBytes
    let c: usize = 0
    for (; c + 64 <= rowBytes; c += 64)
      normSums16(sums + c, sums + rowBytes + c, start + c, start + c, count, step)
    for (; c < rowBytes; c += 16)
      normSums4(sums + c, sums + rowBytes + c, start + c, start + c, count, step)
  }
}

/**
 * Mean, invStd, Scale, Shift [Groups][C] = from the partial sums. runningMean and runningVar [C],
 * where present, move Moves times for each group, in order, with the unbiased variance. meanInvStd
 * [C], where present, += Moves·invStd/totalSteps (= at t = 0). Unit = FINISH_CHANNELS channels.
 * Scratch: NormSize.FinishScratchBytes.
 */
export function normFinish(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const channels = rec.channels
  const groups = <u32>rec.groups
  const rows = <f64>(<u32>rec.rows / groups)
  const samples = rows * <f64>(<u32>rec.repeats)
  const unbias = samples > 1 ? samples / (samples - 1) : 1
  const momentum = <f64>rec.momentum
  const moves = max<u32>(1, <u32>rec.moves)
  const epsilon = <f64>rec.epsilon
  const runningMean = rec.runningMean
  const runningVar = rec.runningVar
  const meanInvStd = rec.meanInvStd
  const units = <u32>rec.units
  const stride = channels << 2
  const step = <usize>groups * stride * MOMENT_ROWS
  const end = min((<usize>unit + 1) * FINISH_CHANNELS, channels)
  for (let group: u32 = 0; group < groups; group++) {
    const moments = partialOf(rec, 0, group, MOMENT_ROWS)
    for (let c = <usize>unit * FINISH_CHANNELS; c < end; c++) {
      const at = (<usize>group * channels + c) << 2
      const lane = (c & 3) << 3
      if (lane == 0) combineMoments(scratch, moments + (c << 2), stride, step, units, rows)
      const mean = load<f64>(scratch + lane)
      const variance = max<f64>(0, load<f64>(scratch + lane, 32) / rows)
      const invStd = 1 / Math.sqrt(variance + epsilon)
      store<f32>(rec.mean + at, <f32>mean)
      store<f32>(rec.invStd + at, <f32>invStd)
      storeAffine(rec, at, c, mean, invStd)
      if (!isFinite(<f32>(variance * unbias)))
        store<u32>(Control.NonFinite, 2 + load<u32>(changetype<usize>(rec), Rec.Layer * 4))
      else {
        for (let i: u32 = 0; i < moves; i++) {
          if (runningMean) move(runningMean + (c << 2), momentum, mean)
          if (runningVar) move(runningVar + (c << 2), momentum, variance * unbias)
        }
      }
      if (meanInvStd) {
        const share = (<f64>moves * invStd) / <f64>(<u32>rec.totalSteps)
        const before = t == 0 && group == 0 ? 0 : <f64>load<f32>(meanInvStd + (c << 2))
        store<f32>(meanInvStd + (c << 2), <f32>(before + share))
      }
    }
  }
}

/** Scale, Shift at one channel of one group = the affine map of weight·(x − mean)·invStd + bias. */
// @ts-ignore: decorator
@inline
function storeAffine(rec: NormRecord, at: usize, c: usize, mean: f64, invStd: f64): void {
  const scale = parameterAt(rec.weight, c, 1) * invStd
  const shift = parameterAt(rec.bias, c, 0) - mean * scale
  store<f32>(rec.scale + at, <f32>scale)
  store<f32>(rec.shift + at, <f32>shift)
}

/** running value = (1 − momentum)·running value + momentum·value. */
// @ts-ignore: decorator
@inline
function move(address: usize, momentum: f64, value: f64): void {
  store<f32>(address, <f32>((1 - momentum) * <f64>load<f32>(address) + momentum * value))
}

/**
 * Scale, Shift [Groups][C] = from runningMean and runningVar, the same for every group. One unit.
 * Scratch: none.
 */
export function normEvaluate(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const channels = rec.channels
  const groups = <u32>rec.groups
  const epsilon = <f64>rec.epsilon
  for (let group: u32 = 0; group < groups; group++) {
    for (let c: usize = 0; c < channels; c++) {
      const mean = <f64>load<f32>(rec.runningMean + (c << 2))
      const variance = <f64>load<f32>(rec.runningVar + (c << 2))
      storeAffine(
        rec,
        (<usize>group * channels + c) << 2,
        c,
        mean,
        1 / Math.sqrt(variance + epsilon),
      )
    }
  }
}
