/**
 * Leaves of the grouped convolutions for groups of whole vectors of channels: an entry of the table
 * stands for four channels of the source, whose rows of the weight lie `ldw` bytes apart. Otherwise
 * as in tiles.ts, and with the same order of sums.
 */

/** 4 rows × 8 columns. */
export function quadTile8(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
): void {
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  let b0 = a0
  let b1 = a1
  let c0 = a0
  let c1 = a1
  let d0 = a0
  let d1 = a1
  for (; taps < end; taps += 8) {
    const xa = x + <usize>load<u32>(taps)
    const xb = xa + ldx
    const xc = xb + ldx
    const xd = xc + ldx
    let k = w + <usize>load<u32>(taps, 4)
    let w0 = v128.load(k)
    let w1 = v128.load(k, 16)
    let s = v128.load32_splat(xa)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    s = v128.load32_splat(xb)
    b0 = f32x4.add(b0, f32x4.mul(s, w0))
    b1 = f32x4.add(b1, f32x4.mul(s, w1))
    s = v128.load32_splat(xc)
    c0 = f32x4.add(c0, f32x4.mul(s, w0))
    c1 = f32x4.add(c1, f32x4.mul(s, w1))
    s = v128.load32_splat(xd)
    d0 = f32x4.add(d0, f32x4.mul(s, w0))
    d1 = f32x4.add(d1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 4)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    s = v128.load32_splat(xb, 4)
    b0 = f32x4.add(b0, f32x4.mul(s, w0))
    b1 = f32x4.add(b1, f32x4.mul(s, w1))
    s = v128.load32_splat(xc, 4)
    c0 = f32x4.add(c0, f32x4.mul(s, w0))
    c1 = f32x4.add(c1, f32x4.mul(s, w1))
    s = v128.load32_splat(xd, 4)
    d0 = f32x4.add(d0, f32x4.mul(s, w0))
    d1 = f32x4.add(d1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 8)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    s = v128.load32_splat(xb, 8)
    b0 = f32x4.add(b0, f32x4.mul(s, w0))
    b1 = f32x4.add(b1, f32x4.mul(s, w1))
    s = v128.load32_splat(xc, 8)
    c0 = f32x4.add(c0, f32x4.mul(s, w0))
    c1 = f32x4.add(c1, f32x4.mul(s, w1))
    s = v128.load32_splat(xd, 8)
    d0 = f32x4.add(d0, f32x4.mul(s, w0))
    d1 = f32x4.add(d1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 12)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    s = v128.load32_splat(xb, 12)
    b0 = f32x4.add(b0, f32x4.mul(s, w0))
    b1 = f32x4.add(b1, f32x4.mul(s, w1))
    s = v128.load32_splat(xc, 12)
    c0 = f32x4.add(c0, f32x4.mul(s, w0))
    c1 = f32x4.add(c1, f32x4.mul(s, w1))
    s = v128.load32_splat(xd, 12)
    d0 = f32x4.add(d0, f32x4.mul(s, w0))
    d1 = f32x4.add(d1, f32x4.mul(s, w1))
  }
  v128.store(out, a0)
  v128.store(out, a1, 16)
  out += ldo
  v128.store(out, b0)
  v128.store(out, b1, 16)
  out += ldo
  v128.store(out, c0)
  v128.store(out, c1, 16)
  out += ldo
  v128.store(out, d0)
  v128.store(out, d1, 16)
}

/** 4 rows × 4 columns. */
export function quadTile4(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
): void {
  let a = v128.load(bias)
  let b = a
  let c = a
  let d = a
  for (; taps < end; taps += 8) {
    const xa = x + <usize>load<u32>(taps)
    const xb = xa + ldx
    const xc = xb + ldx
    const xd = xc + ldx
    let k = w + <usize>load<u32>(taps, 4)
    let w0 = v128.load(k)
    let s = v128.load32_splat(xa)
    a = f32x4.add(a, f32x4.mul(s, w0))
    s = v128.load32_splat(xb)
    b = f32x4.add(b, f32x4.mul(s, w0))
    s = v128.load32_splat(xc)
    c = f32x4.add(c, f32x4.mul(s, w0))
    s = v128.load32_splat(xd)
    d = f32x4.add(d, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 4)
    a = f32x4.add(a, f32x4.mul(s, w0))
    s = v128.load32_splat(xb, 4)
    b = f32x4.add(b, f32x4.mul(s, w0))
    s = v128.load32_splat(xc, 4)
    c = f32x4.add(c, f32x4.mul(s, w0))
    s = v128.load32_splat(xd, 4)
    d = f32x4.add(d, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 8)
    a = f32x4.add(a, f32x4.mul(s, w0))
    s = v128.load32_splat(xb, 8)
    b = f32x4.add(b, f32x4.mul(s, w0))
    s = v128.load32_splat(xc, 8)
    c = f32x4.add(c, f32x4.mul(s, w0))
    s = v128.load32_splat(xd, 8)
    d = f32x4.add(d, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 12)
    a = f32x4.add(a, f32x4.mul(s, w0))
    s = v128.load32_splat(xb, 12)
    b = f32x4.add(b, f32x4.mul(s, w0))
    s = v128.load32_splat(xc, 12)
    c = f32x4.add(c, f32x4.mul(s, w0))
    s = v128.load32_splat(xd, 12)
    d = f32x4.add(d, f32x4.mul(s, w0))
  }
  v128.store(out, a)
  out += ldo
  v128.store(out, b)
  out += ldo
  v128.store(out, c)
  out += ldo
  v128.store(out, d)
}

/** 1 row × 8 columns. */
export function quadRow8(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
): void {
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  for (; taps < end; taps += 8) {
    const xa = x + <usize>load<u32>(taps)
    let k = w + <usize>load<u32>(taps, 4)
    let w0 = v128.load(k)
    let w1 = v128.load(k, 16)
    let s = v128.load32_splat(xa)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 4)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 8)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
    k += ldw
    w0 = v128.load(k)
    w1 = v128.load(k, 16)
    s = v128.load32_splat(xa, 12)
    a0 = f32x4.add(a0, f32x4.mul(s, w0))
    a1 = f32x4.add(a1, f32x4.mul(s, w1))
  }
  v128.store(out, a0)
  v128.store(out, a1, 16)
}

/** 1 row × 4 columns. */
export function quadRow4(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
): void {
  let a = v128.load(bias)
  for (; taps < end; taps += 8) {
    const xa = x + <usize>load<u32>(taps)
    let k = w + <usize>load<u32>(taps, 4)
    let w0 = v128.load(k)
    let s = v128.load32_splat(xa)
    a = f32x4.add(a, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 4)
    a = f32x4.add(a, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 8)
    a = f32x4.add(a, f32x4.mul(s, w0))
    k += ldw
    w0 = v128.load(k)
    s = v128.load32_splat(xa, 12)
    a = f32x4.add(a, f32x4.mul(s, w0))
  }
  v128.store(out, a)
}
