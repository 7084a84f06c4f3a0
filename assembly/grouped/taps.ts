/**
 * Which inputs each pixel of a result sees. The result is Out (forward) or the gradient of In
 * (`back`), the source is In or Delta. In a row of the result the pixels x = q + j·classes, for one
 * q, see the source at j·dx + a constant for each kernel column, so that all of them that see no
 * padding share one table.
 *
 *   forward: classes = 1, dx = strideW     back: classes = strideW, dx = 1
 */

import { apart } from '../conv/forward'
import { GroupedRecord } from '../generated/records'
import { Grouped } from '../opcodes'

/** Where there is no column. */
const NOWHERE: i32 = i32.MIN_VALUE

/** Bytes of a unit's scratch in front of the table: zeros, then an edge tile and its bias. */
export const TABLE: usize = <usize>Grouped.HeadBytes
export const EDGE: usize = 64
export const EDGE_BIAS: usize = 128

/** The source's column for kernel column kx, less j·dx; `NOWHERE` when there is none. */
export function columnOf(rec: GroupedRecord, back: bool, q: i32, kx: i32): i32 {
  const column = kx * apart(rec.dilationW) - rec.padW
  if (!back) return column
  const stride = rec.strideW
  const reach = q - column
  return reach % stride ? NOWHERE : reach / stride
}

/** The source's row for row y of the result and kernel row ky; negative when there is none. */
export function sourceRow(rec: GroupedRecord, back: bool, y: i32, ky: i32): i32 {
  const stride = rec.strideH
  const tap = ky * apart(rec.dilationH) - rec.padH
  const row = back ? y - tap : y * stride + tap
  if (!back) return row < rec.inH ? row : -1
  if (row < 0 || row % stride) return -1
  return row / stride < rec.outH ? row / stride : -1
}

/** The first j of `count` from which on no kernel column lies left of the source. */
export function insideFrom(rec: GroupedRecord, back: bool, q: i32, dx: i32, count: i32): i32 {
  const kernelW = rec.kernelW
  let first = 0
  for (let kx = 0; kx < kernelW; kx++) {
    const column = columnOf(rec, back, q, kx)
    if (column != NOWHERE && column < 0) first = max(first, (dx - 1 - column) / dx)
  }
  return min(first, count)
}

/** The j behind the last one for which no kernel column lies right of the source. */
export function insideTo(rec: GroupedRecord, back: bool, q: i32, dx: i32, count: i32): i32 {
  const kernelW = rec.kernelW
  const width = back ? rec.outW : rec.inW
  let end = count
  for (let kx = 0; kx < kernelW; kx++) {
    const column = columnOf(rec, back, q, kx)
    if (column == NOWHERE) continue
    end = min(end, column < width ? (width - 1 - column) / dx + 1 : 0)
  }
  return end
}

/**
 * Writes the table for pixel (y, q + j·classes): offsets from the source's pixel (0, j·dx), and of
 * the weight's rows, `depth` for each tap and `rowBytes` apart. Channels of the source lie
 * `channelBytes` apart. Returns the table's end.
 */
export function fillTaps(
  rec: GroupedRecord,
  table: usize,
  back: bool,
  y: i32,
  q: i32,
  j: i32,
  dx: i32,
  pixelBytes: usize,
  channelBytes: usize,
  depth: i32,
  rowBytes: usize,
): usize {
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const width = back ? rec.outW : rec.inW
  for (let ky = 0; ky < kernelH; ky++) {
    const row = sourceRow(rec, back, y, ky)
    if (row < 0) continue
    for (let kx = 0; kx < kernelW; kx++) {
      const column = columnOf(rec, back, q, kx)
      if (column == NOWHERE || <u32>(column + j * dx) >= <u32>width) continue
      let x = <usize>(row * width + column) * pixelBytes
      let w = <usize>((ky * kernelW + kx) * depth) * rowBytes
      for (let c = 0; c < depth; c++) {
        store<u32>(table, <u32>x)
        store<u32>(table, <u32>w, 4)
        x += channelBytes
        w += rowBytes
        table += 8
      }
    }
  }
  return table
}

/** Address of In at step t of an outer loop. */
export function groupedInput(rec: GroupedRecord, t: i32): usize {
  let input = rec.in
  if (rec.inIndirect) input = <usize>(load<u32>(input) + <u32>(rec.inIndirect - 1))
  return input + <usize>(t * rec.inLoopBytes)
}
