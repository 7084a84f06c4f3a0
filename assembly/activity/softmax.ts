/** Softmax along one axis of a value. */

import { exponential } from '../base/math'
import { endOf } from '../base/units'
import { SoftmaxRecord } from '../generated/records'

/**
 * Out = e^(In − max) / Σ e^(In − max) of each line; padded channels are 0. Unit = perUnit blocks of
 * lines. Scratch: none.
 */
export function softmax(rec: SoftmaxRecord, unit: i32, t: i32, scratch: usize): void {
  const end = endOf(rec.blocks, rec.perUnit, unit)
  for (let block = unit * rec.perUnit; block < end; block++) {
    const at = <usize>block * rec.blockBytes
    memory.fill(rec.out + at, 0, rec.blockBytes)
    for (let line = 0; line < rec.lines; line++) {
      const first = at + ((<usize>line) << 2)
      if (line % rec.stored < rec.channels)
        softmaxLine(rec.out + first, rec.in + first, rec.bytes, rec.stride)
    }
  }
}

/** Sums in float64. */
export function softmaxLine(out: usize, input: usize, bytes: usize, stride: usize): void {
  let most = load<f32>(input)
  for (let i: usize = 0; i < bytes; i += stride) most = max(most, load<f32>(input + i))
  let sum: f64 = 0
  for (let i: usize = 0; i < bytes; i += stride) {
    const power = exponential(<f64>load<f32>(input + i) - <f64>most)
    sum += power
    store<f32>(out + i, <f32>power)
  }
  for (let i: usize = 0; i < bytes; i += stride)
    store<f32>(out + i, <f32>(<f64>load<f32>(out + i) / sum))
}
