/** The operations of the gradient of the weight by Winograd. The equations are in sizes.ts. */

import { check } from '../base/check'
import { WinogradRecord } from '../generated/records'
import { winogradOuter, winogradOuters } from './products'
import {
  BLOCK,
  DEPTH,
  GROUP,
  GROUP_BYTES,
  PADDING,
  PLANE_PADDING,
  PLANES,
  TRANSFORM_BYTES,
} from './sizes'
import { clear, transformRow, winogradGradient } from './transforms'

/** Bytes from one group of channels to the next in a plane of the weight gradient. */
// @ts-ignore: decorator
@inline
function groupStep(total: i32): usize {
  return <usize>total * GROUP_BYTES + PADDING
}

/**
 * The two factors of the weight gradient, Bᵀ r B and G' δ G'ᵀ, in groups of channels that the
 * products read in order.
 *
 * In [B][H][W][T][C], Delta [B][H][W][T][N] → Scratch [36 planes][⌈C/16⌉ + ⌈N/16⌉ groups][S][16],
 * written, with 64 bytes behind each group; what is behind C and N stays as it is. Unit = one tile
 * row (image, row, t; t runs fastest) of In, and after those one of Delta. Worker scratch: 640 +
 * 24·T·max(C, N) bytes.
 */
export function winogradWeightTransform(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const across = (rec.inW + 3) >> 2
  const rows = rowsOf(rec)
  const step = groupStep(rows * across)
  const isInput = unit < rows
  const row = isInput ? unit : unit - rows
  const group: usize = isInput ? 0 : groupsOf(rec.inC)
  const dst = rec.scratch + group * step + <usize>(row * across) * GROUP_BYTES
  transformSide(rec, dst, step, rec.planeBytes, isInput, row, false, scratch)
}

/** Tile rows of a tensor: (image, row, t). */
// @ts-ignore: decorator
@inline
function rowsOf(rec: WinogradRecord): i32 {
  return rec.images * ((rec.inH + 3) >> 2) * rec.steps
}

// @ts-ignore: decorator
@inline
function groupsOf(channels: i32): usize {
  return <usize>((channels + GROUP - 1) / GROUP)
}

/** One tile row of In, or of Delta. */
function transformSide(
  rec: WinogradRecord,
  dst: usize,
  step: usize,
  plane: usize,
  isInput: bool,
  row: i32,
  first: bool,
  scratch: usize,
): void {
  const tensor = isInput ? rec.in : rec.delta
  const channels = isInput ? rec.inC : rec.outC
  const h = rec.inH
  const w = rec.inW
  const t = rec.steps
  const group = GROUP >> 2
  transformRow(dst, group, step, plane, tensor, h, w, channels, t, isInput, row, first, scratch)
}

// --- The products, m [36 planes][inCPerUnit][outCPerUnit]. ---

// @ts-ignore: decorator
@inline
function mRowBytes(rec: WinogradRecord): usize {
  return (<usize>rec.outCPerUnit) << 2
}

// @ts-ignore: decorator
@inline
function mPlaneBytes(rec: WinogradRecord): usize {
  return mRowBytes(rec) * <usize>rec.inCPerUnit + PLANE_PADDING
}

/**
 * m[plane][c][n] = or += Σ_s left[plane][s][c] right[plane][s][n], for the unit's channels from c0
 * and n0 on and `total` tiles. Groups of 16 channels are `step` bytes apart.
 */
function multiplyGroups(
  rec: WinogradRecord,
  m: usize,
  left: usize,
  plane: usize,
  step: usize,
  c0: i32,
  n0: i32,
  total: i32,
  add: bool,
): void {
  const cEnd = min(c0 + rec.inCPerUnit, rec.inC)
  const nEnd = min(n0 + rec.outCPerUnit, rec.outC)
  const right = left + groupsOf(rec.inC) * step
  const mRow = mRowBytes(rec)
  const mPlane = mPlaneBytes(rec)
  for (let p: usize = 0; p < PLANES; p++) {
    for (let first = 0; first < total; first += DEPTH) {
      const from = p * plane + <usize>first * GROUP_BYTES
      const depth = min(DEPTH, total - first)
      for (let c = c0; c < cEnd; c += GROUP) {
        const a = left + from + <usize>(c / GROUP) * step + ((<usize>(c % GROUP)) << 2)
        for (let n = n0; n < nEnd; n += BLOCK) {
          const b = right + from + <usize>(n / GROUP) * step + ((<usize>(n % GROUP)) << 2)
          const out = m + p * mPlane + <usize>(c - c0) * mRow + ((<usize>(n - n0)) << 2)
          const count = min(GROUP, cEnd - c)
          if (WIDE && n + BLOCK < nEnd) {
            winogradOuters(out, mRow, a, b, depth, count, add || first > 0)
            n += BLOCK
          } else winogradOuter(out, mRow, a, b, depth, count, add || first > 0)
        }
      }
    }
  }
}

/** m of one of Splits runs of tile rows, which are transformed here. */
function multiplySplit(rec: WinogradRecord, unit: i32, m: usize, left: usize): void {
  const rowsAll = rowsOf(rec)
  const splits = rec.splits
  const across = (rec.inW + 3) >> 2
  const rowsPerUnit = rec.rowsPerUnit
  const step = groupStep(rowsPerUnit * across)
  const leftBytes = groupsOf(rec.inC) * step
  const plane = leftBytes + groupsOf(rec.outC) * step + PLANE_PADDING
  const work = left + plane * PLANES
  const first = <i32>((<i64>rowsAll * unit) / splits)
  const last = <i32>((<i64>rowsAll * (unit + 1)) / splits)
  for (let row = first; row < last; row += rowsPerUnit) {
    const rows = min(rowsPerUnit, last - row)
    for (let i = 0; i < rows; i++) {
      const at = left + <usize>(i * across) * GROUP_BYTES
      transformSide(rec, at, step, plane, true, row + i, i == 0, work)
      transformSide(rec, at + leftBytes, step, plane, false, row + i, i == 0, work)
    }
    multiplyGroups(rec, m, left, plane, step, 0, 0, rows * across, row > first)
  }
}

/** The unit's part of the gradient from m, in the layout of the weight. */
function storeGradient(
  rec: WinogradRecord,
  out: usize,
  c0: i32,
  n0: i32,
  m: usize,
  line: usize,
  accumulate: bool,
): void {
  const cs = rec.inC
  const cEnd = min(c0 + rec.inCPerUnit, cs)
  const nEnd = min(n0 + rec.outCPerUnit, rec.outC)
  const width = rec.blockWidth
  const rows = rec.kRows
  const rowBytes = (<usize>width) << 2
  const mRow = mRowBytes(rec)
  const mPlane = mPlaneBytes(rec)
  const scale = rec.scale
  const run = min(width, rec.outCPerUnit)
  for (let n = n0; n < nEnd; n += run) {
    const block = out + <usize>((n / width) * rows) * rowBytes + ((<usize>(n % width)) << 2)
    const count = min(run, nEnd - n)
    let src = m + ((<usize>(n - n0)) << 2)
    for (let c = c0; c < cEnd; c++) {
      const dst = block + <usize>c * rowBytes
      const tapBytes = <usize>cs * rowBytes
      winogradGradient(dst, tapBytes, src, mPlane, scale, accumulate, count >> 2, line)
      src += mRow
    }
    if (cEnd == cs)
      for (let k = 9 * cs; k < rows; k++) clear(block + <usize>k * rowBytes, (<usize>count) << 2)
  }
}

/**
 * dW[n, c, ky, kx] = Scale · Σ_{b, y, x, t} δ[b, y, x, t, n] · r[b, y + ky − 1, x + kx − 1, t, c]
 *
 * in the layout of the weight, [N/blockWidth][kRows][blockWidth]; rows from 9·C on become zero.
 * The sum runs over the tiles in order.
 *
 *   Splits = 0   Scratch (of WinogradWeightTransform) → Out, written, with Accumulate +=. Unit =
 *                (inCPerUnit input channels, outCPerUnit output channels), output channels faster.
 *   Splits > 0   for few channels: In, Delta → Partial [Splits][kRows·N], written; `reduceSplits`
 *                sums it. Unit = one of Splits runs of tile rows, all channels. rowsPerUnit tile
 *                rows are transformed at a time; inCPerUnit ≥ C and outCPerUnit ≥ N.
 *
 * inCPerUnit is 4, 8 or a multiple of 16, outCPerUnit a multiple of 8. Worker scratch:
 * 36·(4·inCPerUnit·outCPerUnit + 192) + 576 bytes, and with Splits another 36·(64·G·(P + 1) + 192)
 * + 640 + 24·T·max(C, N), where G = ⌈C/16⌉ + ⌈N/16⌉ and P = rowsPerUnit·⌈W/4⌉.
 */
export function winogradWeightGradient(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const splits = rec.splits
  const nUnits = splits ? 1 : (rec.outC + rec.outCPerUnit - 1) / rec.outCPerUnit
  const c0 = splits ? 0 : (unit / nUnits) * rec.inCPerUnit
  const n0 = splits ? 0 : (unit % nUnits) * rec.outCPerUnit
  check(c0 < rec.inC && n0 < rec.outC && (rec.inCPerUnit & 3) == 0 && (rec.outCPerUnit & 7) == 0)
  const line = scratch + mPlaneBytes(rec) * PLANES
  let out = rec.out
  if (splits) {
    multiplySplit(rec, unit, scratch, line + TRANSFORM_BYTES)
    out = rec.partial + <usize>(unit * rec.kRows) * ((<usize>rec.outC) << 2)
  } else {
    const total = rowsOf(rec) * ((rec.inW + 3) >> 2)
    multiplyGroups(
      rec,
      scratch,
      rec.scratch,
      rec.planeBytes,
      groupStep(total),
      c0,
      n0,
      total,
      false,
    )
  }
  storeGradient(rec, out, c0, n0, scratch, line, !splits && rec.accumulate != 0)
}
