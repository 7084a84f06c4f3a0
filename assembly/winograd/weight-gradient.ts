/** The operations of the gradient of the weight by Winograd. The equations are in sizes.ts. */

import { check } from '../base/check'
import { WinogradRecord } from '../generated/records'
import { winogradOuter } from './products'
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
  const h = rec.inH
  const w = rec.inW
  const cs = rec.inC
  const n = rec.outC
  const across = (w + 3) >> 2
  const steps = rec.steps
  const rows = rec.images * ((h + 3) >> 2) * steps
  const plane = rec.planeBytes
  const step = groupStep(rows * across)
  let dst = rec.scratch
  if (unit < rows) {
    dst += <usize>(unit * across) * GROUP_BYTES
    transformRow(dst, GROUP >> 2, step, plane, rec.in, h, w, cs, steps, true, unit, false, scratch)
  } else {
    unit -= rows
    dst += <usize>((cs + GROUP - 1) / GROUP) * step + <usize>(unit * across) * GROUP_BYTES
    transformRow(
      dst,
      GROUP >> 2,
      step,
      plane,
      rec.delta,
      h,
      w,
      n,
      steps,
      false,
      unit,
      false,
      scratch,
    )
  }
}

/**
 * m[plane][c][n] = or += Σ_s left[plane][s][c] right[plane][s][n], for `cs` × `ns` channels from
 * c0 and n0 on and `total` tiles. Groups of 16 channels are `step` bytes apart; rows of m have
 * nPerUnit floats.
 */
function multiplyGroups(
  m: usize,
  mPlane: usize,
  nPerUnit: i32,
  left: usize,
  right: usize,
  plane: usize,
  step: usize,
  c0: i32,
  cs: i32,
  n0: i32,
  ns: i32,
  total: i32,
  add: bool,
): void {
  const mRow = (<usize>nPerUnit) << 2
  for (let p: usize = 0; p < PLANES; p++) {
    for (let first = 0; first < total; first += DEPTH) {
      const from = p * plane + <usize>first * GROUP_BYTES
      for (let c = c0; c < c0 + cs; c += GROUP) {
        const a = left + from + <usize>(c / GROUP) * step + ((<usize>(c % GROUP)) << 2)
        for (let n = n0; n < n0 + ns; n += BLOCK) {
          const b = right + from + <usize>(n / GROUP) * step + ((<usize>(n % GROUP)) << 2)
          const out = m + p * mPlane + <usize>(c - c0) * mRow + ((<usize>(n - n0)) << 2)
          winogradOuter(
            out,
            mRow,
            a,
            b,
            min(DEPTH, total - first),
            min(GROUP, c0 + cs - c),
            add || first > 0,
          )
        }
      }
    }
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
  const h = rec.inH
  const w = rec.inW
  const cs = rec.inC
  const n = rec.outC
  const cPerUnit = rec.inCPerUnit
  const nPerUnit = rec.outCPerUnit
  const splits = rec.splits
  const across = (w + 3) >> 2
  const steps = rec.steps
  const rowsAll = rec.images * ((h + 3) >> 2) * steps
  const nUnits = splits ? 1 : (n + nPerUnit - 1) / nPerUnit
  const c0 = splits ? 0 : (unit / nUnits) * cPerUnit
  const n0 = splits ? 0 : (unit % nUnits) * nPerUnit
  const cCount = min(cPerUnit, cs - c0)
  const nCount = min(nPerUnit, n - n0)
  check(cCount > 0 && nCount > 0 && (cPerUnit & 3) == 0 && (nPerUnit & 7) == 0)

  const mRow = (<usize>nPerUnit) << 2
  const mPlane = mRow * <usize>cPerUnit + PLANE_PADDING
  const m = scratch
  const line = m + mPlane * PLANES
  const leftGroups = <usize>((cs + GROUP - 1) / GROUP)
  let out = rec.out
  if (splits) {
    const rowsPerUnit = rec.rowsPerUnit
    const step = groupStep(rowsPerUnit * across)
    const plane = (leftGroups + <usize>((n + GROUP - 1) / GROUP)) * step + PLANE_PADDING
    const left = line + TRANSFORM_BYTES
    const right = left + leftGroups * step
    const work = left + plane * PLANES
    const first = <i32>((<i64>rowsAll * unit) / splits)
    const last = <i32>((<i64>rowsAll * (unit + 1)) / splits)
    for (let row = first; row < last; row += rowsPerUnit) {
      const rows = min(rowsPerUnit, last - row)
      for (let i = 0; i < rows; i++) {
        const at = <usize>(i * across) * GROUP_BYTES
        transformRow(
          left + at,
          GROUP >> 2,
          step,
          plane,
          rec.in,
          h,
          w,
          cs,
          steps,
          true,
          row + i,
          i == 0,
          work,
        )
        transformRow(
          right + at,
          GROUP >> 2,
          step,
          plane,
          rec.delta,
          h,
          w,
          n,
          steps,
          false,
          row + i,
          i == 0,
          work,
        )
      }
      multiplyGroups(
        m,
        mPlane,
        nPerUnit,
        left,
        right,
        plane,
        step,
        c0,
        cCount,
        n0,
        nCount,
        rows * across,
        row > first,
      )
    }
    out = rec.partial + <usize>(unit * rec.kRows) * ((<usize>n) << 2)
  } else {
    const step = groupStep(rowsAll * across)
    const left = rec.scratch
    multiplyGroups(
      m,
      mPlane,
      nPerUnit,
      left,
      left + leftGroups * step,
      rec.planeBytes,
      step,
      c0,
      cCount,
      n0,
      nCount,
      rowsAll * across,
      false,
    )
  }

  const width = rec.blockWidth
  const rows = rec.kRows
  const rowBytes = (<usize>width) << 2
  const scale = rec.scale
  const accumulate = !splits && rec.accumulate != 0
  const run = min(width, nPerUnit)
  for (let i = 0; i < nCount; i += run) {
    const block =
      out + <usize>(((n0 + i) / width) * rows) * rowBytes + ((<usize>((n0 + i) % width)) << 2)
    for (let j = 0; j < cCount; j++) {
      winogradGradient(
        block + <usize>(c0 + j) * rowBytes,
        <usize>cs * rowBytes,
        m + <usize>j * mRow + ((<usize>i) << 2),
        mPlane,
        scale,
        accumulate,
        min(run, nCount - i) >> 2,
        line,
      )
    }
    if (c0 + cCount == cs) {
      for (let k = 9 * cs; k < rows; k++)
        clear(block + <usize>k * rowBytes, (<usize>min(run, nCount - i)) << 2)
    }
  }
}
