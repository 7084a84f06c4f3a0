/** What a network gives: the mean of its output over time, and the predicted classes. */

import { Control, OutputWord } from '../opcodes'

/**
 * Out [B][C] = the call's share of the mean over time, += at t > 0: each step's logits divided by
 * TotalSteps, added up in float64 within a call and in float32 from call to call. Predictions [B] =
 * the class of the greatest output so far, the first of equals. One unit. Scratch: none.
 *
 *   logits  float32 [images][T][C], or [images][C] when they are the same at every step; the first
 *           Classes of the C channels are real
 *
 * Image i of the run is image Control.FirstImage + i of the batch.
 */
export function output(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const images = load<i32>(rec, OutputWord.Images * 4)
  const channels = <usize>load<u32>(rec, OutputWord.C * 4)
  const steps = load<u32>(rec, OutputWord.T * 4)
  const stepBytes = <usize>load<u32>(rec, OutputWord.StepBytes * 4)
  const imageBytes = stepBytes ? stepBytes * steps : channels << 2
  const total = <f64>load<u32>(rec, OutputWord.TotalSteps * 4)
  const first = load<i32>(Control.FirstImage)
  for (let image = 0; image < images; image++) {
    const logits = <usize>load<u32>(rec, OutputWord.Logits * 4) + <usize>image * imageBytes
    const at = <usize>(first + image)
    const out = <usize>load<u32>(rec, OutputWord.Out * 4) + ((at * channels) << 2)
    for (let c: usize = 0; c < channels; c++) {
      let sum: f64 = 0
      for (let step: u32 = 0; step < steps; step++)
        sum += <f64>load<f32>(logits + <usize>step * stepBytes + (c << 2))
      const before = t > 0 ? <f64>load<f32>(out + (c << 2)) : 0
      store<f32>(out + (c << 2), <f32>(before + sum / total))
    }
    const predictions = <usize>load<u32>(rec, OutputWord.Predictions * 4)
    store<u32>(predictions + (at << 2), greatest(out, load<u32>(rec, OutputWord.Classes * 4)))
  }
}

/** Index of the greatest of `count` float32, the first of equals. */
function greatest(values: usize, count: u32): u32 {
  let best: u32 = 0
  for (let c: u32 = 1; c < count; c++) {
    const value = load<f32>(values + ((<usize>c) << 2))
    if (value > load<f32>(values + ((<usize>best) << 2))) best = c
  }
  return best
}
