/**
 * Leaves of the grouped convolutions: tiles of rows × columns of sums over a table of taps.
 *
 * A table entry is 8 bytes: the offset of the input and that of the weight. `x` is the input of
 * the first row and the next row's lies `ldx` bytes further; `w` is the weight of the first column.
 *
 *   depth…: out[i][j] = bias[j] + Σ_taps x[i][tap][j] · w[tap][j]   a channel is its own group
 *   group…: out[i][j] = bias[j] + Σ_k x[i][k] · w[k][j]             k = (tap, channel of the group)
 *
 * Sums run in the order of the table. Out is written.
 */

/** 4 rows × 8 channels. */
export function depthTile8(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
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
    let p = x + <usize>load<u32>(taps)
    const k = w + <usize>load<u32>(taps, 4)
    const w0 = v128.load(k)
    const w1 = v128.load(k, 16)
    a0 = f32x4.add(a0, f32x4.mul(v128.load(p), w0))
    a1 = f32x4.add(a1, f32x4.mul(v128.load(p, 16), w1))
    p += ldx
    b0 = f32x4.add(b0, f32x4.mul(v128.load(p), w0))
    b1 = f32x4.add(b1, f32x4.mul(v128.load(p, 16), w1))
    p += ldx
    c0 = f32x4.add(c0, f32x4.mul(v128.load(p), w0))
    c1 = f32x4.add(c1, f32x4.mul(v128.load(p, 16), w1))
    p += ldx
    d0 = f32x4.add(d0, f32x4.mul(v128.load(p), w0))
    d1 = f32x4.add(d1, f32x4.mul(v128.load(p, 16), w1))
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

/** 1 row × 4 channels. */
export function depthRow4(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  let a = v128.load(bias)
  for (; taps < end; taps += 8)
    a = f32x4.add(
      a,
      f32x4.mul(v128.load(x + <usize>load<u32>(taps)), v128.load(w + <usize>load<u32>(taps, 4))),
    )
  v128.store(out, a)
}

/** 1 row × 8 channels. */
export function depthRow8(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  for (; taps < end; taps += 8) {
    const p = x + <usize>load<u32>(taps)
    const k = w + <usize>load<u32>(taps, 4)
    a0 = f32x4.add(a0, f32x4.mul(v128.load(p), v128.load(k)))
    a1 = f32x4.add(a1, f32x4.mul(v128.load(p, 16), v128.load(k, 16)))
  }
  v128.store(out, a0)
  v128.store(out, a1, 16)
}

/** 4 rows × 8 columns. */
export function groupTile8(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
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
    let p = x + <usize>load<u32>(taps)
    const k = w + <usize>load<u32>(taps, 4)
    const w0 = v128.load(k)
    const w1 = v128.load(k, 16)
    const xa = v128.load32_splat(p)
    a0 = f32x4.add(a0, f32x4.mul(xa, w0))
    a1 = f32x4.add(a1, f32x4.mul(xa, w1))
    p += ldx
    const xb = v128.load32_splat(p)
    b0 = f32x4.add(b0, f32x4.mul(xb, w0))
    b1 = f32x4.add(b1, f32x4.mul(xb, w1))
    p += ldx
    const xc = v128.load32_splat(p)
    c0 = f32x4.add(c0, f32x4.mul(xc, w0))
    c1 = f32x4.add(c1, f32x4.mul(xc, w1))
    p += ldx
    const xd = v128.load32_splat(p)
    d0 = f32x4.add(d0, f32x4.mul(xd, w0))
    d1 = f32x4.add(d1, f32x4.mul(xd, w1))
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
export function groupTile4(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  let a = v128.load(bias)
  let b = a
  let c = a
  let d = a
  for (; taps < end; taps += 8) {
    let p = x + <usize>load<u32>(taps)
    const k = v128.load(w + <usize>load<u32>(taps, 4))
    a = f32x4.add(a, f32x4.mul(v128.load32_splat(p), k))
    p += ldx
    b = f32x4.add(b, f32x4.mul(v128.load32_splat(p), k))
    p += ldx
    c = f32x4.add(c, f32x4.mul(v128.load32_splat(p), k))
    p += ldx
    d = f32x4.add(d, f32x4.mul(v128.load32_splat(p), k))
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
export function groupRow8(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  for (; taps < end; taps += 8) {
    const p = v128.load32_splat(x + <usize>load<u32>(taps))
    const k = w + <usize>load<u32>(taps, 4)
    a0 = f32x4.add(a0, f32x4.mul(p, v128.load(k)))
    a1 = f32x4.add(a1, f32x4.mul(p, v128.load(k, 16)))
  }
  v128.store(out, a0)
  v128.store(out, a1, 16)
}

/** 1 row × 4 columns. */
export function groupRow4(
  out: usize,
  x: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  let a = v128.load(bias)
  for (; taps < end; taps += 8)
    a = f32x4.add(
      a,
      f32x4.mul(
        v128.load32_splat(x + <usize>load<u32>(taps)),
        v128.load(w + <usize>load<u32>(taps, 4)),
      ),
    )
  v128.store(out, a)
}
