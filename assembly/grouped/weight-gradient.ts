/** Gradient of the weight of a convolution by groups. */

import { GroupedRecord } from '../generated/records'
import { columnOf, groupedInput, sourceRow } from './taps'

/**
 * dW[g][tap][c][n] = Scale · Σ_rows In[row under tap][g·groupIn + c] · Delta[row][g·groupOut + n]
 *
 * Rows are (pixel of Delta, t). With one split Out is written (with Accumulate +=); with more,
 * Partial is written and the splits are to be added. Places behind groupOut become 0. Unit = (split
 * of the lines of all images, group); depthwise = split. Scratch: the floats of the unit's weights.
 */
export function groupedWeightGradient(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  const inH = rec.inH
  const inW = rec.inW
  const outH = rec.outH
  const outC = rec.outC
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const depthwise = rec.depthwise != 0
  const groups = depthwise ? 1 : rec.groups
  const splits = rec.splits
  const groupIn = rec.groupIn
  const groupOut = rec.groupOut
  const pixelBytes = rec.inPixelBytes

  const split = unit / groups
  const g = unit - split * groups
  const lines = rec.images * outH
  const perSplit = (lines + splits - 1) / splits
  const end = min(lines, (split + 1) * perSplit)
  // Floats of one tap.
  const perTap = depthwise ? outC : groupIn * ((groupOut + 3) & ~3)
  const floats = kernelH * kernelW * perTap
  memory.fill(scratch, 0, (<usize>floats) << 2)

  const input = groupedInput(rec, t) + ((<usize>(depthwise ? 0 : g * groupIn)) << 2)
  const delta = rec.delta
  const ldd = (<usize>outC) << 2
  for (let line = split * perSplit; line < end; line++) {
    const image = line / outH
    const oy = line - image * outH
    const d = delta + <usize>(line * rec.outW * rec.steps) * ldd
    for (let ky = 0; ky < kernelH; ky++) {
      const iy = sourceRow(rec, false, oy, ky)
      if (iy < 0) continue
      const row = input + <usize>((image * inH + iy) * inW) * pixelBytes
      addLine(rec, scratch + ((<usize>(ky * kernelW * perTap)) << 2), perTap, row, d, g)
    }
  }
  storeGradient(rec, split, g, floats, scratch)
}

/** sums of the taps of one kernel row += Σ over one line of Delta of x · δ. */
// @ts-ignore: decorator
@inline
function addLine(
  rec: GroupedRecord,
  sums: usize,
  perTap: i32,
  row: usize,
  d0: usize,
  g: i32,
): void {
  const T = rec.steps
  const inW = rec.inW
  const strideW = rec.strideW
  const pixelBytes = rec.inPixelBytes
  const stepBytes = rec.inStepBytes
  const apart = <usize>strideW * pixelBytes
  const ldd = (<usize>rec.outC) << 2
  for (let kx = 0; kx < rec.kernelW; kx++) {
    const column = columnOf(rec, false, 0, kx)
    const low = column < 0 ? (strideW - 1 - column) / strideW : 0
    const high = column < inW ? min(rec.outW, (inW - 1 - column) / strideW + 1) : 0
    if (high <= low) continue
    const s = sums + ((<usize>(kx * perTap)) << 2)
    let x = row + <usize>(low * strideW + column) * pixelBytes
    let d = d0 + <usize>(low * T) * ldd
    const n = high - low
    if (T == 1) addProducts(rec, s, x, apart, d, g, n)
    else if (apart == <usize>T * stepBytes) addProducts(rec, s, x, stepBytes, d, g, n * T)
    else
      for (let i = 0; i < n; i++) {
        addProducts(rec, s, x, stepBytes, d, g, T)
        x += apart
        d += <usize>T * ldd
      }
  }
}

/** sums of one tap += Σ over `count` rows of x · δ. */
function addProducts(
  rec: GroupedRecord,
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  g: i32,
  count: i32,
): void {
  const outC = rec.outC
  const ldd = (<usize>outC) << 2
  if (rec.depthwise) {
    const wide = ldd & ~(<usize>63)
    for (let c: usize = 0; c < wide; c += 64) depthSums16(sums + c, x + c, ldx, d + c, ldd, count)
    for (let c = wide; c < ldd; c += 16) depthSums4(sums + c, x + c, ldx, d + c, ldd, count)
    return
  }
  const groupIn = rec.groupIn
  const groupOut = rec.groupOut
  const stored = (groupOut + 3) & ~3
  const lds = (<usize>stored) << 2
  const whole = groupIn & ~3
  let n = 0
  while (n < stored) {
    const at = g * groupOut + n
    const s = sums + ((<usize>n) << 2)
    const dn = d + ((<usize>at) << 2)
    if (at + 4 > outC) {
      // A vector would reach into the next row.
      for (let c = 0; c < groupIn; c++)
        for (let lane = 0; lane < outC - at; lane++) {
          const l = (<usize>lane) << 2
          outerProduct(s + <usize>c * lds + l, x + ((<usize>c) << 2), ldx, dn + l, ldd, count)
        }
      n += 4
      continue
    }
    if (n + 8 <= stored && at + 8 <= outC) {
      for (let c = 0; c < whole; c += 4)
        outerTile8(s + <usize>c * lds, lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
      for (let c = whole; c < groupIn; c++) {
        const sc = s + <usize>c * lds
        outerRow4(sc, lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
        outerRow4(sc + 16, lds, x + ((<usize>c) << 2), ldx, dn + 16, ldd, count)
      }
      n += 8
      continue
    }
    for (let c = 0; c < whole; c += 4)
      outerTile4(s + <usize>c * lds, lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
    for (let c = whole; c < groupIn; c++)
      outerRow4(s + <usize>c * lds, lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
    n += 4
  }
}

/** Scale · sums, = to the split's part of Partial, or with one split = or += to Out. */
function storeGradient(rec: GroupedRecord, split: i32, g: i32, floats: i32, sums: usize): void {
  const depthwise = rec.depthwise != 0
  const groupOut = rec.groupOut
  const stored = (groupOut + 3) & ~3
  const splits = rec.splits
  const all = depthwise ? floats : floats * rec.groups
  if (!depthwise && stored > groupOut)
    // Here lies what belongs to the next group.
    for (let i = groupOut; i < floats; i += stored)
      memory.fill(sums + ((<usize>i) << 2), 0, (<usize>(stored - groupOut)) << 2)
  const first = (<usize>(g * floats)) << 2
  const out = splits == 1 ? rec.out + first : rec.partial + first + ((<usize>(split * all)) << 2)
  const add = splits == 1 && rec.accumulate != 0
  const scale = f32x4.splat(rec.scale)
  const bytes = (<usize>floats) << 2
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(v128.load(sums + i), scale)
    v128.store(out + i, add ? f32x4.add(v128.load(out + i), x) : x)
  }
}

/** sums[N] += Σ over rows of x[N] · d[N]. */
// @ts-ignore: decorator
@variants('depthSums', [16, 4])
export function depthSums(
  N: i32,
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  const s = locals<v128>(N / 4, f32x4.splat(0))
  x -= ldx
  d -= ldd
  const last = d + <usize>count * ldd
  while (d != last) {
    x += ldx
    d += ldd
    for (let i: unroll = 0; i < N / 4; i++)
      s[i] = f32x4.add(s[i], f32x4.mul(v128.load(x, 16 * i), v128.load(d, 16 * i)))
  }
  for (let i: unroll = 0; i < N / 4; i++) addTo(sums + 16 * i, s[i])
}

/** Loads that only use their addresses, ahead of a loop: see `tile` in conv/tile.ts. */
// @ts-ignore: decorator
@inline
function keepAddresses(x: usize): void {
  v128.load32_splat(x, 4)
  v128.load32_splat(x, 8)
  v128.load32_splat(x, 12)
}

/**
 * sums[rows][N] += Σ over rows of x[rows] ⊗ d[N]; rows of sums lie `lds` bytes apart. There are
 * four of them, or one.
 */
// @ts-ignore: decorator
@variants('outerTile', [8, 4], 4)
@variants('outerRow', [4], 1)
export function outer(
  N: i32,
  rows: i32,
  sums: usize,
  lds: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  const n: unroll = N / 4
  const s = locals<v128>(rows * n, f32x4.splat(0))
  const delta = locals<v128>(n)
  if (rows > 1) keepAddresses(x)
  x -= ldx
  d -= ldd
  const last = d + <usize>count * ldd
  while (d != last) {
    x += ldx
    d += ldd
    for (let j: unroll = 0; j < n; j++) delta[j] = v128.load(d, 16 * j)
    for (let i: unroll = 0; i < rows; i++) {
      const value = v128.load32_splat(x, 4 * i)
      for (let j: unroll = 0; j < n; j++)
        s[i * n + j] = f32x4.add(s[i * n + j], f32x4.mul(value, delta[j]))
    }
  }
  for (let i: unroll = 0; i < rows; i++) {
    if (i > 0) sums += lds
    for (let j: unroll = 0; j < n; j++) addTo(sums + 16 * j, s[i * n + j])
  }
}

/** The same for one channel and one column. */
export function outerProduct(
  sum: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let a: f32 = 0
  x -= ldx
  d -= ldd
  const last = d + <usize>count * ldd
  while (d != last) {
    x += ldx
    d += ldd
    a += load<f32>(x) * load<f32>(d)
  }
  store<f32>(sum, load<f32>(sum) + a)
}

// @ts-ignore: decorator
@inline
function addTo(at: usize, x: v128): void {
  v128.store(at, f32x4.add(v128.load(at), x))
}
