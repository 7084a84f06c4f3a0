/** Dense gradient of a convolution's weight, its sum over splits, and the gradient of the bias. */

import { DenseRecord } from '../generated/records'
import { Dense } from '../opcodes'
import { apart, fillOrigins, inputOf } from './forward'
import { microAdd } from './tile'

/** Rows gathered at a time by the weight gradient. */
const ROWS: i32 = Dense.GradientRows

/**
 * Gradient of the weight, over rows = (pixel of Out, t):
 *
 *   dW[k][n] = Scale · Σ_rows In[row under the tap of k][c of k] · δ[row][n]
 *
 * In has T steps, as Delta has. A block of k that has one tap leaves out the rows that the tap
 * does not reach (five in nine for 2×2 pixels). With one split Out is written (with Accumulate
 * +=); with more, Partial is written and `reduceSplits` sums it. Unit = (split of the rows, block
 * of kPerUnit k). Scratch: 128 + 128·(16 + 4·kPerUnit + 4·ceil8(outC)) + 4·kPerUnit·ceil8(outC)
 * bytes.
 */
export function convWeightGradient(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const input = inputOf(rec, t)
  const inC = rec.inC
  const inH = rec.inH
  const inW = rec.inW
  const N = rec.outC
  const NP = (N + 7) & ~7
  const kRows = rec.kRows
  const kernelW = rec.kernelW
  const K = rec.kernelH * kernelW * inC
  const splits = rec.splits
  const kPerUnit = rec.kPerUnit
  const delta = rec.delta
  const dh = apart(rec.dilationH)
  const dw = apart(rec.dilationW)

  const kBlocks = (kRows + kPerUnit - 1) / kPerUnit
  const split = unit / kBlocks
  const k0 = (unit - split * kBlocks) * kPerUnit
  const kn = min(kPerUnit, kRows - k0)
  const rowsAll = rec.images * rec.outH * rec.outW * rec.steps
  const perSplit = (rowsAll + splits - 1) / splits
  const rowEnd = min(rowsAll, (split + 1) * perSplit)

  const origins = scratch + Dense.GradientHeadBytes
  const pa = origins + ((<usize>ROWS) << 4)
  const pb = pa + ((<usize>(ROWS * kPerUnit)) << 2)
  const sums = pb + ((<usize>(ROWS * NP)) << 2)
  const lds = (<usize>NP) << 2
  memory.fill(sums, 0, (<usize>(kn * NP)) << 2)

  for (let first = split * perSplit; first < rowEnd; first += ROWS) {
    let rows = min(ROWS, rowEnd - first)
    fillOrigins(rec, origins, first, rows, input)
    for (let i = 0; i < rows; i++)
      store<u32>(origins + ((<usize>i) << 4), <u32>(delta + ((<usize>((first + i) * N)) << 2)), 12)
    if (k0 < K && (k0 + kn - 1) / inC == k0 / inC) {
      const tap = k0 / inC
      rows = keepReached(origins, rows, (tap / kernelW) * dh, (tap % kernelW) * dw, inH, inW)
      if (rows == 0) continue
    }
    packDelta(pb, origins, rows, N)
    gatherAll(rec, pa, origins, rows, k0, kn)
    for (let n = 0; n < NP; n += 8) {
      const b = pb + ((<usize>(n * rows)) << 2)
      for (let k = 0; k < kn; k += 4) {
        const c = sums + lds * <usize>k + ((<usize>n) << 2)
        microAdd(c, lds, pa + ((<usize>(k * rows)) << 2), b, 32, rows)
      }
    }
  }

  storeGradient(rec, split, k0, kn, sums, lds)
}

/** In under the taps in panels [kn/4][rows][4]. */
// @ts-ignore: decorator
@inline
function gatherAll(
  rec: DenseRecord,
  dst: usize,
  origins: usize,
  rows: i32,
  k0: i32,
  kn: i32,
): void {
  const inC = rec.inC
  const inH = rec.inH
  const inW = rec.inW
  const kernelW = rec.kernelW
  const K = rec.kernelH * kernelW * inC
  const dh = apart(rec.dilationH)
  const dw = apart(rec.dilationW)
  const pixelBytes = rec.inPixelBytes
  if (inC & 3)
    gatherNarrow(dst, origins, rows, k0, kn, K, inC, kernelW, dh, dw, inH, inW, pixelBytes)
  else
    for (let k = 0; k < kn; k += 4) {
      gather(dst, origins, rows, k0 + k, K, inC, kernelW, dh, dw, inH, inW, pixelBytes)
      dst += (<usize>rows) << 4
    }
}

/** δ of the rows in panels [ceil8(N)/8][rows][8]. */
// @ts-ignore: decorator
@inline
function packDelta(dst: usize, origins: usize, rows: i32, N: i32): void {
  for (let n = 0; n < N; n += 8) {
    let origin = origins
    const whole = n + 8 <= N
    for (let i = 0; i < rows; i++) {
      const src = <usize>load<u32>(origin, 12) + ((<usize>n) << 2)
      v128.store(dst, v128.load(src))
      v128.store(dst, whole ? v128.load(src, 16) : f32x4.splat(0), 16)
      origin += 16
      dst += 32
    }
  }
}

/**
 * Scale · sums for the rows k0 … k0 + kn of a weight gradient: = to the split's part of Partial,
 * or with one split = to Out (with Accumulate +=). `lds` bytes lie between rows of sums.
 */
export function storeGradient(
  rec: DenseRecord,
  split: i32,
  k0: i32,
  kn: i32,
  sums: usize,
  lds: usize,
): void {
  const N = rec.outC
  const width = rec.blockWidth
  const kRows = rec.kRows
  const splits = rec.splits
  const scale = f32x4.splat(rec.scale)
  const add = splits == 1 && rec.accumulate != 0
  const base = splits == 1 ? rec.out : rec.partial + ((<usize>(split * kRows * N)) << 2)
  for (let block = 0; block < N / width; block++)
    for (let k = 0; k < kn; k++) {
      let s = sums + lds * <usize>k + ((<usize>(block * width)) << 2)
      let d = base + ((<usize>(block * kRows + k0 + k) * <usize>width) << 2)
      for (let j = 0; j < width; j += 4) {
        const x = f32x4.mul(v128.load(s), scale)
        v128.store(d, add ? f32x4.add(x, v128.load(d)) : x)
        s += 16
        d += 16
      }
    }
}

/**
 * Moves the origins whose tap (ky, kx) lies in the image to the front and keeps their order.
 * Returns how many there are.
 */
function keepReached(origins: usize, rows: i32, ky: i32, kx: i32, inH: i32, inW: i32): i32 {
  let kept = 0
  let from = origins
  for (let i = 0; i < rows; i++) {
    v128.store(origins + ((<usize>kept) << 4), v128.load(from))
    const y = load<i32>(from, 4) + ky
    const x = load<i32>(from, 8) + kx
    if (<u32>y < <u32>inH && <u32>x < <u32>inW) kept++
    from += 16
  }
  return kept
}

/**
 * dst[rows][4] = In at the four k from `k` on under each row; zero outside the image and for k ≥
 * K. inC is a multiple of 4, so that the four k share their tap.
 */
function gather(
  dst: usize,
  origins: usize,
  rows: i32,
  k: i32,
  K: i32,
  inC: i32,
  kernelW: i32,
  dh: i32,
  dw: i32,
  inH: i32,
  inW: i32,
  pixelBytes: usize,
): void {
  if (k >= K) {
    memory.fill(dst, 0, (<usize>rows) << 4)
    return
  }
  const tap = k / inC
  const row = tap / kernelW
  const ky = row * dh
  const kx = (tap - row * kernelW) * dw
  const offset = (<usize>(k - tap * inC)) << 2
  for (let i = 0; i < rows; i++) {
    const y = load<i32>(origins, 4) + ky
    const x = load<i32>(origins, 8) + kx
    if (<u32>y < <u32>inH && <u32>x < <u32>inW)
      v128.store(
        dst,
        v128.load(<usize>load<u32>(origins) + <usize>(y * inW + x) * pixelBytes + offset),
      )
    else v128.store(dst, f32x4.splat(0))
    origins += 16
    dst += 16
  }
}

/**
 * The same for any number of channels and all panels of a unit: dst[kn/4][rows][4] from k0 on, one
 * row at a time.
 */
function gatherNarrow(
  dst: usize,
  origins: usize,
  rows: i32,
  k0: i32,
  kn: i32,
  K: i32,
  inC: i32,
  kernelW: i32,
  dh: i32,
  dw: i32,
  inH: i32,
  inW: i32,
  pixelBytes: usize,
): void {
  const firstTap = k0 / inC
  const firstC = k0 - firstTap * inC
  const next = ((<usize>rows) << 4) - 16
  const whole = firstC == 0 && firstTap % kernelW == 0
  const contiguous = pixelBytes == (<usize>inC) << 2 && whole && dw == 1
  const real = min(kn, K - k0)
  for (let i = 0; i < rows; i++) {
    const base = <usize>load<u32>(origins)
    const y0 = load<i32>(origins, 4)
    const x0 = load<i32>(origins, 8)
    let ky = firstTap / kernelW
    let kx = firstTap - ky * kernelW
    let c = firstC
    let d = dst
    let k = 0
    // Away from the sides a kernel row is one run.
    const wide = contiguous && x0 >= 0 && x0 + kernelW <= inW
    while (k < real) {
      const y = y0 + ky * dh
      const x = x0 + kx * dw
      const count = min(wide ? kernelW * inC : inC - c, real - k)
      const present = <u32>y < <u32>inH && <u32>x < <u32>inW
      let src = base + <usize>(y * inW + x) * pixelBytes + ((<usize>c) << 2)
      for (let j = 0; j < count; j++) {
        store<f32>(d, present ? load<f32>(src) : 0)
        src += 4
        d += 4
        if ((++k & 3) == 0) d += next
      }
      c = 0
      if (wide) ky++
      else if (++kx == kernelW) {
        kx = 0
        ky++
      }
    }
    while (k < kn) {
      store<f32>(d, 0)
      d += 4
      if ((++k & 3) == 0) d += next
    }
    origins += 16
    dst += 16
  }
}

/**
 * Out = Σ over splits of Partial, in the order of the splits; with Accumulate +=. Unit =
 * kPerUnit·outC floats (a multiple of 4). Scratch: none.
 */
export function reduceSplits(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const splits = rec.splits
  const total = rec.kRows * rec.outC
  const per = rec.kPerUnit * rec.outC
  const first = unit * per
  const count = min(per, total - first)
  const stride = (<usize>total) << 2
  const add = rec.accumulate != 0
  let src = rec.partial + ((<usize>first) << 2)
  let dst = rec.out + ((<usize>first) << 2)
  for (let i = 0; i < count; i += 4) {
    let sum = add ? v128.load(dst) : f32x4.splat(0)
    let s = src
    for (let j = 0; j < splits; j++) {
      sum = f32x4.add(sum, v128.load(s))
      s += stride
    }
    v128.store(dst, sum)
    src += 16
    dst += 16
  }
}

/**
 * Out[n] = Σ over rows of Delta[row][n]; with Accumulate +=. Unit = 16 channels. Sums of 64 rows
 * are added up, which keeps the rounding error small. Scratch: none.
 */
export function biasGradient(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const N = rec.outC
  const rows = rec.images * rec.outH * rec.outW * rec.steps
  const accumulate = rec.accumulate != 0
  const first = unit * Dense.BiasChannels
  const delta = rec.delta + ((<usize>first) << 2)
  const out = rec.out + ((<usize>first) << 2)
  const bytes = (<usize>min(Dense.BiasChannels, N - first)) << 2
  const rowBytes = (<usize>N) << 2
  if (!accumulate) memory.fill(out, 0, bytes)
  for (let row = 0; row < rows; row += 64) {
    const at = delta + <usize>row * rowBytes
    const count = min(64, rows - row)
    if (bytes == 64) addRows16(out, at, rowBytes, count)
    else for (let c: usize = 0; c < bytes; c += 16) addRows4(out + c, at + c, rowBytes, count)
  }
}

/** out[16] += Σ over rows x[16], `stride` bytes apart. */
export function addRows16(out: usize, x: usize, stride: usize, rows: i32): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; rows; rows--) {
    s0 = f32x4.add(s0, v128.load(x))
    s1 = f32x4.add(s1, v128.load(x, 16))
    s2 = f32x4.add(s2, v128.load(x, 32))
    s3 = f32x4.add(s3, v128.load(x, 48))
    x += stride
  }
  v128.store(out, f32x4.add(v128.load(out), s0))
  v128.store(out, f32x4.add(v128.load(out, 16), s1), 16)
  v128.store(out, f32x4.add(v128.load(out, 32), s2), 32)
  v128.store(out, f32x4.add(v128.load(out, 48), s3), 48)
}

/** The same for 4 columns. */
export function addRows4(out: usize, x: usize, stride: usize, rows: i32): void {
  let s = f32x4.splat(0)
  for (; rows; rows--) {
    s = f32x4.add(s, v128.load(x))
    x += stride
  }
  v128.store(out, f32x4.add(v128.load(out), s))
}
