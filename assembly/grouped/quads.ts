/**
 * Leaves of the grouped convolutions for 4 columns and groups of whole vectors of channels: an
 * entry of the table stands for four channels of the source, whose rows of the weight lie `ldw`
 * bytes apart. Otherwise as in tiles.ts, and with the same order of sums.
 */

/** 4 rows. */
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
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
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

/** 1 row. */
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
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
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
