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

/** Tiles of 4 rows or of one, which needs neither `ldo` nor `ldx`, and N columns. */
// @ts-ignore: decorator
@variants('depthTile', [8], 4, true)
@variants('depthRow', [4, 8], 1, true)
@variants('groupTile', [4, 8], 4, false)
@variants('groupRow', [4, 8], 1, false)
export function tile(
  N: i32,
  rows: i32,
  depthwise: bool,
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  const n: unroll = N / 4
  const s = locals<v128>(rows * n)
  const weight = locals<v128>(n)
  for (let j: unroll = 0; j < n; j++) s[j] = v128.load(bias, 16 * j)
  for (let i: unroll = n; i < rows * n; i++) s[i] = s[i - n]
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
    let p = x + <usize>load<u32>(taps)
    const k = w + <usize>load<u32>(taps, 4)
    for (let j: unroll = 0; j < n; j++) weight[j] = v128.load(k, 16 * j)
    for (let i: unroll = 0; i < rows; i++) {
      if (i > 0) p += ldx
      const value = depthwise ? f32x4.splat(0) : v128.load32_splat(p)
      for (let j: unroll = 0; j < n; j++) {
        const input = depthwise ? v128.load(p, 16 * j) : value
        s[i * n + j] = f32x4.add(s[i * n + j], f32x4.mul(input, weight[j]))
      }
    }
  }
  for (let i: unroll = 0; i < rows; i++) {
    if (i > 0) out += ldo
    for (let j: unroll = 0; j < n; j++) v128.store(out, s[i * n + j], 16 * j)
  }
}

/**
 * The same for 4 columns and groups of whole vectors of channels: an entry of the table stands for
 * four channels of the source, whose rows of the weight lie `ldw` bytes apart.
 */
// @ts-ignore: decorator
@variants('quadTile4', 4)
@variants('quadRow4', 1)
export function quad(
  rows: i32,
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
  const s = locals<v128>(rows, v128.load(bias))
  const p = locals<usize>(rows)
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
    p[0] = x + <usize>load<u32>(taps)
    for (let i: unroll = 1; i < rows; i++) p[i] = p[i - 1] + ldx
    let k = w + <usize>load<u32>(taps, 4)
    for (let channel: unroll = 0; channel < 4; channel++) {
      if (channel > 0) k += ldw
      const weight = v128.load(k)
      for (let i: unroll = 0; i < rows; i++)
        s[i] = f32x4.add(s[i], f32x4.mul(v128.load32_splat(p[i], 4 * channel), weight))
    }
  }
  for (let i: unroll = 0; i < rows; i++) {
    if (i > 0) out += ldo
    v128.store(out, s[i])
  }
}
