/**
 * Gradients of 3×3 convolutions with stride 1 and padding 1, by Winograd's minimal filtering: both sums become 36 small matrix products
 * over 4×4 tiles of pixels and need a quarter of the multiplications. Source: Lavin & Gray, CVPR 2016 (arXiv 1509.09308), with the
 * interpolation points 0, ±1, ±2, ∞.
 *
 * Legend: a tile is 4×4 pixels of an image, tiles of an image run in tile rows, S = tiles of all images of the record; tiles that hang over
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

const VECTOR_BYTES: usize = 16
/** Columns of a product, input channels of a block of the input gradient, and the bytes of their floats. */
const BLOCK: i32 = 8
const BLOCK_BYTES: usize = 32
/** Channels of a group of the weight gradient, and the bytes of their floats. */
const GROUP: i32 = 16
const GROUP_BYTES: usize = 64
/** Tiles over which the weight gradient sums at a time: two groups of so many stay in the first cache. */
const DEPTH: i32 = 256
/** Output channels of a chunk of the input gradient. Rows of a chunk are so far apart whatever it holds, since the product wants a constant. */
const CHUNK: i32 = 128
const CHUNK_BYTES: usize = 512
const PLANES: usize = 36
/** 6×6 vectors between the two passes of a transform. */
const TRANSFORM_BYTES: usize = 576
/** Keeps planes and blocks apart in the cache. */
const PLANE_PADDING: usize = 192
const PADDING: usize = 64
/** Room for the addresses of the six rows of a patch. */
const ROWS_BYTES: usize = 64

// @ts-ignore: decorator
@inline
function times(k: f32, x: v128): v128 {
  return f32x4.mul(f32x4.splat(k), x)
}

// --- Transforms of one line, written `to` bytes apart; vectors hold four channels. ---

/** Bᵀ, 6 → 6. */
// @ts-ignore: decorator
@inline
function patch(x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, dst: usize, to: usize): void {
  const p = f32x4.sub(x4, times(4, x2))
  const q = f32x4.sub(x3, times(4, x1))
  const r = f32x4.sub(x4, x2)
  const s = times(2, f32x4.sub(x3, x1))
  v128.store(dst, f32x4.add(times(4, f32x4.sub(x0, x2)), r))
  v128.store(dst + to, f32x4.add(p, q))
  v128.store(dst + to * 2, f32x4.sub(p, q))
  v128.store(dst + to * 3, f32x4.add(r, s))
  v128.store(dst + to * 4, f32x4.sub(r, s))
  v128.store(dst + to * 5, f32x4.sub(f32x4.sub(x5, x3), times(2, s)))
}

/** G, 3 → 6. */
// @ts-ignore: decorator
@inline
function kernel(x0: v128, x1: v128, x2: v128, dst: usize, to: usize): void {
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
function tile(x0: v128, x1: v128, x2: v128, x3: v128, dst: usize, to: usize): void {
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

/** Aᵀ, 6 → 4, written to four addresses. */
// @ts-ignore: decorator
@inline
function output(x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, d0: usize, d1: usize, d2: usize, d3: usize): void {
  const s1 = f32x4.add(x1, x2)
  const t1 = f32x4.sub(x1, x2)
  const s2 = f32x4.add(x3, x4)
  const t2 = f32x4.sub(x3, x4)
  v128.store(d0, f32x4.add(f32x4.add(x0, s1), s2))
  v128.store(d1, f32x4.add(t1, times(2, t2)))
  v128.store(d2, f32x4.add(s1, times(4, s2)))
  v128.store(d3, f32x4.add(f32x4.add(t1, times(8, t2)), x5))
}

/** A'ᵀ, 6 → 3, written to three addresses; with `last` times `factor`, and with `add` too +=. */
// @ts-ignore: decorator
@inline
function taps(
  x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, last: bool, factor: v128, add: bool, d0: usize, d1: usize, d2: usize,
): void {
  const s1 = f32x4.add(x1, x2)
  const s2 = f32x4.add(x3, x4)
  let y0 = f32x4.add(f32x4.add(x0, s1), s2)
  let y1 = f32x4.add(f32x4.sub(x1, x2), times(2, f32x4.sub(x3, x4)))
  let y2 = f32x4.add(f32x4.add(s1, times(4, s2)), x5)
  if (last) {
    y0 = f32x4.mul(factor, y0)
    y1 = f32x4.mul(factor, y1)
    y2 = f32x4.mul(factor, y2)
  }
  if (last && add) {
    y0 = f32x4.add(v128.load(d0), y0)
    y1 = f32x4.add(v128.load(d1), y1)
    y2 = f32x4.add(v128.load(d2), y2)
  }
  v128.store(d0, y0)
  v128.store(d1, y1)
  v128.store(d2, y2)
}

// --- Transforms of a tensor's tiles: down the columns into `line`, then along its rows. ---

/**
 * One tile, `vectors` times four channels: six rows of six pixels by Bᵀ (`halo`) or four rows of four by G', whose addresses stand in `rows` (u32), → 36
 * planes at `dst`. Columns `from` … `to` − 1 are read, the others are those that the caller left in `line` [6 rows][6 or 4]. Behind each `group` of
 * vectors `dst` jumps.
 */
// @ts-ignore: decorator
@inline
function transformTile(
  dst: usize, group: i32, jump: usize, plane: usize, rows: usize, from: usize, to: usize, pixel: usize, vectors: i32, line: usize, halo: bool,
): void {
  const r0 = <usize>load<u32>(rows)
  const r1 = <usize>load<u32>(rows, 4)
  const r2 = <usize>load<u32>(rows, 8)
  const r3 = <usize>load<u32>(rows, 12)
  const r4 = halo ? <usize>load<u32>(rows, 16) : 0
  const r5 = halo ? <usize>load<u32>(rows, 20) : 0
  const pitch: usize = halo ? 96 : 64
  const first = line + from * VECTOR_BYTES
  const last = line + to * VECTOR_BYTES
  const end = line + 6 * pitch
  const plane6 = plane * 6
  let at = from * pixel
  let left = group
  for (; vectors > 0; vectors--) {
    let o = at
    for (let l = first; l < last; l += VECTOR_BYTES) {
      const x0 = v128.load(r0 + o)
      const x1 = v128.load(r1 + o)
      const x2 = v128.load(r2 + o)
      const x3 = v128.load(r3 + o)
      if (halo) patch(x0, x1, x2, x3, v128.load(r4 + o), v128.load(r5 + o), l, pitch)
      else tile(x0, x1, x2, x3, l, pitch)
      o += pixel
    }
    let d = dst
    for (let l = line; l < end; l += pitch) {
      const x0 = v128.load(l)
      const x1 = v128.load(l, 16)
      const x2 = v128.load(l, 32)
      const x3 = v128.load(l, 48)
      if (halo) patch(x0, x1, x2, x3, v128.load(l, 64), v128.load(l, 80), d, plane)
      else tile(x0, x1, x2, x3, d, plane)
      d += plane6
    }
    at += VECTOR_BYTES
    dst += VECTOR_BYTES
    if (--left == 0) {
      left = group
      dst += jump
    }
  }
}

/** Bᵀ x B, see transformTile. */
export function winogradPatch(
  dst: usize, group: i32, jump: usize, plane: usize, rows: usize, from: usize, to: usize, pixel: usize, vectors: i32, line: usize,
): void {
  transformTile(dst, group, jump, plane, rows, from, to, pixel, vectors, line, true)
}

/** G' x G'ᵀ, see transformTile. */
export function winogradTile(
  dst: usize, group: i32, jump: usize, plane: usize, rows: usize, from: usize, to: usize, pixel: usize, vectors: i32, line: usize,
): void {
  transformTile(dst, group, jump, plane, rows, from, to, pixel, vectors, line, false)
}

/** Zeros to `bytes` (a multiple of 16) at `dst`. */
function clear(dst: usize, bytes: usize): void {
  for (const end = dst + bytes; dst < end; dst += VECTOR_BYTES) v128.store(dst, f32x4.splat(0))
}

/**
 * Reads a word of each cache line of `bytes` at `p`, which soon will be read or written in another order: lines come faster when they are asked for in
 * order. `sink` gets a word that keeps the loop alive.
 */
export function winogradTouch(p: usize, bytes: usize, sink: usize): void {
  let sum: u32 = 0
  for (const end = p + bytes; p < end; p += 64) sum += load<u32>(p)
  store<u32>(sink, sum)
}

/**
 * Transforms the tiles of one tile row of a tensor [B][H][W][channels] into planes: with `halo` their 6×6 patches by Bᵀ, without their 4×4 pixels by
 * G'. In each plane the channels stand in groups: those of the row's tile i in group j at dst + i·16·group + j·step bytes.
 * Scratch: 576 + 64 bytes, then six pixels.
 */
function transformRow(
  dst: usize, group: i32, step: usize, plane: usize, tensor: usize, h: i32, w: i32, channels: i32, halo: bool, row: i32, scratch: usize,
): void {
  const down = (h + 3) >> 2
  const image = row / down
  const margin = i32(halo)
  const size = halo ? 6 : 4
  const y = (row - image * down) * 4 - margin
  const pixel = <usize>channels << 2
  const rowBytes = pixel * <usize>w
  const line = scratch
  const rows = line + TRANSFORM_BYTES
  const zeros = rows + ROWS_BYTES
  const first = tensor + <usize>(image * h + y) * rowBytes
  const groupBytes = <usize>group * VECTOR_BYTES
  if (y < 0 || y + size > h) clear(zeros, pixel * 6)
  const top = max(0, y)
  winogradTouch(tensor + <usize>(image * h + top) * rowBytes, <usize>(min(h, y + size) - top) * rowBytes, line)
  for (let x = -margin; x + margin < w; x += 4) {
    for (let k = 0; k < size; k++) {
      const inside = <u32>(y + k) < <u32>h
      store<u32>(rows + (<usize>k << 2), <u32>(inside ? first + <usize>k * rowBytes + <usize>x * pixel : zeros))
    }
    const from = max(0, -x)
    const to = min(size, w - x)
    for (let i = 0; i < size; i++) {
      if (i < from || i >= to) for (let j = 0; j < 6; j++) v128.store(line + (<usize>(j * size + i) << 4), f32x4.splat(0))
    }
    if (halo) winogradPatch(dst, group, step - groupBytes, plane, rows, from, to, pixel, channels >> 2, line)
    else winogradTile(dst, group, step - groupBytes, plane, rows, from, to, pixel, channels >> 2, line)
    dst += groupBytes
  }
}

// --- Transforms of kernels and results. ---

/** 3×3 vectors at `src`, `count` times → 36 planes at `dst`. */
export function winogradKernel(dst: usize, plane: usize, src: usize, count: i32): void {
  const plane6 = plane * 6
  for (; count > 0; count--) {
    let d = dst
    kernel(times(0.25, v128.load(src)), times(0.25, v128.load(src, 16)), times(0.25, v128.load(src, 32)), d, plane)
    d += plane6
    let e0 = times(-1.0 / 6.0, f32x4.add(v128.load(src), v128.load(src, 96)))
    let e1 = times(-1.0 / 6.0, f32x4.add(v128.load(src, 16), v128.load(src, 112)))
    let e2 = times(-1.0 / 6.0, f32x4.add(v128.load(src, 32), v128.load(src, 128)))
    let o0 = times(-1.0 / 6.0, v128.load(src, 48))
    let o1 = times(-1.0 / 6.0, v128.load(src, 64))
    let o2 = times(-1.0 / 6.0, v128.load(src, 80))
    kernel(f32x4.add(e0, o0), f32x4.add(e1, o1), f32x4.add(e2, o2), d, plane)
    d += plane6
    kernel(f32x4.sub(e0, o0), f32x4.sub(e1, o1), f32x4.sub(e2, o2), d, plane)
    d += plane6
    e0 = f32x4.add(times(1.0 / 24.0, v128.load(src)), times(1.0 / 6.0, v128.load(src, 96)))
    e1 = f32x4.add(times(1.0 / 24.0, v128.load(src, 16)), times(1.0 / 6.0, v128.load(src, 112)))
    e2 = f32x4.add(times(1.0 / 24.0, v128.load(src, 32)), times(1.0 / 6.0, v128.load(src, 128)))
    o0 = times(1.0 / 12.0, v128.load(src, 48))
    o1 = times(1.0 / 12.0, v128.load(src, 64))
    o2 = times(1.0 / 12.0, v128.load(src, 80))
    kernel(f32x4.add(e0, o0), f32x4.add(e1, o1), f32x4.add(e2, o2), d, plane)
    d += plane6
    kernel(f32x4.sub(e0, o0), f32x4.sub(e1, o1), f32x4.sub(e2, o2), d, plane)
    d += plane6
    kernel(v128.load(src, 96), v128.load(src, 112), v128.load(src, 128), d, plane)
    src += 144
    dst += VECTOR_BYTES
  }
}

/**
 * Aᵀ M A: 36 planes at `src` → 4×4 pixels, `vectors` times four channels. `rows`: addresses of the four rows of pixels, as u32; `columns` of each are
 * written. `line`: TRANSFORM_BYTES.
 */
export function winogradOutput(rows: usize, columns: i32, pixel: usize, src: usize, plane: usize, vectors: i32, line: usize): void {
  let r0 = <usize>load<u32>(rows)
  let r1 = <usize>load<u32>(rows, 4)
  let r2 = <usize>load<u32>(rows, 8)
  let r3 = <usize>load<u32>(rows, 12)
  const plane6 = plane * 6
  const end = line + 384
  const last = line + (<usize>columns << 4)
  for (; vectors > 0; vectors--) {
    let p = src
    for (let l = line; l < end; l += 64) {
      output(
        v128.load(p), v128.load(p + plane), v128.load(p + plane * 2), v128.load(p + plane * 3), v128.load(p + plane * 4), v128.load(p + plane * 5),
        l, l + 16, l + 32, l + 48,
      )
      p += plane6
    }
    let o: usize = 0
    for (let l = line; l < last; l += VECTOR_BYTES) {
      output(
        v128.load(l), v128.load(l, 64), v128.load(l, 128), v128.load(l, 192), v128.load(l, 256), v128.load(l, 320), r0 + o, r1 + o, r2 + o, r3 + o,
      )
      o += pixel
    }
    r0 += VECTOR_BYTES
    r1 += VECTOR_BYTES
    r2 += VECTOR_BYTES
    r3 += VECTOR_BYTES
    src += VECTOR_BYTES
  }
}

/**
 * scale · Aᵀ M A': 36 planes at `src` → 3×3 taps at `dst`, `tap` bytes apart, `vectors` times four channels; = or with `add` +=.
 * `line`: TRANSFORM_BYTES.
 */
export function winogradGradient(
  dst: usize, tap: usize, src: usize, plane: usize, scale: f32, add: bool, vectors: i32, line: usize,
): void {
  const factor = f32x4.splat(scale)
  const plane6 = plane * 6
  const end = line + 288
  for (; vectors > 0; vectors--) {
    let p = src
    for (let l = line; l < end; l += 48) {
      taps(
        v128.load(p), v128.load(p + plane), v128.load(p + plane * 2), v128.load(p + plane * 3), v128.load(p + plane * 4), v128.load(p + plane * 5),
        false, factor, add, l, l + 16, l + 32,
      )
      p += plane6
    }
    let d = dst
    for (let l = line; l < line + 48; l += VECTOR_BYTES) {
      taps(
        v128.load(l), v128.load(l, 48), v128.load(l, 96), v128.load(l, 144), v128.load(l, 192), v128.load(l, 240), true, factor, add,
        d, d + tap * 3, d + tap * 6,
      )
      d += tap
    }
    src += VECTOR_BYTES
    dst += VECTOR_BYTES
  }
}

// --- Matrix products: one loop each, all sums in registers. ---

// @ts-ignore: decorator
@inline
function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/**
 * c[i][8] = Σ_k a(i, k) b[k][8], with `add` +=, for i = 0 … `count`, rounded up to a multiple of 4. a(i, k) is `step` bytes behind a(i, k − 1), and 4
 * (Layout: u32) or CHUNK_BYTES (u64) behind a(i − 1, k), which the compiler must know; rows of b are `ldb` bytes apart, those of c `ldc`. Four rows at a
 * time: V8 keeps these eight sums in registers. Pointers move at the top of the loop, as in matmul.ts. The loop over rows stands here because calls cost a twentieth.
 */
// @ts-ignore: decorator
@inline
function product<Layout>(c: usize, ldc: usize, a: usize, step: usize, b: usize, ldb: usize, k: i32, count: i32, add: bool): void {
  const row: usize = sizeof<Layout>() == 4 ? 4 : CHUNK_BYTES
  for (; count > 0; count -= 4) {
    let p = a
    let q = b
    let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00
    p -= step
    q -= ldb
    const last = p + <usize>k * step
    while (p != last) {
      p += step
      q += ldb
      const b0 = v128.load(q)
      const b1 = v128.load(q, 16)
      let s = v128.load32_splat(p)
      c00 = madd(c00, s, b0)
      c01 = madd(c01, s, b1)
      s = v128.load32_splat(p, row)
      c10 = madd(c10, s, b0)
      c11 = madd(c11, s, b1)
      s = v128.load32_splat(p, 2 * row)
      c20 = madd(c20, s, b0)
      c21 = madd(c21, s, b1)
      s = v128.load32_splat(p, 3 * row)
      c30 = madd(c30, s, b0)
      c31 = madd(c31, s, b1)
    }
    const d1 = c + ldc
    const d2 = d1 + ldc
    const d3 = d2 + ldc
    if (add) {
      c00 = f32x4.add(c00, v128.load(c))
      c01 = f32x4.add(c01, v128.load(c, 16))
      c10 = f32x4.add(c10, v128.load(d1))
      c11 = f32x4.add(c11, v128.load(d1, 16))
      c20 = f32x4.add(c20, v128.load(d2))
      c21 = f32x4.add(c21, v128.load(d2, 16))
      c30 = f32x4.add(c30, v128.load(d3))
      c31 = f32x4.add(c31, v128.load(d3, 16))
    }
    v128.store(c, c00)
    v128.store(c, c01, 16)
    v128.store(d1, c10)
    v128.store(d1, c11, 16)
    v128.store(d2, c20)
    v128.store(d2, c21, 16)
    v128.store(d3, c30)
    v128.store(d3, c31, 16)
    c = d3 + ldc
    a += 4 * row
  }
}

/** c[count][8] = or += a[count][k] b[k][8]; rows of a are CHUNK_BYTES apart. */
export function winogradProduct(c: usize, a: usize, b: usize, k: i32, count: i32, add: bool): void {
  product<u64>(c, BLOCK_BYTES, a, 4, b, BLOCK_BYTES, k, count, add)
}

/** c[count][8] = or += a[k][count]ᵀ b[k][8]; rows of a and b are GROUP_BYTES apart, those of c `ldc`. */
export function winogradOuter(c: usize, ldc: usize, a: usize, b: usize, k: i32, count: i32, add: bool): void {
  product<u32>(c, ldc, a, GROUP_BYTES, b, GROUP_BYTES, k, count, add)
}

/**
 * V = Bᵀ δ B, to be read by the input gradient.
 * Delta [B][H][W][N] → Scratch [36 planes][⌈N/128⌉ chunks][S + 3][128] (=); what is behind N and S stays as it is. Unit = one tile row.
 * Worker scratch: 640 + 24·N bytes.
 */
export function winogradInputTransform(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const n = word(rec, ConvWord.OutC)
  const across = (w + 3) >> 2
  const total = word(rec, ConvWord.Images) * ((h + 3) >> 2) * across
  check((n & 3) == 0)
  transformRow(
    address(rec, ConvWord.Scratch) + <usize>(unit * across) * CHUNK_BYTES, CHUNK >> 2, <usize>(total + 3) * CHUNK_BYTES,
    address(rec, ConvWord.PlaneBytes), address(rec, ConvWord.Delta), h, w, n, true, unit, scratch,
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
 * U = G W Gᵀ of the rotated kernels of input channels c … c + 7 and one block of output channels: `src`, at the first of the channels in the block of
 * the weight → `u` [36 planes][8 channels apart] (=). What is behind C is left to chance: the caller drops what comes of it.
 * Scratch: TRANSFORM_BYTES, then 288·BlockWidth.
 */
function transformKernels(u: usize, plane: usize, src: usize, c: i32, cs: i32, width: i32, scratch: usize): void {
  const turned = scratch + TRANSFORM_BYTES
  turnWeights(turned, src, <usize>(cs * width) << 2, width, min(2, (cs - c) >> 2))
  winogradKernel(u, plane, turned, width * 2)
}

/**
 * U = G W Gᵀ of the rotated kernels, to be read by the input gradient.
 * Weight → Scratch [⌈C/8⌉ blocks][36 planes][N][8] (=). Unit = (8 input channels, BlockWidth output channels), output channels run faster.
 * Worker scratch: 576 + 288·BlockWidth bytes.
 */
export function winogradKernelTransform(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const width = word(rec, ConvWord.BlockWidth)
  const blocks = n / width
  const block = unit % blocks
  const c = unit / blocks * BLOCK
  const plane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  transformKernels(
    address(rec, ConvWord.Scratch) + <usize>(unit / blocks) * plane * PLANES + <usize>(block * width) * BLOCK_BYTES, plane,
    address(rec, ConvWord.Weight) + (<usize>((block * word(rec, ConvWord.KRows) + c) * width) << 2), c, cs, width, scratch,
  )
}

/**
 * dX[b, y, x, c] = Σ_{ky, kx, n} δ[b, y + 1 − ky, x + 1 − kx, n] · W[n, c, ky, kx]  → Out [B][H][W][C] (=). Scratch has one of the factors.
 * KernelFirst = 1: the kernels (of WinogradKernelTransform). Unit = RowsPerUnit tile rows, which it transforms itself, and all channels.
 * KernelFirst = 0: the tiles (of WinogradInputTransform). Unit = (RowsPerUnit tile rows, 8 input channels), whose kernels it transforms itself; channels
 * run faster.
 * Up to 3 tiles behind the last of a unit are read and what comes of them is dropped.
 * Worker scratch, with P = RowsPerUnit·⌈W/4⌉ rounded up to a multiple of 4:
 *   36·(32·P + 192) + 16·C + 640, then KernelFirst ? 36·(512·⌈N/128⌉·P + 192) + 640 + 24·N : 36·(32·N + 192) + 576 + 288·BlockWidth.
 */
export function winogradInputGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const width = word(rec, ConvWord.BlockWidth)
  const kernelFirst = word(rec, ConvWord.KernelFirst) != 0
  const across = (w + 3) >> 2
  const down = (h + 3) >> 2
  const rowsAll = word(rec, ConvWord.Images) * down
  const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
  const blocks = (cs + BLOCK - 1) / BLOCK
  const firstRow = (kernelFirst ? unit : unit / blocks) * rowsPerUnit
  const rows = min(rowsPerUnit, rowsAll - firstRow)
  const firstBlock = kernelFirst ? 0 : unit % blocks
  const lastBlock = kernelFirst ? blocks : firstBlock + 1
  const room = <usize>((rowsPerUnit * across + 3) & ~3)
  const chunks = (n + CHUNK - 1) / CHUNK
  check(rows > 0)

  const pixel = <usize>cs << 2
  const mPlane = room * BLOCK_BYTES + PLANE_PADDING
  const uPlane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const m = scratch
  const nowhere = m + mPlane * PLANES
  const targets = nowhere + pixel * 4
  const line = targets + ROWS_BYTES
  const own = line + TRANSFORM_BYTES

  let v = address(rec, ConvWord.Scratch)
  let vPlane = address(rec, ConvWord.PlaneBytes)
  let vChunk = <usize>(rowsAll * across + 3) * CHUNK_BYTES
  let u = own
  if (kernelFirst) {
    u = v
    v = own
    vChunk = room * CHUNK_BYTES
    vPlane = vChunk * <usize>chunks + PLANE_PADDING
    const delta = address(rec, ConvWord.Delta)
    for (let i = 0; i < rows; i++) {
      const dst = v + <usize>(i * across) * CHUNK_BYTES
      transformRow(dst, CHUNK >> 2, vChunk, vPlane, delta, h, w, n, true, firstRow + i, own + vPlane * PLANES)
    }
  } else {
    v += <usize>(firstRow * across) * CHUNK_BYTES
    const c = firstBlock * BLOCK
    const work = own + uPlane * PLANES
    for (let i = 0; i < n; i += width) {
      const src = address(rec, ConvWord.Weight) + (<usize>((i * word(rec, ConvWord.KRows)) + c * width) << 2)
      for (let tap = 0; tap < 9; tap++) winogradTouch(src + (<usize>(tap * cs * width) << 2), <usize>(min(BLOCK, cs - c) * width) << 2, work)
      transformKernels(u + <usize>i * BLOCK_BYTES, uPlane, src, c, cs, width, work)
    }
  }

  for (let block = firstBlock; block < lastBlock; block++) {
    for (let plane: usize = 0; plane < PLANES; plane++) {
      for (let k = 0; k < chunks; k++) {
        winogradProduct(
          m + plane * mPlane, v + plane * vPlane + <usize>k * vChunk, u + plane * uPlane + <usize>(k * CHUNK) * BLOCK_BYTES,
          min(CHUNK, n - k * CHUNK), rows * across, k > 0,
        )
      }
    }
    u += uPlane * PLANES

    const c = block * BLOCK
    let src = m
    for (let i = 0; i < rows; i++) {
      const image = (firstRow + i) / down
      const y = (firstRow + i - image * down) * 4
      const first = address(rec, ConvWord.Out) + <usize>((image * h + y) * w) * pixel
      if (kernelFirst && block == 0) winogradTouch(first, <usize>(min(4, h - y) * w) * pixel, line)
      for (let x = 0; x < w; x += 4) {
        for (let k = 0; k < 4; k++) {
          store<u32>(targets + (<usize>k << 2), <u32>(y + k < h ? first + <usize>(k * w + x) * pixel + (<usize>c << 2) : nowhere))
        }
        winogradOutput(targets, min(4, w - x), pixel, src, mPlane, min(2, (cs - c) >> 2), line)
        src += BLOCK_BYTES
      }
    }
  }
}

/** Bytes from one group of channels to the next in a plane of the weight gradient. */
// @ts-ignore: decorator
@inline
function groupStep(total: i32): usize {
  return <usize>total * GROUP_BYTES + PADDING
}

/**
 * The two factors of the weight gradient, Bᵀ r B and G' δ G'ᵀ, in groups of channels that its products read in order.
 * In [B][H][W][C], Delta [B][H][W][N] → Scratch [36 planes][⌈C/16⌉ + ⌈N/16⌉ groups][S][16] (=), 64 bytes behind each group; what is behind C and N stays
 * as it is. Unit = one tile row of In, then as many of Delta.
 * Worker scratch: 640 + 24·max(C, N) bytes.
 */
export function winogradWeightTransform(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const across = (w + 3) >> 2
  const rows = word(rec, ConvWord.Images) * ((h + 3) >> 2)
  const plane = address(rec, ConvWord.PlaneBytes)
  const step = groupStep(rows * across)
  let dst = address(rec, ConvWord.Scratch)
  if (unit < rows) {
    dst += <usize>(unit * across) * GROUP_BYTES
    transformRow(dst, GROUP >> 2, step, plane, address(rec, ConvWord.In), h, w, cs, true, unit, scratch)
  } else {
    unit -= rows
    dst += <usize>((cs + GROUP - 1) / GROUP) * step + <usize>(unit * across) * GROUP_BYTES
    transformRow(dst, GROUP >> 2, step, plane, address(rec, ConvWord.Delta), h, w, n, false, unit, scratch)
  }
}

/**
 * m[plane][c][n] = or += Σ_s left[plane][s][c] right[plane][s][n] for `cs` × `ns` channels from c0 and n0 on and `total` tiles, whose groups of 16 channels
 * are `step` bytes apart; rows of m have nPerUnit floats.
 */
function multiplyGroups(
  m: usize, mPlane: usize, nPerUnit: i32, left: usize, right: usize, plane: usize, step: usize, c0: i32, cs: i32, n0: i32, ns: i32, total: i32, add: bool,
): void {
  const mRow = <usize>nPerUnit << 2
  for (let p: usize = 0; p < PLANES; p++) {
    for (let first = 0; first < total; first += DEPTH) {
      const from = p * plane + <usize>first * GROUP_BYTES
      for (let c = c0; c < c0 + cs; c += GROUP) {
        const a = left + from + <usize>(c / GROUP) * step + (<usize>(c % GROUP) << 2)
        for (let n = n0; n < n0 + ns; n += BLOCK) {
          const b = right + from + <usize>(n / GROUP) * step + (<usize>(n % GROUP) << 2)
          const out = m + p * mPlane + <usize>(c - c0) * mRow + (<usize>(n - n0) << 2)
          winogradOuter(out, mRow, a, b, min(DEPTH, total - first), min(GROUP, c0 + cs - c), add || first > 0)
        }
      }
    }
  }
}

/**
 * dW[n, c, ky, kx] = Scale · Σ_{b, y, x} δ[b, y, x, n] · r[b, y + ky − 1, x + kx − 1, c], in the weight's layout [N/BlockWidth][KRows][BlockWidth]; the
 * rows from 9·C on become zero. The sum runs over the tiles in order.
 * Splits = 0: Scratch (of WinogradWeightTransform) → Out, = or with Accumulate +=. Unit = (InCPerUnit input channels, OutCPerUnit output channels), output
 * channels run faster.
 * Splits > 0, for few channels: In, Delta → Partial [Splits][KRows·N] (=), to be summed by `reduceSplits`. Unit = one of Splits runs of tile rows, all
 * channels; transforms RowsPerUnit tile rows at a time; InCPerUnit ≥ C, OutCPerUnit ≥ N.
 * Worker scratch: 36·(4·InCPerUnit·OutCPerUnit + 192) + 576 bytes, with Splits also 36·(64·G·(P + 1) + 192) + 640 + 24·max(C, N), G = ⌈C/16⌉ + ⌈N/16⌉,
 * P = RowsPerUnit·⌈W/4⌉; InCPerUnit is 4, 8 or a multiple of 16, OutCPerUnit a multiple of 8.
 */
export function winogradWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const h = word(rec, ConvWord.InH)
  const w = word(rec, ConvWord.InW)
  const cs = word(rec, ConvWord.InC)
  const n = word(rec, ConvWord.OutC)
  const cPerUnit = word(rec, ConvWord.InCPerUnit)
  const nPerUnit = word(rec, ConvWord.OutCPerUnit)
  const splits = word(rec, ConvWord.Splits)
  const across = (w + 3) >> 2
  const rowsAll = word(rec, ConvWord.Images) * ((h + 3) >> 2)
  const nUnits = splits ? 1 : (n + nPerUnit - 1) / nPerUnit
  const c0 = splits ? 0 : (unit / nUnits) * cPerUnit
  const n0 = splits ? 0 : (unit % nUnits) * nPerUnit
  const cCount = min(cPerUnit, cs - c0)
  const nCount = min(nPerUnit, n - n0)
  check(cCount > 0 && nCount > 0 && (cPerUnit & 3) == 0 && (nPerUnit & 7) == 0)

  const mRow = <usize>nPerUnit << 2
  const mPlane = mRow * <usize>cPerUnit + PLANE_PADDING
  const m = scratch
  const line = m + mPlane * PLANES
  const leftGroups = <usize>((cs + GROUP - 1) / GROUP)
  let out = address(rec, ConvWord.Out)
  if (splits) {
    const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
    const step = groupStep(rowsPerUnit * across)
    const plane = (leftGroups + <usize>((n + GROUP - 1) / GROUP)) * step + PLANE_PADDING
    const left = line + TRANSFORM_BYTES
    const right = left + leftGroups * step
    const work = left + plane * PLANES
    const first = <i32>(<i64>rowsAll * unit / splits)
    const last = <i32>(<i64>rowsAll * (unit + 1) / splits)
    for (let row = first; row < last; row += rowsPerUnit) {
      const rows = min(rowsPerUnit, last - row)
      for (let i = 0; i < rows; i++) {
        const at = <usize>(i * across) * GROUP_BYTES
        transformRow(left + at, GROUP >> 2, step, plane, address(rec, ConvWord.In), h, w, cs, true, row + i, work)
        transformRow(right + at, GROUP >> 2, step, plane, address(rec, ConvWord.Delta), h, w, n, false, row + i, work)
      }
      multiplyGroups(m, mPlane, nPerUnit, left, right, plane, step, c0, cCount, n0, nCount, rows * across, row > first)
    }
    out = address(rec, ConvWord.Partial) + <usize>(unit * word(rec, ConvWord.KRows)) * (<usize>n << 2)
  } else {
    const step = groupStep(rowsAll * across)
    const left = address(rec, ConvWord.Scratch)
    multiplyGroups(
      m, mPlane, nPerUnit, left, left + leftGroups * step, address(rec, ConvWord.PlaneBytes), step, c0, cCount, n0, nCount, rowsAll * across, false,
    )
  }

  const width = word(rec, ConvWord.BlockWidth)
  const rows = word(rec, ConvWord.KRows)
  const rowBytes = <usize>width << 2
  const scale = load<f32>(rec, ConvWord.Scale * 4)
  const accumulate = !splits && word(rec, ConvWord.Accumulate) != 0
  const run = min(width, nPerUnit)
  for (let i = 0; i < nCount; i += run) {
    const block = out + <usize>((n0 + i) / width * rows) * rowBytes + (<usize>((n0 + i) % width) << 2)
    for (let j = 0; j < cCount; j++) {
      winogradGradient(
        block + <usize>(c0 + j) * rowBytes, <usize>cs * rowBytes, m + <usize>j * mRow + (<usize>i << 2), mPlane, scale, accumulate,
        min(run, nCount - i) >> 2, line,
      )
    }
    if (c0 + cCount == cs) {
      for (let k = 9 * cs; k < rows; k++) clear(block + <usize>k * rowBytes, <usize>min(run, nCount - i) << 2)
    }
  }
}
