/** Batch normalisation backward. The equations are in forward.ts. */

import { NormRecord } from '../generated/records'
import { NormSize } from '../opcodes'
import { firstOfChunk, PRODUCT_ROWS, parameterAt, partialOf, rowsOfChunk } from './chunks'

/** Σ over chunks, in order, of one float of the partial sums. */
function sumChunks(rec: NormRecord, group: u32, index: usize): f64 {
  const units = <u32>rec.units
  const step = (rec.groups * <u32>rec.channels * PRODUCT_ROWS) << 2
  let at = partialOf(rec, 0, group, PRODUCT_ROWS) + (index << 2)
  let sum: f64 = 0
  for (let unit: u32 = 0; unit < units; unit++) {
    sum += <f64>load<f32>(at)
    at += step
  }
  return sum
}

/** Partial [unit][Groups][2][C] = Σ δ and Σ δ·x̂. Unit = chunk of rows. Scratch: none. */
export function normBackwardReduce(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = rec.channels << 2
  const groups = <u32>rec.groups
  const step = <usize>groups * rowBytes
  const xhat = rec.xhat
  for (let group: u32 = 0; group < groups; group++) {
    const count = rowsOfChunk(rec, unit, group)
    const start = <usize>firstOfChunk(rec, unit, group) * rowBytes
    const delta = rec.delta + start
    const sums = partialOf(rec, unit, group, PRODUCT_ROWS)
    let c: usize = 0
    if (xhat) {
      for (; c + 64 <= rowBytes; c += 64)
        normProducts16(sums + c, sums + rowBytes + c, delta + c, xhat + start + c, count, step)
    }
    for (; c < rowBytes; c += 16) {
      if (xhat) {
        normProducts4(sums + c, sums + rowBytes + c, delta + c, xhat + start + c, count, step)
      } else {
        const statistic = <usize>group * rowBytes + c
        normCentredProducts(
          sums + c,
          sums + rowBytes + c,
          delta + c,
          rec.in + start + c,
          rec.mean + statistic,
          rec.invStd + statistic,
          count,
          step,
        )
      }
    }
  }
}

/** 16 or 4 channels: sums = Σ δ, products = Σ δ·x̂ over count rows. */
// @ts-ignore: decorator
@variants('normProducts', [16, 4])
export function normProducts(
  W: i32,
  sums: usize,
  products: usize,
  delta: usize,
  xhat: usize,
  count: u32,
  step: usize,
): void {
  const n: unroll = W / 4
  const s = locals<v128>(n, f32x4.splat(0))
  const q = locals<v128>(n, f32x4.splat(0))
  const d = locals<v128>(n)
  for (; count; count--) {
    for (let i: unroll = 0; i < n; i++) d[i] = v128.load(delta, 16 * i)
    for (let i: unroll = 0; i < n; i++) s[i] = f32x4.add(s[i], d[i])
    for (let i: unroll = 0; i < n; i++)
      q[i] = f32x4.add(q[i], f32x4.mul(d[i], v128.load(xhat, 16 * i)))
    delta += step
    xhat += step
  }
  for (let i: unroll = 0; i < n; i++) v128.store(sums, s[i], 16 * i)
  for (let i: unroll = 0; i < n; i++) v128.store(products, q[i], 16 * i)
}

/** 4 channels: sums = Σ δ, products = Σ δ·x̂ over count rows, where x̂ = (x − mean)·invStd. */
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
  let s = f32x4.splat(0)
  let q = f32x4.splat(0)
  for (; count; count--) {
    const d = v128.load(delta)
    s = f32x4.add(s, d)
    q = f32x4.add(q, f32x4.mul(d, f32x4.sub(v128.load(x), m)))
    delta += step
    x += step
  }
  v128.store(sums, s)
  v128.store(products, f32x4.mul(q, v128.load(invStd)))
}

/**
 * Coefficients a, b, c [Groups][3][C] = from the partial sums. weightGradient and biasGradient
 * [C], where present, = (with Accumulate +=) Σ δ·x̂ and Σ δ over all groups. meanInvStd, where
 * present, takes the place of InvStd. With Used [Groups][2][C] = m, i (all-time normalisation) a =
 * weight·i, and weightGradient += Σ δ·(Mean − m)·i as well. One unit. Scratch: none.
 */
export function normBackwardFinish(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const channels = rec.channels
  const groups = <u32>rec.groups
  const rows = <f64>(<u32>rec.rows / groups)
  const meanInvStd = rec.meanInvStd
  const used = rec.used
  for (let c: usize = 0; c < channels; c++) {
    const weight = parameterAt(rec.weight, c, 1)
    let weightGradient: f64 = 0
    let biasGradient: f64 = 0
    for (let group: u32 = 0; group < groups; group++) {
      const sum = sumChunks(rec, group, c)
      const product = sumChunks(rec, group, channels + c)
      const row = (<usize>group * channels + c) << 2
      biasGradient += sum
      weightGradient += product
      let invStd = meanInvStd ? meanInvStd + (c << 2) : rec.invStd + row
      if (used) {
        const at = used + ((2 * group * channels + c) << 2)
        invStd = at + (channels << 2)
        const mean = <f64>load<f32>(rec.mean + row)
        weightGradient += sum * (mean - <f64>load<f32>(at)) * <f64>load<f32>(invStd)
      }
      const a = weight * <f64>load<f32>(invStd)
      const out = rec.coefficients + ((<usize>group * NormSize.CoefficientRows * channels + c) << 2)
      store<f32>(out, <f32>a)
      store<f32>(out + (channels << 2), <f32>((a * sum) / rows))
      store<f32>(out + (channels << 3), <f32>((a * product) / rows))
    }
    storeGradient(rec, rec.weightGradient, c, weightGradient)
    storeGradient(rec, rec.biasGradient, c, biasGradient)
  }
}

/** gradient[c] = value, with Accumulate +=; nothing when there is no gradient. */
function storeGradient(rec: NormRecord, gradient: usize, c: usize, value: f64): void {
  if (!gradient) return
  const at = <usize>gradient + (c << 2)
  const before = <u32>rec.accumulate ? <f64>load<f32>(at) : 0
  store<f32>(at, <f32>(before + value))
}

/** Out [rows][C] = a·δ − b − c·x̂. Out may be Delta. Unit = chunk of rows. Scratch: none. */
export function normBackwardApply(rec: NormRecord, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = rec.channels << 2
  const groups = <u32>rec.groups
  const perUnit = <u32>rec.rowsPerUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.rows)
  const xhat = rec.xhat
  for (let row = first; row < end; row++) {
    const at = <usize>row * rowBytes
    const group = <usize>(row % groups) * rowBytes
    const coefficients = rec.coefficients + group * NormSize.CoefficientRows
    const out = rec.out + at
    const delta = rec.delta + at
    const mean = rec.mean + group
    const invStd = rec.invStd + group
    if (xhat) normApply(out, delta, xhat + at, coefficients, rowBytes, mean, invStd)
    else normApplyCentred(out, delta, rec.in + at, coefficients, rowBytes, mean, invStd)
  }
}

/**
 * One row of out = a·δ − b − c·x̂, with x̂ given, or `centred` with x̂ = (x − mean)·invStd. out may
 * be delta.
 */
// @ts-ignore: decorator
@variants('normApply', false)
@variants('normApplyCentred', true)
export function applyRow(
  centred: bool,
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
    let xhat = v128.load(x + i)
    if (centred) xhat = f32x4.mul(f32x4.sub(xhat, v128.load(mean + i)), v128.load(invStd + i))
    const y = f32x4.sub(
      f32x4.mul(v128.load(coefficients + i), v128.load(delta + i)),
      v128.load(b + i),
    )
    v128.store(out + i, f32x4.sub(y, f32x4.mul(v128.load(c + i), xhat)))
  }
}
