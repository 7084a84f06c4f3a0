/** Images of another size: each pixel is a sum of some pixels, by a table for each axis. */

import { addScaledRow } from '../activity/rows'
import { endOf } from '../base/units'
import { ResampleRecord } from '../generated/records'

/** Bytes of a table's entry: the place that is read, u32, and its factor, f32. */
const ENTRY: usize = 8

/**
 * Out[y][x] = Σ over entries (i, a) of row y, (j, b) of column x of a·b · In[i][j], for each row
 * (t, c). A table begins with u32 [places + 1], where the entries of each place of Out begin in
 * bytes from the table's own beginning; the entries follow. Out is written. Unit = pixelsPerUnit
 * pixels of Out. Scratch: none.
 */
export function resample(rec: ResampleRecord, unit: i32, t: i32, scratch: usize): void {
  const bytes = (<usize>(rec.channels * rec.steps)) << 2
  const toH = rec.outH
  const toW = rec.outW
  const rows = rec.rows
  const columns = rec.columns
  const per = rec.pixelsPerUnit
  const end = endOf(rec.images * toH * toW, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / toW
    const row = rows + ((<usize>(line % toH)) << 2)
    const column = columns + ((<usize>(pixel % toW)) << 2)
    const firstLine = (line / toH) * rec.inH
    const out = rec.out + <usize>pixel * bytes
    memory.fill(out, 0, bytes)
    const rowEnd = rows + <usize>load<u32>(row, 4)
    const columnEnd = columns + <usize>load<u32>(column, 4)
    for (let r = rows + <usize>load<u32>(row); r < rowEnd; r += ENTRY) {
      const from = rec.in + <usize>((firstLine + load<i32>(r)) * rec.inW) * bytes
      for (let c = columns + <usize>load<u32>(column); c < columnEnd; c += ENTRY) {
        const factor = load<f32>(r, 4) * load<f32>(c, 4)
        addScaledRow(out, from + <usize>load<u32>(c) * bytes, factor, bytes)
      }
    }
  }
}
