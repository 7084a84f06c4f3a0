/** Sums over time, sums of scalars, and clearing. */

import { endOf } from '../base/units'
import { ClearRecord, SumScalarsRecord, TimeSumRecord } from '../generated/records'

/**
 * Out[P][C] = Σ_t In[P][T][C], with Loop += at steps t > 0 of an outer loop: a current's sum, or
 * the gradient of one that is the same at every step. Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function timeSum(rec: TimeSumRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels << 2
  const T = rec.steps
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  const add = rec.loop != 0 && t > 0
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c: usize = 0; c < C; c += 16) {
      let src = rec.in + <usize>(pixel * T) * C + c
      let sum = f32x4.splat(0)
      for (let step = 0; step < T; step++) {
        sum = f32x4.add(sum, v128.load(src))
        src += C
      }
      const out = rec.out + <usize>pixel * C + c
      v128.store(out, add ? f32x4.add(v128.load(out), sum) : sum)
    }
}

/** Out[i] = 0. Unit = perUnit of Floats floats (a multiple of 4). Scratch: none. */
export function clear(rec: ClearRecord, unit: i32, t: i32, scratch: usize): void {
  const per = rec.perUnit
  const count = min(per, rec.floats - unit * per)
  memory.fill(rec.out + ((<usize>(unit * per)) << 2), 0, (<usize>count) << 2)
}

/** Out[0] = Σ In[0 … Count − 1], in order, in float64. One unit. Scratch: none. */
export function sumScalars(rec: SumScalarsRecord, unit: i32, t: i32, scratch: usize): void {
  let sum: f64 = 0
  for (let i = 0; i < rec.count; i++) sum += load<f32>(rec.in + ((<usize>i) << 2))
  store<f32>(rec.out, <f32>sum)
}
