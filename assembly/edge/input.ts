/** Inputs of exported networks as hosts give them → as kernels read them. */

/**
 * to[P][T][C] = from[T][C][P], float32: channels last.
 *
 * from may not overlap to.
 */
export function edgeFloats(from: usize, to: usize, steps: i32, channels: i32, pixels: i32): void {
  for (let t = 0; t < steps; t++)
    for (let c = 0; c < channels; c++) {
      let out = to + ((<usize>(t * channels + c)) << 2)
      for (let p = 0; p < pixels; p++) {
        store<f32>(out, load<f32>(from))
        from += 4
        out += (<usize>(steps * channels)) << 2
      }
    }
}

/**
 * to[P][T][C] = (from[T][C][P] / 255 − mean[c]) / deviation[c], from bytes to float32. Computed in
 * float64, rounded once.
 */
export function edgeBytes(
  from: usize,
  to: usize,
  steps: i32,
  channels: i32,
  pixels: i32,
  mean: usize,
  deviation: usize,
): void {
  for (let t = 0; t < steps; t++)
    for (let c = 0; c < channels; c++) {
      const m = <f64>load<f32>(mean + ((<usize>c) << 2))
      const d = <f64>load<f32>(deviation + ((<usize>c) << 2))
      let out = to + ((<usize>(t * channels + c)) << 2)
      for (let p = 0; p < pixels; p++) {
        store<f32>(out, <f32>((<f64>load<u8>(from) / 255 - m) / d))
        from++
        out += (<usize>(steps * channels)) << 2
      }
    }
}
