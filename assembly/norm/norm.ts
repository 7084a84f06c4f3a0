/**
 * Batch normalisation over rows [rows][C], where row r belongs to group r % Groups (one group, or
 * one for each time step).
 *
 *   forward μ = mean x, σ² = mean (x − μ)², y = Scale·x + Shift = weight·(x − μ)/√(σ² + ε) + bias
 *   (y is computed by its readers) backward dx = a·δ − b − c·x̂, a = weight/√(σ² + ε), b = a·mean
 *   δ, c = a·mean (δ·x̂)
 *
 * Rows are cut into chunks; each chunk writes its partial sums in float32, and they are added up in
 * order in float64. Statistics are taken of x − a row of the chunk, so that a mean far from 0 does
 * not cancel away the variance. A convolution on spikes writes them itself (`startMoments`,
 * `addMoments`), while its output is in the cache.
 */
import { Control, NormWord, Rec } from '../opcodes'

/**
 * Rows of the forward's partial sums: how many rows of x they cover, x0, Σ d and Σ d² with d = x −
 * x0; of the backward's: Σ δ, Σ δ·x̂.
 */
const MOMENT_ROWS: u32 = 4
const PRODUCT_ROWS: u32 = 2

/** Channels of one unit of the operations that finish. */
const FINISH_CHANNELS: usize = 32

/**
 * Partial [unit][Groups][4][C] = moments of the rows of each group. Unit = chunk of rows. Scratch:
 * none.
 */
export function normStatistics(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = (<usize>load<u32>(rec, NormWord.C * 4)) << 2
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const x = <usize>load<u32>(rec, NormWord.In * 4)
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

/** Moments [4][…], rows `stride` apart, of `bytes` of channels: = count, the row x, 0, 0. */
export function startMoments(
  moments: usize,
  stride: usize,
  x: usize,
  bytes: usize,
  count: u32,
): void {
  const n = f32x4.splat(<f32>count)
  const zero = f32x4.splat(0)
  for (let c: usize = 0; c < bytes; c += 16) {
    let at = moments + c
    v128.store(at, n)
    v128.store((at += stride), v128.load(x + c))
    v128.store((at += stride), zero)
    v128.store((at += stride), zero)
  }
}

/** Adds 4 rows of x, which lie `stride` apart as those of the moments do. */
export function addMoments4(moments: usize, stride: usize, x: usize, bytes: usize): void {
  const end = x + bytes
  for (; x < end; x += 16) {
    const base = moments + stride
    const x0 = v128.load(base)
    const sums = base + stride
    const squares = sums + stride
    let row = x
    const d0 = f32x4.sub(v128.load(row), x0)
    const d1 = f32x4.sub(v128.load((row += stride)), x0)
    const d2 = f32x4.sub(v128.load((row += stride)), x0)
    const d3 = f32x4.sub(v128.load(row + stride), x0)
    v128.store(sums, f32x4.add(v128.load(sums), f32x4.add(f32x4.add(d0, d1), f32x4.add(d2, d3))))
    const low = f32x4.add(f32x4.mul(d0, d0), f32x4.mul(d1, d1))
    const high = f32x4.add(f32x4.mul(d2, d2), f32x4.mul(d3, d3))
    v128.store(squares, f32x4.add(v128.load(squares), f32x4.add(low, high)))
    moments += 16
  }
}

/** The same for any number of rows. */
export function addMoments(moments: usize, stride: usize, x: usize, bytes: usize, rows: i32): void {
  for (let c: usize = 0; c < bytes; c += 16) {
    const base = moments + stride
    const x0 = v128.load(base)
    const sums = base + stride
    const squares = sums + stride
    let sum = v128.load(sums)
    let square = v128.load(squares)
    let row = x + c
    for (let left = rows; left; left--) {
      const d = f32x4.sub(v128.load(row), x0)
      sum = f32x4.add(sum, d)
      square = f32x4.add(square, f32x4.mul(d, d))
      row += stride
    }
    v128.store(sums, sum)
    v128.store(squares, square)
    moments += 16
  }
}

/** First row of a chunk that belongs to the group. */
function firstOfChunk(rec: usize, unit: i32, group: u32): u32 {
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const start = <u32>unit * load<u32>(rec, NormWord.RowsPerUnit * 4)
  return start + ((group + groups - (start % groups)) % groups)
}

/** Number of rows of a chunk that belong to the group. */
function rowsOfChunk(rec: usize, unit: i32, group: u32): u32 {
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const perUnit = load<u32>(rec, NormWord.RowsPerUnit * 4)
  const end = min(<u32>unit * perUnit + perUnit, load<u32>(rec, NormWord.Rows * 4))
  const first = firstOfChunk(rec, unit, group)
  return first < end ? (end - first + groups - 1) / groups : 0
}

/** Address of the partial sums [rows][C] of a chunk and group. */
function partialOf(rec: usize, unit: u32, group: u32, rows: u32): usize {
  const index = <usize>unit * load<u32>(rec, NormWord.Groups * 4) + group
  return (
    <usize>load<u32>(rec, NormWord.Partial * 4) +
    ((index * load<u32>(rec, NormWord.C * 4) * rows) << 2)
  )
}

/** 16 channels: sums = Σ d, squares = Σ d² over count rows. */
export function normSums16(
  sums: usize,
  squares: usize,
  x: usize,
  base: usize,
  count: u32,
  step: usize,
): void {
  const b0 = v128.load(base),
    b1 = v128.load(base, 16),
    b2 = v128.load(base, 32),
    b3 = v128.load(base, 48)
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0
  let q0 = s0,
    q1 = s0,
    q2 = s0,
    q3 = s0
  while (count) {
    const d0 = f32x4.sub(v128.load(x), b0)
    const d1 = f32x4.sub(v128.load(x, 16), b1)
    const d2 = f32x4.sub(v128.load(x, 32), b2)
    const d3 = f32x4.sub(v128.load(x, 48), b3)
    s0 = f32x4.add(s0, d0)
    s1 = f32x4.add(s1, d1)
    s2 = f32x4.add(s2, d2)
    s3 = f32x4.add(s3, d3)
    q0 = f32x4.add(q0, f32x4.mul(d0, d0))
    q1 = f32x4.add(q1, f32x4.mul(d1, d1))
    q2 = f32x4.add(q2, f32x4.mul(d2, d2))
    q3 = f32x4.add(q3, f32x4.mul(d3, d3))
    x += step
    count--
  }
  v128.store(sums, s0)
  v128.store(sums, s1, 16)
  v128.store(sums, s2, 32)
  v128.store(sums, s3, 48)
  v128.store(squares, q0)
  v128.store(squares, q1, 16)
  v128.store(squares, q2, 32)
  v128.store(squares, q3, 48)
}

/** The same for 4 channels. */
export function normSums4(
  sums: usize,
  squares: usize,
  x: usize,
  base: usize,
  count: u32,
  step: usize,
): void {
  const b = v128.load(base)
  let s = f32x4.splat(0),
    q = s
  while (count) {
    const d = f32x4.sub(v128.load(x), b)
    s = f32x4.add(s, d)
    q = f32x4.add(q, f32x4.mul(d, d))
    x += step
    count--
  }
  v128.store(sums, s)
  v128.store(squares, q)
}

/** Σ over chunks, in order, of one float of the backward's partial sums. */
function sumChunks(rec: usize, group: u32, index: usize): f64 {
  const units = load<u32>(rec, NormWord.Units * 4)
  const step =
    (<usize>load<u32>(rec, NormWord.Groups * 4) * load<u32>(rec, NormWord.C * 4) * PRODUCT_ROWS) <<
    2
  let at = partialOf(rec, 0, group, PRODUCT_ROWS) + (index << 2)
  let sum: f64 = 0
  for (let unit: u32 = 0; unit < units; unit++) {
    sum += <f64>load<f32>(at)
    at += step
  }
  return sum
}

/** Lanes 0 and 1, and lanes 2 and 3, in double precision. */
// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}
// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 0))
}

/**
 * From the moments of `units` chunks, `step` bytes apart, of four neighbouring channels: out f64
 * [2][4] = mean, Σ (x − mean)². moments: of the first chunk and channel, its rows `stride` apart.
 */
export function combineMoments(
  out: usize,
  moments: usize,
  stride: usize,
  step: usize,
  units: u32,
  rows: f64,
): void {
  let sum0 = f64x2.splat(0),
    sum1 = sum0
  let at = moments
  for (let left = units; left; left--) {
    const n = f64x2.splat(<f64>load<f32>(at))
    const base = v128.load(at + stride)
    const sums = v128.load(at + 2 * stride)
    sum0 = f64x2.add(sum0, f64x2.add(f64x2.mul(n, low(base)), low(sums)))
    sum1 = f64x2.add(sum1, f64x2.add(f64x2.mul(n, high(base)), high(sums)))
    at += step
  }
  const mean0 = f64x2.div(sum0, f64x2.splat(rows))
  const mean1 = f64x2.div(sum1, f64x2.splat(rows))
  v128.store(out, mean0)
  v128.store(out, mean1, 16)
  // Σ (x − mean)² of a chunk about its base b: Σ d² + (b − mean)(2 Σ d + n (b − mean)).
  let square0 = f64x2.splat(0),
    square1 = square0
  at = moments
  for (let left = units; left; left--) {
    const n = f64x2.splat(<f64>load<f32>(at))
    const base = v128.load(at + stride)
    const sums = v128.load(at + 2 * stride)
    const squares = v128.load(at + 3 * stride)
    const shift0 = f64x2.sub(low(base), mean0)
    const shift1 = f64x2.sub(high(base), mean1)
    const twice0 = f64x2.add(low(sums), low(sums))
    const twice1 = f64x2.add(high(sums), high(sums))
    square0 = f64x2.add(
      square0,
      f64x2.add(low(squares), f64x2.mul(shift0, f64x2.add(twice0, f64x2.mul(n, shift0)))),
    )
    square1 = f64x2.add(
      square1,
      f64x2.add(high(squares), f64x2.mul(shift1, f64x2.add(twice1, f64x2.mul(n, shift1)))),
    )
    at += step
  }
  v128.store(out, square0, 32)
  v128.store(out, square1, 48)
}

/** A parameter [C] that may be absent. */
// @ts-ignore: decorator
@inline
function parameterAt(address: u32, c: usize, otherwise: f64): f64 {
  return address ? <f64>load<f32>(<usize>address + (c << 2)) : otherwise
}

/**
 * Mean, InvStd, Scale, Shift [Groups][C] = from the partial sums. RunningMean, RunningVar [C],
 * where present, move once for each group, in order, with the unbiased variance. MeanInvStd [C],
 * where present, += InvStd/TotalSteps (= at t = 0). Unit = 32 channels. Scratch: 64 bytes.
 */
export function normFinish(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const channels = <usize>load<u32>(rec, NormWord.C * 4)
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const rows = <f64>(load<u32>(rec, NormWord.Rows * 4) / groups)
  const samples = rows * <f64>load<u32>(rec, NormWord.Repeats * 4)
  const unbias = samples > 1 ? samples / (samples - 1) : 1
  const momentum = <f64>load<f32>(rec, NormWord.Momentum * 4)
  const epsilon = <f64>load<f32>(rec, NormWord.Epsilon * 4)
  const runningMean = <usize>load<u32>(rec, NormWord.RunningMean * 4)
  const runningVar = <usize>load<u32>(rec, NormWord.RunningVar * 4)
  const meanInvStd = <usize>load<u32>(rec, NormWord.MeanInvStd * 4)
  const units = load<u32>(rec, NormWord.Units * 4)
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
      store<f32>(<usize>load<u32>(rec, NormWord.Mean * 4) + at, <f32>mean)
      store<f32>(<usize>load<u32>(rec, NormWord.InvStd * 4) + at, <f32>invStd)
      storeAffine(rec, at, c, mean, invStd)
      if (!isFinite(<f32>(variance * unbias)))
        store<u32>(Control.NonFinite, 2 + load<u32>(rec, Rec.Layer * 4))
      else {
        if (runningMean) move(runningMean + (c << 2), momentum, mean)
        if (runningVar) move(runningVar + (c << 2), momentum, variance * unbias)
      }
      if (meanInvStd) {
        const share = invStd / <f64>load<u32>(rec, NormWord.TotalSteps * 4)
        const before = t == 0 && group == 0 ? 0 : <f64>load<f32>(meanInvStd + (c << 2))
        store<f32>(meanInvStd + (c << 2), <f32>(before + share))
      }
    }
  }
}

/** Scale, Shift at one channel of one group = the affine map of weight·(x − mean)·invStd + bias. */
// @ts-ignore: decorator
@inline
function storeAffine(rec: usize, at: usize, c: usize, mean: f64, invStd: f64): void {
  const scale = parameterAt(load<u32>(rec, NormWord.Weight * 4), c, 1) * invStd
  const shift = parameterAt(load<u32>(rec, NormWord.Bias * 4), c, 0) - mean * scale
  store<f32>(<usize>load<u32>(rec, NormWord.Scale * 4) + at, <f32>scale)
  store<f32>(<usize>load<u32>(rec, NormWord.Shift * 4) + at, <f32>shift)
}

/** A running value moves towards the new one. */
// @ts-ignore: decorator
@inline
function move(address: usize, momentum: f64, value: f64): void {
  store<f32>(address, <f32>((1 - momentum) * <f64>load<f32>(address) + momentum * value))
}

/**
 * Scale, Shift [Groups][C] = from RunningMean and RunningVar, the same for every group. One unit.
 * Scratch: none.
 */
export function normEvaluate(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const channels = <usize>load<u32>(rec, NormWord.C * 4)
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const epsilon = <f64>load<f32>(rec, NormWord.Epsilon * 4)
  for (let group: u32 = 0; group < groups; group++) {
    for (let c: usize = 0; c < channels; c++) {
      const mean = <f64>load<f32>(<usize>load<u32>(rec, NormWord.RunningMean * 4) + (c << 2))
      const variance = <f64>load<f32>(<usize>load<u32>(rec, NormWord.RunningVar * 4) + (c << 2))
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

/** Partial [unit][Groups][2][C] = Σ δ and Σ δ·x̂. Unit = chunk of rows. Scratch: none. */
export function normBackwardReduce(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = (<usize>load<u32>(rec, NormWord.C * 4)) << 2
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const step = <usize>groups * rowBytes
  const xhat = <usize>load<u32>(rec, NormWord.Xhat * 4)
  for (let group: u32 = 0; group < groups; group++) {
    const count = rowsOfChunk(rec, unit, group)
    const start = <usize>firstOfChunk(rec, unit, group) * rowBytes
    const delta = <usize>load<u32>(rec, NormWord.Delta * 4) + start
    const sums = partialOf(rec, unit, group, PRODUCT_ROWS)
    let c: usize = 0
    if (xhat) {
      for (; c + 64 <= rowBytes; c += 64)
        normProducts16(sums + c, sums + rowBytes + c, delta + c, xhat + start + c, count, step)
    }
    for (; c < rowBytes; c += 16) {
      if (xhat) {
        normProducts(sums + c, sums + rowBytes + c, delta + c, xhat + start + c, count, step)
      } else {
        const statistic = <usize>group * rowBytes + c
        normCentredProducts(
          sums + c,
          sums + rowBytes + c,
          delta + c,
          <usize>load<u32>(rec, NormWord.In * 4) + start + c,
          <usize>load<u32>(rec, NormWord.Mean * 4) + statistic,
          <usize>load<u32>(rec, NormWord.InvStd * 4) + statistic,
          count,
          step,
        )
      }
    }
  }
}

/** 16 channels: sums = Σ δ, products = Σ δ·x̂ over count rows. */
export function normProducts16(
  sums: usize,
  products: usize,
  delta: usize,
  xhat: usize,
  count: u32,
  step: usize,
): void {
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0
  let q0 = s0,
    q1 = s0,
    q2 = s0,
    q3 = s0
  while (count) {
    const d0 = v128.load(delta)
    const d1 = v128.load(delta, 16)
    const d2 = v128.load(delta, 32)
    const d3 = v128.load(delta, 48)
    s0 = f32x4.add(s0, d0)
    s1 = f32x4.add(s1, d1)
    s2 = f32x4.add(s2, d2)
    s3 = f32x4.add(s3, d3)
    q0 = f32x4.add(q0, f32x4.mul(d0, v128.load(xhat)))
    q1 = f32x4.add(q1, f32x4.mul(d1, v128.load(xhat, 16)))
    q2 = f32x4.add(q2, f32x4.mul(d2, v128.load(xhat, 32)))
    q3 = f32x4.add(q3, f32x4.mul(d3, v128.load(xhat, 48)))
    delta += step
    xhat += step
    count--
  }
  v128.store(sums, s0)
  v128.store(sums, s1, 16)
  v128.store(sums, s2, 32)
  v128.store(sums, s3, 48)
  v128.store(products, q0)
  v128.store(products, q1, 16)
  v128.store(products, q2, 32)
  v128.store(products, q3, 48)
}

/** 4 channels: sums = Σ δ, products = Σ δ·x̂ over count rows. */
export function normProducts(
  sums: usize,
  products: usize,
  delta: usize,
  xhat: usize,
  count: u32,
  step: usize,
): void {
  let s = f32x4.splat(0),
    q = s
  while (count) {
    const d = v128.load(delta)
    s = f32x4.add(s, d)
    q = f32x4.add(q, f32x4.mul(d, v128.load(xhat)))
    delta += step
    xhat += step
    count--
  }
  v128.store(sums, s)
  v128.store(products, q)
}

/** The same with x̂ = (x − mean)·invStd. */
export function normCentredProducts(
  sums: usize,
  products: usize,
  delta: usize,
  x: usize,
  mean: usize,
  invStd: usize,
  count: u32,
  step: usize,
): void {
  const m = v128.load(mean)
  let s = f32x4.splat(0),
    q = s
  while (count) {
    const d = v128.load(delta)
    s = f32x4.add(s, d)
    q = f32x4.add(q, f32x4.mul(d, f32x4.sub(v128.load(x), m)))
    delta += step
    x += step
    count--
  }
  v128.store(sums, s)
  v128.store(products, f32x4.mul(q, v128.load(invStd)))
}

/**
 * Coefficients a, b, c [Groups][3][C] = from the partial sums; WeightGradient, BiasGradient [C],
 * where present, = (or, with Accumulate, +=) Σ δ·x̂ and Σ δ over all groups. MeanInvStd, where
 * present, takes the place of InvStd. One unit. Scratch: none.
 */
export function normBackwardFinish(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const channels = <usize>load<u32>(rec, NormWord.C * 4)
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const rows = <f64>(load<u32>(rec, NormWord.Rows * 4) / groups)
  const meanInvStd = <usize>load<u32>(rec, NormWord.MeanInvStd * 4)
  for (let c: usize = 0; c < channels; c++) {
    const weight = parameterAt(load<u32>(rec, NormWord.Weight * 4), c, 1)
    let weightGradient: f64 = 0
    let biasGradient: f64 = 0
    for (let group: u32 = 0; group < groups; group++) {
      const sum = sumChunks(rec, group, c)
      const product = sumChunks(rec, group, channels + c)
      biasGradient += sum
      weightGradient += product
      const invStd = meanInvStd
        ? meanInvStd + (c << 2)
        : <usize>load<u32>(rec, NormWord.InvStd * 4) + ((<usize>group * channels + c) << 2)
      const a = weight * <f64>load<f32>(invStd)
      const out =
        <usize>load<u32>(rec, NormWord.Coefficients * 4) + ((<usize>group * 3 * channels + c) << 2)
      store<f32>(out, <f32>a)
      store<f32>(out + (channels << 2), <f32>((a * sum) / rows))
      store<f32>(out + (channels << 3), <f32>((a * product) / rows))
    }
    storeGradient(rec, load<u32>(rec, NormWord.WeightGradient * 4), c, weightGradient)
    storeGradient(rec, load<u32>(rec, NormWord.BiasGradient * 4), c, biasGradient)
  }
}

function storeGradient(rec: usize, gradient: u32, c: usize, value: f64): void {
  if (!gradient) return
  const at = <usize>gradient + (c << 2)
  const before = load<u32>(rec, NormWord.Accumulate * 4) ? <f64>load<f32>(at) : 0
  store<f32>(at, <f32>(before + value))
}

/** Out [rows][C] = a·δ − b − c·x̂; Out may be Delta. Unit = chunk of rows. Scratch: none. */
export function normBackwardApply(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = (<usize>load<u32>(rec, NormWord.C * 4)) << 2
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const perUnit = load<u32>(rec, NormWord.RowsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NormWord.Rows * 4))
  const xhat = <usize>load<u32>(rec, NormWord.Xhat * 4)
  for (let row = first; row < end; row++) {
    const at = <usize>row * rowBytes
    const group = <usize>(row % groups) * rowBytes
    const coefficients = <usize>load<u32>(rec, NormWord.Coefficients * 4) + group * 3
    const out = <usize>load<u32>(rec, NormWord.Out * 4) + at
    const delta = <usize>load<u32>(rec, NormWord.Delta * 4) + at
    if (xhat) {
      normApply(out, delta, xhat + at, coefficients, rowBytes)
    } else {
      normApplyCentred(
        out,
        delta,
        <usize>load<u32>(rec, NormWord.In * 4) + at,
        coefficients,
        rowBytes,
        <usize>load<u32>(rec, NormWord.Mean * 4) + group,
        <usize>load<u32>(rec, NormWord.InvStd * 4) + group,
      )
    }
  }
}

/** One row with x̂ given. */
export function normApply(
  out: usize,
  delta: usize,
  xhat: usize,
  coefficients: usize,
  rowBytes: usize,
): void {
  const b = coefficients + rowBytes
  const c = b + rowBytes
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const y = f32x4.sub(
      f32x4.mul(v128.load(coefficients + i), v128.load(delta + i)),
      v128.load(b + i),
    )
    v128.store(out + i, f32x4.sub(y, f32x4.mul(v128.load(c + i), v128.load(xhat + i))))
  }
}

/** One row with x̂ = (x − mean)·invStd. */
export function normApplyCentred(
  out: usize,
  delta: usize,
  x: usize,
  coefficients: usize,
  rowBytes: usize,
  mean: usize,
  invStd: usize,
): void {
  const b = coefficients + rowBytes
  const c = b + rowBytes
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const xhat = f32x4.mul(f32x4.sub(v128.load(x + i), v128.load(mean + i)), v128.load(invStd + i))
    const y = f32x4.sub(
      f32x4.mul(v128.load(coefficients + i), v128.load(delta + i)),
      v128.load(b + i),
    )
    v128.store(out + i, f32x4.sub(y, f32x4.mul(v128.load(c + i), xhat)))
  }
}
