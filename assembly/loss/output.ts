/** What a network gives: the mean of its output over time, and the predicted classes. */

import { OutputRecord } from '../generated/records'
import { Control } from '../opcodes'

/**
 * Out [B][C] = the call's share of the mean over time, += at t > 0: each step's logits divided by
 * totalSteps, added up in float64 within a call and in float32 from call to call. Predictions [B] =
 * the class of the greatest output so far, the first of equals. StepOutputs [B][OutputSteps][C] =
 * the logits of the call's steps. One unit. Scratch: none.
 *
 *   logits  float32 [images][T][C], or [images][C] when they are the same at every step; the first
 *           Classes of the C channels are real
 *
 * Image i of the run is image Control.FirstImage + i of the batch.
 */
export function output(rec: OutputRecord, unit: i32, t: i32, scratch: usize): void {
  const images = rec.images
  const channels = rec.channels
  const steps = <u32>rec.steps
  const stepBytes = rec.stepBytes
  const imageBytes = stepBytes ? stepBytes * steps : channels << 2
  const total = <f64>(<u32>rec.totalSteps)
  const first = load<i32>(Control.FirstImage)
  for (let image = 0; image < images; image++) {
    const logits = rec.logits + <usize>image * imageBytes
    const at = <usize>(first + image)
    const out = rec.out + ((at * channels) << 2)
    for (let c: usize = 0; c < channels; c++) {
      let sum: f64 = 0
      for (let step: u32 = 0; step < steps; step++)
        sum += <f64>load<f32>(logits + <usize>step * stepBytes + (c << 2))
      const before = t > 0 ? <f64>load<f32>(out + (c << 2)) : 0
      store<f32>(out + (c << 2), <f32>(before + sum / total))
    }
    const each = rec.stepOutputs
    const row = at * rec.outputSteps + <usize>t
    if (each) copySteps(each + ((row * channels) << 2), logits, steps, stepBytes, channels << 2)
    const predictions = rec.predictions
    store<u32>(predictions + (at << 2), greatest(out, <u32>rec.classes))
  }
}

/** Copies a call's logits of an image, one row of `bytes` for each step. */
function copySteps(out: usize, logits: usize, steps: u32, stepBytes: usize, bytes: usize): void {
  for (let step: usize = 0; step < steps; step++)
    memory.copy(out + step * bytes, logits + step * stepBytes, bytes)
}

/** Index of the greatest of `count` float32, the first of equals. */
export function greatest(values: usize, count: u32): u32 {
  let best: u32 = 0
  for (let c: u32 = 1; c < count; c++) {
    const value = load<f32>(values + ((<usize>c) << 2))
    if (value > load<f32>(values + ((<usize>best) << 2))) best = c
  }
  return best
}
