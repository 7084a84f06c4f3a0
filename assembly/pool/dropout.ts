/** Dropout of spikes and of floats. For floats it is its own backward. */

import { random64 } from '../base/random'
import { endOf } from '../base/units'
import { DropoutRecord } from '../generated/records'
import { Control } from '../opcodes'

/**
 * Does dropout keep neuron `index` of the batch? The answer is the same at every step, in the
 * backward pass and on every worker.
 */
// @ts-ignore: decorator
@inline
function kept(rec: DropoutRecord, index: usize): bool {
  const uniform =
    <f32>(random64(load<u32>(Control.Seed), rec.stream, <u64>index) >> 40) * (1.0 / 16777216.0)
  return uniform >= rec.probability
}

/**
 * Out and, where wanted, counts = the spikes of the kept neurons, none for the others. The factor
 * 1/(1 − p) is not applied here: the planner puts it into the scale of the consumers. Unit =
 * pixelsPerUnit pixels. Scratch: none.
 */
export function dropout(rec: DropoutRecord, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>rec.channels
  const planes = (rec.steps + 7) >> 3
  const per = rec.pixelsPerUnit
  const end = <usize>endOf(rec.pixels, per, unit) * C
  for (let i = <usize>(unit * per) * C; i < end; i++) {
    const keep: u32 = kept(rec, i) ? 255 : 0
    for (let plane: usize = 0; plane < <usize>planes; plane++)
      store<u8>(
        rec.out + plane * rec.planeBytes + i,
        load<u8>(rec.in + plane * rec.inPlaneBytes + i) & keep,
      )
    if (rec.counts) store<u8>(rec.counts + i, load<u8>(rec.inCounts + i) & keep)
  }
}

/**
 * Out [P][T][C] = In of the kept neurons, 0 for the others. Out may be In. Unit = pixelsPerUnit
 * pixels. Scratch: none.
 */
export function dropoutFloats(rec: DropoutRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const T = rec.steps
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c = 0; c < C; c++) {
      const keep = kept(rec, <usize>(pixel * C + c))
      for (let step = 0; step < T; step++) {
        const offset = (<usize>((pixel * T + step) * C + c)) << 2
        store<f32>(rec.out + offset, keep ? load<f32>(rec.in + offset) : 0)
      }
    }
}
