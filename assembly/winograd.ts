/**
 * Gradients of 3×3 convolutions with stride 1 and padding 1, by Winograd's minimal filtering: both sums become 36 small matrix products
 * over 4×4 tiles of pixels and need a quarter of the multiplications. Source: Lavin & Gray, CVPR 2016 (arXiv 1509.09308), with the
 * interpolation points 0, ±1, ±2, ∞.
 *
 * Legend: a tile is 4×4 pixels of an image, tiles of an image run in rows, S = tiles of all images of the record; tiles that hang over
 * the right or lower edge read zeros there and write nothing there. A patch is the 6×6 pixels from one pixel above and left of a tile.
 * A plane is one of the 36 values (6×6) that a transformed tile has; PlaneBytes lie between two planes, and must not be a multiple
 * of a power of two from 4096 on, or all 36 fall on the same cache lines.
 *
 *   input gradient    dX = Aᵀ [ (Bᵀ δ B) ⊙ (G W Gᵀ) ] A        F(4×4, 3×3), W rotated by 180°, summed over n
 *   weight gradient   dW = Aᵀ [ (Bᵀ r B) ⊙ (G' δ G'ᵀ) ] A'      F(3×3, 4×4), summed over tiles
 *
 * The sizes of scratch, and the words of the records, come from src/plan/winograd-geometry.ts.
 */
import { address, word } from './record'
import { check } from './check'
import { ConvWord } from './opcodes'

/** Floats of one vector, and of a block of the input gradient. */
const VECTOR_BYTES: usize = 16
const BLOCK: i32 = 8
const BLOCK_BYTES: usize = 32
const PLANES: usize = 36
/** One tile of 6×6 vectors between the two passes of a transform. */
const TRANSFORM_BYTES: usize = 576
/** Keeps the planes of per-worker scratch apart in the cache. */
const PLANE_PADDING: usize = 192

// @ts-ignore: decorator
@inline
function times(k: f32, x: v128): v128 {
  return f32x4.mul(f32x4.splat(k), x)
}

// --- Transforms of one line: `src` and `dst` are stepped by `from` and `to` bytes; vectors hold four channels. ---

/** Bᵀ, 6 → 6. */
// @ts-ignore: decorator
@inline
function patchLine(src: usize, from: usize, dst: usize, to: usize): void {
  const x0 = v128.load(src)
  const x1 = v128.load(src + from)
  const x2 = v128.load(src + from * 2)
  const x3 = v128.load(src + from * 3)
  const x4 = v128.load(src + from * 4)
  const x5 = v128.load(src + from * 5)
  const p = f32x4.sub(x4, times(4, x2))
  const q = f32x4.sub(x3, times(4, x1))
  const r = f32x4.sub(x4, x2)
  const s = times(2, f32x4.sub(x3, x1))
  v128.store(dst, f32x4.add(f32x4.sub(times(4, x0), times(5, x2)), x4))
  v128.store(dst + to, f32x4.add(p, q))
  v128.store(dst + to * 2, f32x4.sub(p, q))
  v128.store(dst + to * 3, f32x4.add(r, s))
  v128.store(dst + to * 4, f32x4.sub(r, s))
  v128.store(dst + to * 5, f32x4.add(f32x4.sub(times(4, x1), times(5, x3)), x5))
}

/** G, 3 → 6. */
// @ts-ignore: decorator
@inline
function weightLine(src: usize, from: usize, dst: usize, to: usize): void {
  const x0 = v128.load(src)
  const x1 = v128.load(src + from)
  const x2 = v128.load(src + from * 2)
  const even1 = times(-1.0 / 6.0, f32x4.add(x0, x2))
  const odd1 = times(-1.0 / 6.0, x1)
  const even2 = f32x4.add(times(1.0 / 24.0, x0), times(1.0 / 6.0, x2))
  const odd2 = times(1.0 / 12.0, x1)
  v128.store(dst, times(0.25, x0))
  v128.store(dst + to, f32x4.add(even1, odd1))
  v128.store(dst + to * 2, f32x4.sub(even1, odd1))
  v128.store(dst + to * 3, f32x4.add(even2, odd2))
  v128.store(dst + to * 4, f32x4.sub(even2, odd2))
  v128.store(dst + to * 5, x2)
}

/** G', 4 → 6. */
// @ts-ignore: decorator
@inline
function tileLine(src: usize, from: usize, dst: usize, to: usize): void {
  const x0 = v128.load(src)
  const x1 = v128.load(src + from)
  const x2 = v128.load(src + from * 2)
  const x3 = v128.load(src + from * 3)
  const even1 = times(-1.0 / 6.0, f32x4.add(x0, x2))
  const odd1 = times(-1.0 / 6.0, f32x4.add(x1, x3))
  const even2 = f32x4.add(times(1.0 / 24.0, x0), times(1.0 / 6.0, x2))
  const odd2 = f32x4.add(times(1.0 / 12.0, x1), times(1.0 / 3.0, x3))
  v128.store(dst, times(0.25, x0))
  v128.store(dst + to, f32x4.add(even1, odd1))
  v128.store(dst + to * 2, f32x4.sub(even1, odd1))
  v128.store(dst + to * 3, f32x4.add(even2, odd2))
  v128.store(dst + to * 4, f32x4.sub(even2, odd2))
  v128.store(dst + to * 5, x3)
}

/** Aᵀ, 6 → 4. */
// @ts-ignore: decorator
@inline
function outputLine(src: usize, from: usize, dst: usize, to: usize): void {
  const x1 = v128.load(src + from)
  const x2 = v128.load(src + from * 2)
  const x3 = v128.load(src + from * 3)
  const x4 = v128.load(src + from * 4)
  const s1 = f32x4.add(x1, x2)
  const d1 = f32x4.sub(x1, x2)
  const s2 = f32x4.add(x3, x4)
  const d2 = f32x4.sub(x3, x4)
  v128.store(dst, f32x4.add(f32x4.add(v128.load(src), s1), s2))
  v128.store(dst + to, f32x4.add(d1, times(2, d2)))
  v128.store(dst + to * 2, f32x4.add(s1, times(4, s2)))
  v128.store(dst + to * 3, f32x4.add(f32x4.add(d1, times(8, d2)), v128.load(src + from * 5)))
}

/** A'ᵀ, 6 → 3. */
// @ts-ignore: decorator
@inline
function gradientLine(src: usize, from: usize, dst: usize, to: usize): void {
  const x1 = v128.load(src + from)
  const x2 = v128.load(src + from * 2)
  const x3 = v128.load(src + from * 3)
  const x4 = v128.load(src + from * 4)
  const s1 = f32x4.add(x1, x2)
  const s2 = f32x4.add(x3, x4)
  v128.store(dst, f32x4.add(f32x4.add(v128.load(src), s1), s2))
  v128.store(dst + to, f32x4.add(f32x4.sub(x1, x2), times(2, f32x4.sub(x3, x4))))
  v128.store(dst + to * 2, f32x4.add(f32x4.add(s1, times(4, s2)), v128.load(src + from * 5)))
}

// --- Transforms of tiles: first down the columns into `line` (6×6 vectors), then along the rows. ---

/** 6×6 pixels at `src` → 36 planes at `dst`, for `vectors` times four channels; `dst` moves by `step` bytes for each vector. */
export function winogradPatch(
  dst: usize, step: usize, plane: usize, src: usize, row: usize, pixel: usize, vectors: i32, line: usize,
): void {
  do {
    for (let x: usize = 0; x < 6; x++) patchLine(src + x * pixel, row, line + x * 16, 96)
    for (let y: usize = 0; y < 6; y++) patchLine(line + y * 96, 16, dst + y * 6 * plane, plane)
    src += VECTOR_BYTES
    dst += step
  } while (--vectors)
}

/** 4×4 pixels at `src` → 36 planes at `dst`, for `vectors` times four channels; `dst` moves by `step` bytes for each vector. */
export function winogradTile(
  dst: usize, step: usize, plane: usize, src: usize, row: usize, pixel: usize, vectors: i32, line: usize,
): void {
  do {
    for (let x: usize = 0; x < 4; x++) tileLine(src + x * pixel, row, line + x * 16, 64)
    for (let y: usize = 0; y < 6; y++) tileLine(line + y * 64, 16, dst + y * 6 * plane, plane)
    src += VECTOR_BYTES
    dst += step
  } while (--vectors)
}

/** 3×3 vectors at `src` → 36 planes at `dst`. */
export function winogradWeight(dst: usize, plane: usize, src: usize, line: usize): void {
  for (let x: usize = 0; x < 3; x++) weightLine(src + x * 16, 48, line + x * 16, 48)
  for (let y: usize = 0; y < 6; y++) weightLine(line + y * 48, 16, dst + y * 6 * plane, plane)
}

/** 36 planes at `src` → 4×4 pixels at `dst`. */
export function winogradOutput(dst: usize, row: usize, pixel: usize, src: usize, plane: usize, line: usize): void {
  for (let y: usize = 0; y < 6; y++) outputLine(src + y * 6 * plane, plane, line + y * 64, 16)
  for (let x: usize = 0; x < 4; x++) outputLine(line + x * 16, 64, dst + x * pixel, row)
}

/** 36 planes at `src` → 3×3 vectors at `dst`. */
export function winogradGradient(dst: usize, src: usize, plane: usize, line: usize): void {
  for (let y: usize = 0; y < 6; y++) gradientLine(src + y * 6 * plane, plane, line + y * 48, 16)
  for (let x: usize = 0; x < 3; x++) gradientLine(line + x * 16, 48, dst + x * 16, 48)
}

// --- Matrix products: one loop each, all sums in registers. ---

// @ts-ignore: decorator
@inline
function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/** c[5][8] = Σ_k a[5][k] b[k][8]; rows of a and c are `lda` and `ldc` bytes apart. */
export function winogradProduct5(c: usize, ldc: usize, a0: usize, lda: usize, b: usize, k: i32): void {
  let a1 = a0 + lda
  let a2 = a1 + lda
  let a3 = a2 + lda
  let a4 = a3 + lda
  let c00 = f32x4.splat(0), c01 = c00
  let c10 = c00, c11 = c00
  let c20 = c00, c21 = c00
  let c30 = c00, c31 = c00
  let c40 = c00, c41 = c00
  for (; k > 0; k--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let s = v128.load32_splat(a0)
    c00 = madd(c00, s, b0)
    c01 = madd(c01, s, b1)
    s = v128.load32_splat(a1)
    c10 = madd(c10, s, b0)
    c11 = madd(c11, s, b1)
    s = v128.load32_splat(a2)
    c20 = madd(c20, s, b0)
    c21 = madd(c21, s, b1)
    s = v128.load32_splat(a3)
    c30 = madd(c30, s, b0)
    c31 = madd(c31, s, b1)
    s = v128.load32_splat(a4)
    c40 = madd(c40, s, b0)
    c41 = madd(c41, s, b1)
    a0 += 4
    a1 += 4
    a2 += 4
    a3 += 4
    a4 += 4
    b += BLOCK_BYTES
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += ldc
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += ldc
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += ldc
  v128.store(c, c30)
  v128.store(c, c31, 16)
  c += ldc
  v128.store(c, c40)
  v128.store(c, c41, 16)
}

/** c[4][8] = Σ_k a[4][k] b[k][8]; rows of a and c are `lda` and `ldc` bytes apart. */
export function winogradProduct4(c: usize, ldc: usize, a0: usize, lda: usize, b: usize, k: i32): void {
  let a1 = a0 + lda
  let a2 = a1 + lda
  let a3 = a2 + lda
  let c00 = f32x4.splat(0), c01 = c00
  let c10 = c00, c11 = c00
  let c20 = c00, c21 = c00
  let c30 = c00, c31 = c00
  for (; k > 0; k--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let s = v128.load32_splat(a0)
    c00 = madd(c00, s, b0)
    c01 = madd(c01, s, b1)
    s = v128.load32_splat(a1)
    c10 = madd(c10, s, b0)
    c11 = madd(c11, s, b1)
    s = v128.load32_splat(a2)
    c20 = madd(c20, s, b0)
    c21 = madd(c21, s, b1)
    s = v128.load32_splat(a3)
    c30 = madd(c30, s, b0)
    c31 = madd(c31, s, b1)
    a0 += 4
    a1 += 4
    a2 += 4
    a3 += 4
    b += BLOCK_BYTES
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += ldc
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += ldc
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += ldc
  v128.store(c, c30)
  v128.store(c, c31, 16)
}

/** c[4][8] = Σ_k a[k][4] (b0[k][4], b1[k][4]); rows of c are `ldc` bytes apart. */
export function winogradOuter4(c: usize, ldc: usize, a: usize, b0: usize, b1: usize, k: i32): void {
  let c00 = f32x4.splat(0), c01 = c00
  let c10 = c00, c11 = c00
  let c20 = c00, c21 = c00
  let c30 = c00, c31 = c00
  for (; k > 0; k--) {
    const v0 = v128.load(b0)
    const v1 = v128.load(b1)
    let s = v128.load32_splat(a)
    c00 = madd(c00, s, v0)
    c01 = madd(c01, s, v1)
    s = v128.load32_splat(a, 4)
    c10 = madd(c10, s, v0)
    c11 = madd(c11, s, v1)
    s = v128.load32_splat(a, 8)
    c20 = madd(c20, s, v0)
    c21 = madd(c21, s, v1)
    s = v128.load32_splat(a, 12)
    c30 = madd(c30, s, v0)
    c31 = madd(c31, s, v1)
    a += VECTOR_BYTES
    b0 += VECTOR_BYTES
    b1 += VECTOR_BYTES
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += ldc
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += ldc
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += ldc
  v128.store(c, c30)
  v128.store(c, c31, 16)
}

// --- Edges. ---

/** Copies `bytes` (a multiple of 16) from `src`, or zeros when it is 0. */
// @ts-ignore: decorator
@inline
function copyVectors(dst: usize, src: usize, bytes: usize): void {
  const end = dst + bytes
  if (src == 0) {
    do {
      v128.store(dst, f32x4.splat(0))
      dst += VECTOR_BYTES
    } while (dst < end)
  } else {
    do {
      v128.store(dst, v128.load(src))
      src += VECTOR_BYTES
      dst += VECTOR_BYTES
    } while (dst < end)
  }
}

/** Copies size×size pixels from (y, x) of an image, which may lie outside of it, to `dst` [size][size][pixel bytes]; outside are zeros. */
export function winogradCopy(dst: usize, image: usize, h: i32, w: i32, y: i32, x: i32, size: i32, pixel: usize): void {
  for (let i = y; i < y + size; i++) {
    for (let j = x; j < x + size; j++) {
      const inside = i >= 0 && i < h && j >= 0 && j < w
      copyVectors(dst, inside ? image + <usize>(i * w + j) * pixel : 0, pixel)
      dst += pixel
    }
  }
}

/**
 * Transforms tiles begin … end − 1 of a tensor [B][H][W][channels] into planes; tile s, channels 4v … go to
 * dst + v·step + s·tileBytes in each plane. With `halo` the 6×6 patch of the tile by Bᵀ, without the 4×4 pixels of the tile by G'.
 * Scratch: TRANSFORM_BYTES, then 36 (16) pixels.
 */
// @ts-ignore: decorator
@inline
function transformTiles(
  dst: usize, step: usize, tileBytes: usize, plane: usize, tensor: usize, h: i32, w: i32, channels: i32, halo: bool,
  begin: i32, end: i32, scratch: usize,
): void {
  const across = (w + 3) >> 2
  const tiles = ((h + 3) >> 2) * across
  const pixel = <usize>channels << 2
  const row = pixel * <usize>w
  const size = halo ? 6 : 4
  const copy = scratch + TRANSFORM_BYTES
  dst += <usize>begin * tileBytes
  for (let s = begin; s < end; s++) {
    const b = s / tiles
    const tile = s - b * tiles
    const ty = tile / across
    const y = ty * 4 - i32(halo)
    const x = (tile - ty * across) * 4 - i32(halo)
    const image = tensor + <usize>(b * h) * row
    let src = image + <usize>y * row + <usize>x * pixel
    let rowBytes = row
    if (y < 0 || x < 0 || y + size > h || x + size > w) {
      winogradCopy(copy, image, h, w, y, x, size, pixel)
      src = copy
      rowBytes = pixel * <usize>size
    }
    if (halo) winogradPatch(dst, step, plane, src, rowBytes, pixel, channels >> 2, scratch)
    else winogradTile(dst, step, plane, src, rowBytes, pixel, channels >> 2, scratch)
    dst += tileBytes
  }
}

/**
 * V = Bᵀ δ B, to be read by the input gradient.
 * Delta [B][H][W][N] → Scratch [36 planes][S][N] (=); unit = RowsPerUnit tiles.
 * Worker scratch: 576 + 36·4·N bytes.
 */
export function winogradInputTransform(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const n = word(rec, ConvWord.OutC)
  const total = word(rec, ConvWord.Images) * ((h + 3) >> 2) * ((w + 3) >> 2)
  const begin = unit * word(rec, ConvWord.RowsPerUnit)
  const end = min(begin + word(rec, ConvWord.RowsPerUnit), total)
  check(begin < end && (n & 3) == 0)
  transformTiles(
    address(rec, ConvWord.Scratch), VECTOR_BYTES, <usize>n << 2, address(rec, ConvWord.PlaneBytes),
    address(rec, ConvWord.Delta), h, w, n, true, begin, end, scratch,
  )
}

/**
 * Kernels of 8 input channels × one block of output channels, transposed and rotated by 180°:
 * `src` [9 taps][C][width], at the first of the 8 channels → `dst` [width][2 halves][9 taps][4] (=). `tap` is the bytes of one tap.
 */
function turnWeights(dst: usize, src: usize, tap: usize, width: i32, halves: i32): void {
  const row = <usize>width << 2
  for (let i: usize = 0; i < 9; i++) {
    let from = src + (8 - i) * tap
    for (let half = 0; half < halves; half++) {
      let to = dst + <usize>(half * 144) + i * VECTOR_BYTES
      for (const end = from + row; from < end; from += VECTOR_BYTES) {
        const x0 = v128.load(from)
        const x1 = v128.load(from + row)
        const x2 = v128.load(from + row * 2)
        const x3 = v128.load(from + row * 3)
        const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5)
        const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5)
        const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
        const high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
        v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
        v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 288)
        v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 576)
        v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 864)
        to += 1152
      }
      from += row * 3
    }
  }
}

/**
 * U = G W Gᵀ of the rotated kernels of input channels c … c + 7: Weight → `u` [36 planes][N][8] (=).
 * Lanes from C on stay as they are: the caller drops what comes of them. Scratch `turned`: 288·BlockWidth bytes.
 */
function transformWeights(
  u: usize, plane: usize, weight: usize, c: i32, cs: i32, n: i32, width: i32, rows: i32, turned: usize, line: usize,
): void {
  const rowBytes = <usize>width << 2
  const halves = min(2, (cs - c) >> 2)
  let src = weight + <usize>c * rowBytes
  for (let block = 0; block < n; block += width) {
    turnWeights(turned, src, <usize>cs * rowBytes, width, halves)
    for (let i: usize = 0; i < <usize>width; i++) {
      for (let half: usize = 0; half < <usize>halves; half++) {
        winogradWeight(u + half * VECTOR_BYTES, plane, turned + i * 288 + half * 144, line)
      }
      u += BLOCK_BYTES
    }
    src += <usize>rows * rowBytes
  }
}

/**
 * dX[b, y, x, c] = Σ_{ky, kx, n} δ[b, y + 1 − ky, x + 1 − kx, n] · W[n, c, ky, kx].
 * Scratch [36 planes][S][N], Weight → Out [B][H][W][C] (=); unit = (RowsPerUnit tiles, 8 input channels), channels run faster.
 * Up to 3 rows behind the S of a plane are read and dropped: a plane holds S + 3.
 * Worker scratch: 36·(32·N + 192) + 36·(32·(RowsPerUnit + 3) + 192) + 576 + 256 + 288·BlockWidth bytes.
 */
export function winogradInputGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const perUnit = word(rec, ConvWord.RowsPerUnit)
  const across = (w + 3) >> 2
  const tiles = ((h + 3) >> 2) * across
  const blocks = (cs + BLOCK - 1) / BLOCK
  const c = (unit % blocks) * BLOCK
  const begin = (unit / blocks) * perUnit
  const count = min(perUnit, word(rec, ConvWord.Images) * tiles - begin)
  check(count > 0)

  const uPlane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const mPlane = <usize>(perUnit + 3) * BLOCK_BYTES + PLANE_PADDING
  const u = scratch
  const m = u + uPlane * PLANES
  const line = m + mPlane * PLANES
  const edge = line + TRANSFORM_BYTES
  transformWeights(
    u, uPlane, address(rec, ConvWord.Weight), c, cs, n, word(rec, ConvWord.BlockWidth), word(rec, ConvWord.KRows), edge + 256, line,
  )

  // count = 5·fives + 4·fours where that is possible, else it is rounded up to a multiple of 4.
  const rowBytes = <usize>n << 2
  const fours = (5 - count % 5) % 5
  const fives = fours * 4 <= count ? (count - fours * 4) / 5 : 0
  const vPlane = address(rec, ConvWord.PlaneBytes)
  const v = address(rec, ConvWord.Scratch) + <usize>begin * rowBytes
  for (let plane: usize = 0; plane < PLANES; plane++) {
    const b = u + plane * uPlane
    let a = v + plane * vPlane
    let out = m + plane * mPlane
    let row = 0
    for (; row < fives * 5; row += 5) {
      winogradProduct5(out, BLOCK_BYTES, a, rowBytes, b, n)
      a += rowBytes * 5
      out += BLOCK_BYTES * 5
    }
    for (; row < count; row += 4) {
      winogradProduct4(out, BLOCK_BYTES, a, rowBytes, b, n)
      a += rowBytes * 4
      out += BLOCK_BYTES * 4
    }
  }

  const pixel = <usize>cs << 2
  const imageRow = pixel * <usize>w
  for (let half = c; half < min(c + BLOCK, cs); half += 4) {
    const channel = address(rec, ConvWord.Out) + (<usize>half << 2)
    let src = m + (<usize>(half - c) << 2)
    for (let s = begin; s < begin + count; s++) {
      const b = s / tiles
      const tile = s - b * tiles
      const y = (tile / across) * 4
      const x = (tile % across) * 4
      const dst = channel + <usize>(b * h + y) * imageRow + <usize>x * pixel
      if (y + 4 <= h && x + 4 <= w) {
        winogradOutput(dst, imageRow, pixel, src, mPlane, line)
      } else {
        winogradOutput(edge, 64, 16, src, mPlane, line)
        for (let i = 0; i < min(4, h - y); i++) {
          for (let j = 0; j < min(4, w - x); j++) {
            v128.store(dst + <usize>i * imageRow + <usize>j * pixel, v128.load(edge + (<usize>(i * 4 + j) << 4)))
          }
        }
      }
      src += BLOCK_BYTES
    }
  }
}

/**
 * The two factors of the weight gradient, Bᵀ r B and G' δ G'ᵀ, with vectors of four channels apart so that products read them in order.
 * In [B][H][W][C], Delta [B][H][W][N] → Scratch [36 planes][C/4 + N/4][S'][4] (=), S' = S rounded up to a multiple of 4.
 * Unit = RowsPerUnit tiles (a multiple of 4) of In, then as many units of Delta.
 * Worker scratch: 576 + 4·max(36·C, 16·N) bytes.
 */
export function winogradWeightTransform(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const perUnit = word(rec, ConvWord.RowsPerUnit)
  const total = word(rec, ConvWord.Images) * ((h + 3) >> 2) * ((w + 3) >> 2)
  const units = (total + perUnit - 1) / perUnit
  const step = <usize>((total + 3) & ~3) << 4
  const plane = address(rec, ConvWord.PlaneBytes)
  const dst = address(rec, ConvWord.Scratch)
  const second = unit >= units
  const begin = (second ? unit - units : unit) * perUnit
  const end = min(begin + perUnit, total)
  check(begin < end)
  if (second) {
    const behind = dst + <usize>(cs >> 2) * step
    transformTiles(behind, step, VECTOR_BYTES, plane, address(rec, ConvWord.Delta), h, w, n, false, begin, end, scratch)
  } else {
    transformTiles(dst, step, VECTOR_BYTES, plane, address(rec, ConvWord.In), h, w, cs, true, begin, end, scratch)
  }
}

/**
 * dW[n, c, ky, kx] = Scale · Σ_{b, y, x} δ[b, y, x, n] · r[b, y + ky − 1, x + kx − 1, c].
 * Scratch (of WinogradWeightTransform) → Out in the weight's layout [N/BlockWidth][KRows][BlockWidth], = or with Accumulate +=; the rows
 * from 9·C on become zero. Unit = (InCPerUnit input channels, OutCPerUnit output channels), output channels run faster; the sum runs
 * over the tiles in order.
 * Worker scratch: 36·(4·InCPerUnit·OutCPerUnit + 192) + 576 + 144 bytes; InCPerUnit is a multiple of 4, OutCPerUnit of 8.
 */
export function winogradWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const cPerUnit = word(rec, ConvWord.InCPerUnit)
  const nPerUnit = word(rec, ConvWord.OutCPerUnit)
  const total = word(rec, ConvWord.Images) * ((h + 3) >> 2) * ((w + 3) >> 2)
  const step = <usize>((total + 3) & ~3) << 4
  const nUnits = (n + nPerUnit - 1) / nPerUnit
  const c0 = (unit / nUnits) * cPerUnit
  const n0 = (unit % nUnits) * nPerUnit
  const cCount = min(cPerUnit, cs - c0)
  const nCount = min(nPerUnit, n - n0)
  check(cCount > 0 && nCount > 0 && (cPerUnit & 3) == 0 && (nPerUnit & 7) == 0)

  const plane = address(rec, ConvWord.PlaneBytes)
  const mRow = <usize>nPerUnit << 2
  const mPlane = mRow * <usize>cPerUnit + PLANE_PADDING
  const m = scratch
  const line = m + mPlane * PLANES
  const result = line + TRANSFORM_BYTES
  let a = address(rec, ConvWord.Scratch) + <usize>(c0 >> 2) * step
  let b = address(rec, ConvWord.Scratch) + <usize>((cs + n0) >> 2) * step
  let out = m
  for (let p: usize = 0; p < PLANES; p++) {
    for (let i = 0; i < nCount; i += BLOCK) {
      const b0 = b + <usize>(i >> 2) * step
      // The second half of a last block of four stands for nothing and is dropped below.
      const b1 = i + 4 < nCount ? b0 + step : b0
      for (let j = 0; j < cCount; j += 4) {
        winogradOuter4(out + <usize>j * mRow + (<usize>i << 2), mRow, a + <usize>(j >> 2) * step, b0, b1, total)
      }
    }
    a += plane
    b += plane
    out += mPlane
  }

  const width = word(rec, ConvWord.BlockWidth)
  const rows = word(rec, ConvWord.KRows)
  const rowBytes = <usize>width << 2
  const scale = f32x4.splat(load<f32>(rec, ConvWord.Scale * 4))
  const accumulate = word(rec, ConvWord.Accumulate) != 0
  for (let i = 0; i < nCount; i += 4) {
    const block = address(rec, ConvWord.Out) + <usize>(((n0 + i) / width) * rows) * rowBytes + (<usize>((n0 + i) % width) << 2)
    for (let j = 0; j < cCount; j++) {
      winogradGradient(result, m + <usize>j * mRow + (<usize>i << 2), mPlane, line)
      let dst = block + <usize>(c0 + j) * rowBytes
      for (let tap: usize = 0; tap < 9; tap++) {
        const value = f32x4.mul(scale, v128.load(result + tap * 16))
        v128.store(dst, accumulate ? f32x4.add(v128.load(dst), value) : value)
        dst += <usize>cs * rowBytes
      }
    }
    if (c0 + cCount == cs) {
      for (let k = 9 * cs; k < rows; k++) v128.store(block + <usize>k * rowBytes, f32x4.splat(0))
    }
  }
}
