/** Gradient of the weight of a convolution by groups. */

import { address, word } from '../base/record'
import { ConvWord, GroupedWord } from '../opcodes'
import { groupedInput, sourceRow } from './taps'

/**
 * dW[g][tap][c][n] = Scale · Σ_rows In[row under tap][g·GroupIn + c] · Delta[row][g·GroupOut + n]
 *
 * Rows are (pixel of Delta, t). With one split Out is written (with Accumulate +=); with more,
 * Partial is written and the splits are to be added. Places behind GroupOut become 0. Unit = (split
 * of the lines of all images, group); depthwise = split. Scratch: the floats of the unit's weights.
 */
export function groupedWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const T = word(rec, ConvWord.T)
  const inH = word(rec, ConvWord.InH)
  const inW = word(rec, ConvWord.InW)
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const outC = word(rec, ConvWord.OutC)
  const kernelH = word(rec, ConvWord.KernelH)
  const kernelW = word(rec, ConvWord.KernelW)
  const strideW = word(rec, ConvWord.StrideW)
  const padW = word(rec, ConvWord.PadW)
  const depthwise = word(rec, GroupedWord.Depthwise) != 0
  const groups = depthwise ? 1 : word(rec, GroupedWord.Groups)
  const splits = word(rec, GroupedWord.Splits)
  const groupIn = word(rec, GroupedWord.GroupIn)
  const groupOut = word(rec, GroupedWord.GroupOut)
  const pixelBytes = address(rec, GroupedWord.InPixelBytes)
  const stepBytes = address(rec, GroupedWord.InStepBytes)
  const apart = <usize>strideW * pixelBytes

  const split = unit / groups
  const g = unit - split * groups
  const lines = word(rec, ConvWord.Images) * outH
  const perSplit = (lines + splits - 1) / splits
  const end = min(lines, (split + 1) * perSplit)
  // Floats of one tap.
  const perTap = depthwise ? outC : groupIn * ((groupOut + 3) & ~3)
  const floats = kernelH * kernelW * perTap
  memory.fill(scratch, 0, (<usize>floats) << 2)

  const input = groupedInput(rec, t) + ((<usize>(depthwise ? 0 : g * groupIn)) << 2)
  const delta = address(rec, GroupedWord.Delta)
  const ldd = (<usize>outC) << 2
  for (let line = split * perSplit; line < end; line++) {
    const image = line / outH
    const oy = line - image * outH
    const d0 = delta + <usize>(line * outW * T) * ldd
    for (let ky = 0; ky < kernelH; ky++) {
      const iy = sourceRow(rec, false, oy, ky)
      if (iy < 0) continue
      const row = input + <usize>((image * inH + iy) * inW) * pixelBytes
      for (let kx = 0; kx < kernelW; kx++) {
        const column = kx - padW
        const low = column < 0 ? (strideW - 1 - column) / strideW : 0
        const high = column < inW ? min(outW, (inW - 1 - column) / strideW + 1) : 0
        if (high <= low) continue
        const sums = scratch + ((<usize>((ky * kernelW + kx) * perTap)) << 2)
        let x = row + <usize>(low * strideW + column) * pixelBytes
        let d = d0 + <usize>(low * T) * ldd
        const n = high - low
        if (T == 1) addProducts(rec, sums, x, apart, d, g, n)
        else if (apart == <usize>T * stepBytes) addProducts(rec, sums, x, stepBytes, d, g, n * T)
        else
          for (let i = 0; i < n; i++) {
            addProducts(rec, sums, x, stepBytes, d, g, T)
            x += apart
            d += <usize>T * ldd
          }
      }
    }
  }
  storeGradient(rec, split, g, floats, scratch)
}

/** sums of one tap += Σ over `count` rows of x · δ. */
function addProducts(
  rec: usize,
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  g: i32,
  count: i32,
): void {
  const outC = word(rec, ConvWord.OutC)
  const ldd = (<usize>outC) << 2
  if (word(rec, GroupedWord.Depthwise)) {
    const wide = ldd & ~(<usize>63)
    for (let c: usize = 0; c < wide; c += 64) depthSums16(sums + c, x + c, ldx, d + c, ldd, count)
    for (let c = wide; c < ldd; c += 16) depthSums4(sums + c, x + c, ldx, d + c, ldd, count)
    return
  }
  const groupIn = word(rec, GroupedWord.GroupIn)
  const groupOut = word(rec, GroupedWord.GroupOut)
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
        outerRow4(sc, x + ((<usize>c) << 2), ldx, dn, ldd, count)
        outerRow4(sc + 16, x + ((<usize>c) << 2), ldx, dn + 16, ldd, count)
      }
      n += 8
      continue
    }
    for (let c = 0; c < whole; c += 4)
      outerTile4(s + <usize>c * lds, lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
    for (let c = whole; c < groupIn; c++)
      outerRow4(s + <usize>c * lds, x + ((<usize>c) << 2), ldx, dn, ldd, count)
    n += 4
  }
}

/** Scale · sums, = to the split's part of Partial, or with one split = or += to Out. */
function storeGradient(rec: usize, split: i32, g: i32, floats: i32, sums: usize): void {
  const depthwise = word(rec, GroupedWord.Depthwise) != 0
  const groupOut = word(rec, GroupedWord.GroupOut)
  const stored = (groupOut + 3) & ~3
  const splits = word(rec, GroupedWord.Splits)
  const all = depthwise ? floats : floats * word(rec, GroupedWord.Groups)
  if (!depthwise && stored > groupOut)
    // Here lies what belongs to the next group.
    for (let i = groupOut; i < floats; i += stored)
      memory.fill(sums + ((<usize>i) << 2), 0, (<usize>(stored - groupOut)) << 2)
  const first = (<usize>(g * floats)) << 2
  const out =
    splits == 1
      ? address(rec, GroupedWord.Out) + first
      : address(rec, GroupedWord.Partial) + first + ((<usize>(split * all)) << 2)
  const add = splits == 1 && word(rec, GroupedWord.Accumulate) != 0
  const scale = f32x4.splat(load<f32>(rec + ((<usize>GroupedWord.Scale) << 2)))
  const bytes = (<usize>floats) << 2
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(v128.load(sums + i), scale)
    v128.store(out + i, add ? f32x4.add(v128.load(out + i), x) : x)
  }
}

/** sums[16] += Σ over rows of x[16] · d[16]. */
export function depthSums16(
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; count; count--) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(x), v128.load(d)))
    s1 = f32x4.add(s1, f32x4.mul(v128.load(x, 16), v128.load(d, 16)))
    s2 = f32x4.add(s2, f32x4.mul(v128.load(x, 32), v128.load(d, 32)))
    s3 = f32x4.add(s3, f32x4.mul(v128.load(x, 48), v128.load(d, 48)))
    x += ldx
    d += ldd
  }
  v128.store(sums, f32x4.add(v128.load(sums), s0))
  v128.store(sums, f32x4.add(v128.load(sums, 16), s1), 16)
  v128.store(sums, f32x4.add(v128.load(sums, 32), s2), 32)
  v128.store(sums, f32x4.add(v128.load(sums, 48), s3), 48)
}

/** The same for 4 channels. */
export function depthSums4(
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let s = f32x4.splat(0)
  for (; count; count--) {
    s = f32x4.add(s, f32x4.mul(v128.load(x), v128.load(d)))
    x += ldx
    d += ldd
  }
  v128.store(sums, f32x4.add(v128.load(sums), s))
}

/** sums[4][8] += Σ over rows of x[4] ⊗ d[8]; rows of sums lie `lds` bytes apart. */
export function outerTile8(
  sums: usize,
  lds: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let a0 = f32x4.splat(0)
  let a1 = a0
  let b0 = a0
  let b1 = a0
  let c0 = a0
  let c1 = a0
  let e0 = a0
  let e1 = a0
  for (; count; count--) {
    const d0 = v128.load(d)
    const d1 = v128.load(d, 16)
    const xa = v128.load32_splat(x)
    a0 = f32x4.add(a0, f32x4.mul(xa, d0))
    a1 = f32x4.add(a1, f32x4.mul(xa, d1))
    const xb = v128.load32_splat(x, 4)
    b0 = f32x4.add(b0, f32x4.mul(xb, d0))
    b1 = f32x4.add(b1, f32x4.mul(xb, d1))
    const xc = v128.load32_splat(x, 8)
    c0 = f32x4.add(c0, f32x4.mul(xc, d0))
    c1 = f32x4.add(c1, f32x4.mul(xc, d1))
    const xd = v128.load32_splat(x, 12)
    e0 = f32x4.add(e0, f32x4.mul(xd, d0))
    e1 = f32x4.add(e1, f32x4.mul(xd, d1))
    x += ldx
    d += ldd
  }
  addTo(sums, a0)
  addTo(sums + 16, a1)
  sums += lds
  addTo(sums, b0)
  addTo(sums + 16, b1)
  sums += lds
  addTo(sums, c0)
  addTo(sums + 16, c1)
  sums += lds
  addTo(sums, e0)
  addTo(sums + 16, e1)
}

/** The same for 4 columns. */
export function outerTile4(
  sums: usize,
  lds: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let a = f32x4.splat(0)
  let b = a
  let c = a
  let e = a
  for (; count; count--) {
    const d0 = v128.load(d)
    a = f32x4.add(a, f32x4.mul(v128.load32_splat(x), d0))
    b = f32x4.add(b, f32x4.mul(v128.load32_splat(x, 4), d0))
    c = f32x4.add(c, f32x4.mul(v128.load32_splat(x, 8), d0))
    e = f32x4.add(e, f32x4.mul(v128.load32_splat(x, 12), d0))
    x += ldx
    d += ldd
  }
  addTo(sums, a)
  addTo(sums + lds, b)
  addTo(sums + 2 * lds, c)
  addTo(sums + 3 * lds, e)
}

/** The same for one channel and 4 columns. */
export function outerRow4(
  sums: usize,
  x: usize,
  ldx: usize,
  d: usize,
  ldd: usize,
  count: i32,
): void {
  let a = f32x4.splat(0)
  for (; count; count--) {
    a = f32x4.add(a, f32x4.mul(v128.load32_splat(x), v128.load(d)))
    x += ldx
    d += ldd
  }
  addTo(sums, a)
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
  for (; count; count--) {
    a += load<f32>(x) * load<f32>(d)
    x += ldx
    d += ldd
  }
  store<f32>(sum, load<f32>(sum) + a)
}

// @ts-ignore: decorator
@inline
function addTo(at: usize, x: v128): void {
  v128.store(at, f32x4.add(v128.load(at), x))
}
