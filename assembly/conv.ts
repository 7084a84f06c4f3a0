/**
 * Dense convolution on NHWC tensors as matrix products over gathered rows (im2col by panels of five rows, never the whole matrix):
 * forward, gradient of the input, gradient of the weight and bias. Any kernel, stride and padding. A linear layer is a convolution whose kernel covers its
 * whole input. Spikes have their own forward (spikes.ts), inputs of few channels a faster forward and weight gradient (narrow.ts), 3×3 kernels of stride 1 a
 * faster backward (winograd.ts). What stands here is the reference.
 *
 *   Out[b][oy][ox][t][n] = Σ_{ky,kx,c} In[b][oy·sh − ph + ky][ox·sw − pw + kx][t][c] · W[k(ky,kx,c)][n]
 */

import { address, word } from './record'
import { check } from './check'
import { ConvWord } from './opcodes'
import { addTile, EDGE_BYTES, KC, micro, microAdd, microNarrow, MR, packHalf, packRows } from './matmul'

/** Address of In at step t of an outer loop. */
// @ts-ignore: decorator
@inline
export function inputOf(rec: usize, t: i32): usize {
  let input = address(rec, ConvWord.In)
  if (word(rec, ConvWord.InIndirect)) input = <usize>load<u32>(input)
  return input + <usize>(t * word(rec, ConvWord.InLoopBytes))
}

/** Writes or adds the `rows` × `columns` of a tile (32 bytes a row) that exist. */
function storeTile(dst: usize, ldc: usize, src: usize, rows: i32, columns: i32, add: bool): void {
  for (let i = 0; i < rows; i++) {
    let d = dst + ldc * <usize>i
    let s = src + (<usize>i << 5)
    for (let j = 0; j < columns; j += 4) {
      const x = v128.load(s)
      v128.store(d, add ? f32x4.add(x, v128.load(d)) : x)
      d += 16
      s += 16
    }
  }
}

/**
 * Dense forward. unit = RowsPerUnit rows of Out (pixel-major, then t), RowsPerUnit a multiple of 5. Writes.
 * Worker scratch: 192 + RowsPerUnit · (16 + 4 · 256) bytes.
 */
export function convDense(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const input = inputOf(rec, t)
  const rowsAll = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW) * word(rec, ConvWord.T)
  const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
  const first = unit * rowsPerUnit
  const rows = min(rowsPerUnit, rowsAll - first)
  const inC = word(rec, ConvWord.InC)
  const inW = word(rec, ConvWord.InW)
  const inH = word(rec, ConvWord.InH)
  const N = word(rec, ConvWord.OutC)
  const pixelBytes = address(rec, ConvWord.InPixelBytes)
  const zeros = address(rec, ConvWord.Zeros)
  const kernelW = word(rec, ConvWord.KernelW)
  const K = word(rec, ConvWord.KernelH) * kernelW * inC
  const contiguous = pixelBytes == <usize>inC << 2
  check(rows > 0)

  const origins = scratch + EDGE_BYTES
  fillOrigins(rec, origins, first, rows, input)
  // A unit's last group of five may be incomplete: its missing rows repeat the last one.
  for (let i = rows; i % MR; i++) memory.copy(origins + (<usize>i << 4), origins + (<usize>(rows - 1) << 4), 16)
  const panels = origins + (<usize>rowsPerUnit << 4)
  const out = address(rec, ConvWord.Out) + <usize>first * (<usize>N << 2)
  const ldc = <usize>N << 2

  // Depth by depth: gather panels of five rows, then multiply them with every block of W.
  for (let k0 = 0; k0 < K; k0 += KC) {
    const kc = min(KC, K - k0)
    for (let i = 0; i < rows; i += MR) {
      let dst = panels + (<usize>(i * kc) << 2)
      const o = origins + (<usize>i << 4)
      // Away from the sides the taps of one kernel row lie behind each other in memory.
      const wide = contiguous && inside(o, kernelW, inW) && inside(o + 16, kernelW, inW) && inside(o + 32, kernelW, inW) && inside(o + 48, kernelW, inW) && inside(o + 64, kernelW, inW)
      const runLength = wide ? kernelW * inC : inC
      const firstRun = k0 == 0 ? 0 : k0 / runLength
      // Kernel row, column and channel at depth k0; counted on from run to run.
      let ky = firstRun / (wide ? 1 : kernelW)
      let kx = wide ? 0 : firstRun - ky * kernelW
      let c = k0 - firstRun * runLength
      let k = k0
      while (k < k0 + kc) {
        const count = min(runLength - c, k0 + kc - k)
        const offset = <usize>c << 2
        packRows(
          dst,
          source(o, ky, kx, inH, inW, pixelBytes, zeros) + offset,
          source(o + 16, ky, kx, inH, inW, pixelBytes, zeros) + offset,
          source(o + 32, ky, kx, inH, inW, pixelBytes, zeros) + offset,
          source(o + 48, ky, kx, inH, inW, pixelBytes, zeros) + offset,
          source(o + 64, ky, kx, inH, inW, pixelBytes, zeros) + offset,
          count,
        )
        dst += <usize>(count * MR) << 2
        k += count
        c = 0
        if (wide || ++kx == kernelW) {
          kx = 0
          ky++
        }
      }
    }
    multiplyBlocks(out, ldc, rows, panels, kc, address(rec, ConvWord.Weight) , k0, word(rec, ConvWord.KRows), N, word(rec, ConvWord.BlockWidth), k0 > 0, scratch)
  }
  const bias = address(rec, ConvWord.Bias)
  if (bias) addBias(out, bias, rows, N)
}

/** For rows (pixel, t) of Out from `first` on: address of the image at the step, y and x where the window starts; 16 bytes each. */
function fillOrigins(rec: usize, origins: usize, first: i32, rows: i32, input: usize): void {
  const T = word(rec, ConvWord.T)
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const strideH = word(rec, ConvWord.StrideH)
  const strideW = word(rec, ConvWord.StrideW)
  const padH = word(rec, ConvWord.PadH)
  const padW = word(rec, ConvWord.PadW)
  const stepBytes = address(rec, ConvWord.InStepBytes)
  const imageBytes = <usize>(word(rec, ConvWord.InH) * word(rec, ConvWord.InW)) * address(rec, ConvWord.InPixelBytes)
  const pixel = first / T
  let step = first - pixel * T
  let ox = pixel % outW
  const line = pixel / outW
  let oy = line % outH
  let image = input + <usize>(line / outH) * imageBytes
  // Counted on rather than divided anew: divisions took as long as the products of a small layer.
  for (let i = 0; i < rows; i++) {
    store<u32>(origins, <u32>(image + <usize>step * stepBytes))
    store<i32>(origins, oy * strideH - padH, 4)
    store<i32>(origins, ox * strideW - padW, 8)
    origins += 16
    if (++step == T) {
      step = 0
      if (++ox == outW) {
        ox = 0
        if (++oy == outH) {
          oy = 0
          image += imageBytes
        }
      }
    }
  }
}

/** Whether the window of the row whose origin is o lies between the left and the right side. */
// @ts-ignore: decorator
@inline
function inside(o: usize, kernelW: i32, inW: i32): bool {
  const x = load<i32>(o, 8)
  return x >= 0 && x + kernelW <= inW
}

/** Pointer to the C floats under tap (ky, kx) of the row whose origin is o, or to zeros outside. */
// @ts-ignore: decorator
@inline
function source(o: usize, ky: i32, kx: i32, inH: i32, inW: i32, pixelBytes: usize, zeros: usize): usize {
  const y = load<i32>(o, 4) + ky
  const x = load<i32>(o, 8) + kx
  if (<u32>y >= <u32>inH || <u32>x >= <u32>inW) return zeros
  return <usize>load<u32>(o) + <usize>(y * inW + x) * pixelBytes
}

/** out[rows][N] (+)= panels · W over depth k0 … k0 + kc, W in blocks [N/width][kRows][width]. Rows beyond the last stay untouched. */
function multiplyBlocks(out: usize, ldc: usize, rows: i32, panels: usize, kc: i32, weight: usize, k0: i32, kRows: i32, N: i32, width: i32, add: bool, edge: usize): void {
  const ldb = <usize>width << 2
  const columns = min(8, width)
  for (let n = 0; n < N; n += columns) {
    const block = n / width
    const b = weight + (<usize>(block * kRows + k0) * <usize>width + <usize>(n - block * width) << 2)
    const c = out + (<usize>n << 2)
    for (let i = 0; i < rows; i += MR) {
      const a = panels + (<usize>(i * kc) << 2)
      const d = c + ldc * <usize>i
      const whole = columns == 8 && i + MR <= rows
      if (whole && !add) micro(d, ldc, a, b, ldb, kc)
      else {
        if (columns == 8) micro(edge, 32, a, b, ldb, kc)
        else microNarrow(edge, a, b, ldb, kc)
        if (whole) addTile(d, ldc, edge)
        else storeTile(d, ldc, edge, min(MR, rows - i), columns, add)
      }
    }
  }
}

function addBias(out: usize, bias: usize, rows: i32, N: i32): void {
  for (let i = 0; i < rows; i++)
    for (let j: usize = 0; j < <usize>N << 2; j += 16) {
      v128.store(out, f32x4.add(v128.load(out), v128.load(bias + j)))
      out += 16
    }
}

/**
 * Transposed = Wᵀ in blocks of 8 input channels: [InC/8][tap][OutC][8] (the last block has zeros behind InC). unit = one block. Writes.
 */
export function transposeWeight(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const inC = word(rec, ConvWord.InC)
  const N = word(rec, ConvWord.OutC)
  const width = word(rec, ConvWord.BlockWidth)
  const kRows = word(rec, ConvWord.KRows)
  const taps = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW)
  const weight = address(rec, ConvWord.Weight)
  const c0 = unit * 8
  const count = min(8, inC - c0)
  let dst = address(rec, ConvWord.Transposed) + (<usize>(unit * taps * N) << 5)
  const row = <usize>width << 2
  for (let tap = 0; tap < taps; tap++) {
    for (let block = 0; block < N / width; block++) {
      const src = weight + <usize>(block * kRows + tap * inC + c0) * row
      if (count == 8) {
        packHalf(dst, src, row, width)
        packHalf(dst + 16, src + 4 * row, row, width)
        dst += row << 3
      } else {
        for (let n: usize = 0; n < row; n += 4) {
          for (let c = 0; c < 8; c++) store<f32>(dst + (<usize>c << 2), c < count ? load<f32>(src + n + <usize>c * row) : 0)
          dst += 32
        }
      }
    }
  }
}

/** Pixels of a stride class up to which images, not pixels, follow each other. */
const SMALL_PIXELS: i32 = 16

/** Pixels of one axis of the input in stride class q: q, q + s, q + 2s … < size. */
// @ts-ignore: decorator
@inline
function classSize(size: i32, stride: i32, q: i32): i32 {
  return size > q ? (size - q + stride - 1) / stride : 0
}

/**
 * Gradient of the input: dX[b][y][x][t][c] = Σ_{ky,kx,n} δ[b][(y+ph−ky)/sh][(x+pw−kx)/sw][t][n] · W[k(ky,kx,c)][n], over the taps whose division is exact.
 * Input pixels fall into sh·sw stride classes that share their taps, so no product with a zero is computed for strides above 1. Small images are taken
 * pixel by pixel, all images of one behind each other: rows side by side then lack the same taps, and their products are left out (at 2×2, five of nine).
 * unit = RowsPerUnit rows (pixel of the class, t) of one class; classes one after the other. Writes (Accumulate: adds).
 * Worker scratch: 192 + RowsPerUnit · (16 + 4 · OutC) bytes, RowsPerUnit a multiple of 5.
 */
export function convInputGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const T = word(rec, ConvWord.T)
  const B = word(rec, ConvWord.Images)
  const inH = word(rec, ConvWord.InH)
  const inW = word(rec, ConvWord.InW)
  const inC = word(rec, ConvWord.InC)
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const N = word(rec, ConvWord.OutC)
  const sh = word(rec, ConvWord.StrideH)
  const sw = word(rec, ConvWord.StrideW)
  const kernelH = word(rec, ConvWord.KernelH)
  const kernelW = word(rec, ConvWord.KernelW)
  const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
  const delta = address(rec, ConvWord.Delta)
  const zeros = address(rec, ConvWord.Zeros)
  const out = address(rec, ConvWord.Out)
  const accumulate = word(rec, ConvWord.Accumulate) != 0

  // Which class, and which of its rows.
  let qy = 0, qx = 0, ch = 0, cw = 0, rowsAll = 0
  for (let q = 0; q < sh * sw; q++) {
    qy = q / sw
    qx = q % sw
    ch = classSize(inH, sh, qy)
    cw = classSize(inW, sw, qx)
    rowsAll = B * ch * cw * T
    const units = (rowsAll + rowsPerUnit - 1) / rowsPerUnit
    if (unit < units) break
    unit -= units
  }
  const first = unit * rowsPerUnit
  const rows = min(rowsPerUnit, rowsAll - first)
  check(rows > 0)
  const origins = scratch + EDGE_BYTES
  const isSmall = ch * cw <= SMALL_PIXELS
  for (let i = 0; i < rowsPerUnit; i++) {
    const row = first + min(i, rows - 1)
    const at = row / T
    const step = row - at * T
    const image = isSmall ? at % B : at / (ch * cw)
    const pixel = isSmall ? at / B : at % (ch * cw)
    const y = pixel / cw * sh + qy
    const x = pixel % cw * sw + qx
    const o = origins + (<usize>i << 4)
    store<u32>(o, <u32>(delta + (<usize>(image * outH * outW * T + step) * <usize>N << 2)))
    store<i32>(o, y + word(rec, ConvWord.PadH), 4)
    store<i32>(o, x + word(rec, ConvWord.PadW), 8)
    store<u32>(o, <u32>(out + (<usize>(((image * inH + y) * inW + x) * T + step) * <usize>inC << 2)), 12)
  }
  const panels = origins + (<usize>rowsPerUnit << 4)
  const pixelBytes = <usize>(N * T) << 2
  const taps = kernelH * kernelW
  // Bit i: the i-th five rows hold a value.
  let written: u64 = accumulate ? -1 : 0
  check(rows <= 64 * MR)
  for (let ky = 0; ky < kernelH; ky++) {
    if ((qy + word(rec, ConvWord.PadH) - ky) % sh != 0) continue
    for (let kx = 0; kx < kernelW; kx++) {
      if ((qx + word(rec, ConvWord.PadW) - kx) % sw != 0) continue
      // The same for the rows that this tap reaches.
      let reached: u64 = 0
      for (let i = 0; i < rows; i += MR) {
        const o = origins + (<usize>i << 4)
        const s0 = deltaSource(o, ky, kx, sh, sw, outH, outW, pixelBytes, zeros)
        const s1 = deltaSource(o + 16, ky, kx, sh, sw, outH, outW, pixelBytes, zeros)
        const s2 = deltaSource(o + 32, ky, kx, sh, sw, outH, outW, pixelBytes, zeros)
        const s3 = deltaSource(o + 48, ky, kx, sh, sw, outH, outW, pixelBytes, zeros)
        const s4 = deltaSource(o + 64, ky, kx, sh, sw, outH, outW, pixelBytes, zeros)
        if (s0 == zeros && s1 == zeros && s2 == zeros && s3 == zeros && s4 == zeros) continue
        packRows(panels + (<usize>(i * N) << 2), s0, s1, s2, s3, s4, N)
        reached |= <u64>1 << (i / MR)
      }
      if (reached == 0) continue
      for (let c = 0; c < inC; c += 8) {
        const b = address(rec, ConvWord.Transposed) + (<usize>(((c >> 3) * taps + ky * kernelW + kx) * N) << 5)
        for (let i = 0; i < rows; i += MR) {
          if (((reached >> (i / MR)) & 1) == 0) continue
          const add = ((written >> (i / MR)) & 1) != 0
          // Rows of a class are not evenly spaced: through a tile in scratch.
          micro(scratch, 32, panels + (<usize>(i * N) << 2), b, 32, N)
          const o = origins + (<usize>i << 4)
          const n = min(MR, rows - i)
          for (let r = 0; r < n; r++)
            storeTile(<usize>load<u32>(o + (<usize>r << 4), 12) + (<usize>c << 2), 0, scratch + (<usize>r << 5), 1, min(8, inC - c), add)
        }
      }
      written |= reached
    }
  }
  for (let i = 0; i < rows; i++)
    if (((written >> (i / MR)) & 1) == 0) memory.fill(<usize>load<u32>(origins + (<usize>i << 4), 12), 0, <usize>inC << 2)
}

// @ts-ignore: decorator
@inline
function deltaSource(o: usize, ky: i32, kx: i32, sh: i32, sw: i32, outH: i32, outW: i32, pixelBytes: usize, zeros: usize): usize {
  const y = load<i32>(o, 4) - ky
  const x = load<i32>(o, 8) - kx
  if (y < 0 || x < 0) return zeros
  const oy = y / sh
  const ox = x / sw
  if (oy >= outH || ox >= outW) return zeros
  return <usize>load<u32>(o) + <usize>(oy * outW + ox) * pixelBytes
}

/** Rows gathered at a time by the weight gradient. */
const ROWS: i32 = 128

/**
 * Gradient of the weight: dW[k][n] = Scale · Σ_rows In[row under tap of k][c of k] · δ[row][n], rows = (pixel of Out, t). In has T steps like Delta.
 * A block of k with one tap leaves out the rows that the tap does not reach (of 2×2 pixels, five in nine).
 * unit = (split of the rows, block of KPerUnit k). With one split Out is written (Accumulate: added to), with more Partial is, to be summed by `reduceSplits`.
 * Worker scratch: 128 + 128 · (16 + 4 · KPerUnit + 4 · ceil8(OutC)) + 4 · KPerUnit · ceil8(OutC) bytes.
 */
export function convWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const input = inputOf(rec, t)
  const inC = word(rec, ConvWord.InC)
  const inH = word(rec, ConvWord.InH)
  const inW = word(rec, ConvWord.InW)
  const N = word(rec, ConvWord.OutC)
  const NP = (N + 7) & ~7
  const kRows = word(rec, ConvWord.KRows)
  const kernelW = word(rec, ConvWord.KernelW)
  const K = word(rec, ConvWord.KernelH) * kernelW * inC
  const splits = word(rec, ConvWord.Splits)
  const kPerUnit = word(rec, ConvWord.KPerUnit)
  const pixelBytes = address(rec, ConvWord.InPixelBytes)
  const delta = address(rec, ConvWord.Delta)

  const kBlocks = (kRows + kPerUnit - 1) / kPerUnit
  const split = unit / kBlocks
  const k0 = (unit - split * kBlocks) * kPerUnit
  const kn = min(kPerUnit, kRows - k0)
  const rowsAll = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW) * word(rec, ConvWord.T)
  const perSplit = (rowsAll + splits - 1) / splits
  const rowEnd = min(rowsAll, (split + 1) * perSplit)

  const origins = scratch + 128
  const pa = origins + (<usize>ROWS << 4)
  const pb = pa + (<usize>(ROWS * kPerUnit) << 2)
  const sums = pb + (<usize>(ROWS * NP) << 2)
  const lds = <usize>NP << 2
  memory.fill(sums, 0, <usize>(kn * NP) << 2)

  for (let first = split * perSplit; first < rowEnd; first += ROWS) {
    let rows = min(ROWS, rowEnd - first)
    fillOrigins(rec, origins, first, rows, input)
    for (let i = 0; i < rows; i++) store<u32>(origins + (<usize>i << 4), <u32>(delta + (<usize>((first + i) * N) << 2)), 12)
    if (k0 < K && (k0 + kn - 1) / inC == k0 / inC) {
      const tap = k0 / inC
      rows = keepReached(origins, rows, tap / kernelW, tap % kernelW, inH, inW)
      if (rows == 0) continue
    }
    // δ in panels [NP/8][rows][8].
    for (let n = 0; n < N; n += 8) {
      let origin = origins
      let dst = pb + (<usize>(n * rows) << 2)
      const whole = n + 8 <= N
      for (let i = 0; i < rows; i++) {
        const src = <usize>load<u32>(origin, 12) + (<usize>n << 2)
        v128.store(dst, v128.load(src))
        v128.store(dst, whole ? v128.load(src, 16) : f32x4.splat(0), 16)
        origin += 16
        dst += 32
      }
    }
    // In under the taps in panels [kn/4][rows][4].
    if (inC & 3) gatherNarrow(pa, origins, rows, k0, kn, K, inC, kernelW, inH, inW, pixelBytes)
    else for (let k = 0; k < kn; k += 4) gather(pa + (<usize>(k * rows) << 2), origins, rows, k0 + k, K, inC, kernelW, inH, inW, pixelBytes)
    for (let n = 0; n < NP; n += 8)
      for (let k = 0; k < kn; k += 4) microAdd(sums + lds * <usize>k + (<usize>n << 2), lds, pa + (<usize>(k * rows) << 2), pb + (<usize>(n * rows) << 2), 32, rows)
  }

  storeGradient(rec, split, k0, kn, sums, lds)
}

/** Rows k0 … k0 + kn of a weight gradient: Scale · sums[kn][lds bytes] to the split's part of Partial, or with one split to Out (Accumulate: added). */
export function storeGradient(rec: usize, split: i32, k0: i32, kn: i32, sums: usize, lds: usize): void {
  const N = word(rec, ConvWord.OutC)
  const width = word(rec, ConvWord.BlockWidth)
  const kRows = word(rec, ConvWord.KRows)
  const splits = word(rec, ConvWord.Splits)
  const scale = f32x4.splat(load<f32>(rec + (<usize>ConvWord.Scale << 2)))
  const add = splits == 1 && word(rec, ConvWord.Accumulate) != 0
  const base = splits == 1 ? address(rec, ConvWord.Out) : address(rec, ConvWord.Partial) + (<usize>(split * kRows * N) << 2)
  for (let block = 0; block < N / width; block++)
    for (let k = 0; k < kn; k++) {
      let s = sums + lds * <usize>k + (<usize>(block * width) << 2)
      let d = base + (<usize>(block * kRows + k0 + k) * <usize>width << 2)
      for (let j = 0; j < width; j += 4) {
        const x = f32x4.mul(v128.load(s), scale)
        v128.store(d, add ? f32x4.add(x, v128.load(d)) : x)
        s += 16
        d += 16
      }
    }
}

/** Moves the origins whose tap (ky, kx) lies in the image to the front, in their order; returns how many there are. */
function keepReached(origins: usize, rows: i32, ky: i32, kx: i32, inH: i32, inW: i32): i32 {
  let kept = 0
  let from = origins
  for (let i = 0; i < rows; i++) {
    v128.store(origins + (<usize>kept << 4), v128.load(from))
    const y = load<i32>(from, 4) + ky
    const x = load<i32>(from, 8) + kx
    if (<u32>y < <u32>inH && <u32>x < <u32>inW) kept++
    from += 16
  }
  return kept
}

/** dst[rows][4] = In at the four k from `k` on under each row (zero outside the image and for k ≥ K). inC is a multiple of 4: the four share their tap. */
function gather(dst: usize, origins: usize, rows: i32, k: i32, K: i32, inC: i32, kernelW: i32, inH: i32, inW: i32, pixelBytes: usize): void {
  if (k >= K) {
    memory.fill(dst, 0, <usize>rows << 4)
    return
  }
  const tap = k / inC
  const ky = tap / kernelW
  const kx = tap - ky * kernelW
  const offset = <usize>(k - tap * inC) << 2
  for (let i = 0; i < rows; i++) {
    const y = load<i32>(origins, 4) + ky
    const x = load<i32>(origins, 8) + kx
    if (<u32>y < <u32>inH && <u32>x < <u32>inW) v128.store(dst, v128.load(<usize>load<u32>(origins) + <usize>(y * inW + x) * pixelBytes + offset))
    else v128.store(dst, f32x4.splat(0))
    origins += 16
    dst += 16
  }
}

/** The same for any number of channels, all panels of a unit: dst[kn/4][rows][4] from k0 on, a row at a time. */
function gatherNarrow(dst: usize, origins: usize, rows: i32, k0: i32, kn: i32, K: i32, inC: i32, kernelW: i32, inH: i32, inW: i32, pixelBytes: usize): void {
  const firstTap = k0 / inC
  const firstC = k0 - firstTap * inC
  const next = (<usize>rows << 4) - 16
  const contiguous = pixelBytes == <usize>inC << 2 && firstC == 0 && firstTap % kernelW == 0
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
      const y = y0 + ky
      const x = x0 + kx
      const count = min(wide ? kernelW * inC : inC - c, real - k)
      const present = <u32>y < <u32>inH && <u32>x < <u32>inW
      let src = base + <usize>(y * inW + x) * pixelBytes + (<usize>c << 2)
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

/** Out = Σ over splits of Partial, in the order of the splits. unit = KPerUnit·OutC floats (a multiple of 4). Accumulate: adds. */
export function reduceSplits(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const splits = word(rec, ConvWord.Splits)
  const total = word(rec, ConvWord.KRows) * word(rec, ConvWord.OutC)
  const per = word(rec, ConvWord.KPerUnit) * word(rec, ConvWord.OutC)
  const first = unit * per
  const count = min(per, total - first)
  const stride = <usize>total << 2
  const add = word(rec, ConvWord.Accumulate) != 0
  let src = address(rec, ConvWord.Partial) + (<usize>first << 2)
  let dst = address(rec, ConvWord.Out) + (<usize>first << 2)
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

/** Out[n] = Σ over rows of Delta[row][n]. unit = 16 channels. Writes (Accumulate: adds). Sums of 64 rows are added up, to keep their error small. */
export function biasGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const N = word(rec, ConvWord.OutC)
  const rows = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW) * word(rec, ConvWord.T)
  const accumulate = word(rec, ConvWord.Accumulate) != 0
  const first = unit * 16
  const delta = address(rec, ConvWord.Delta) + (<usize>first << 2)
  const out = address(rec, ConvWord.Out) + (<usize>first << 2)
  const bytes = <usize>min(16, N - first) << 2
  const rowBytes = <usize>N << 2
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
