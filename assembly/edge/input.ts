/** Inputs of exported networks as hosts give them → as kernels read them. */

/**
 * to[B][P][T][C] = from[B][T][C][P], float32: channels last.
 *
 * from may not overlap to.
 */
export function edgeFloats(
  from: usize,
  to: usize,
  images: i32,
  steps: i32,
  channels: i32,
  pixels: i32,
): void {
  const pixel = (<usize>(steps * channels)) << 2
  for (; images > 0; images--) {
    for (let first: usize = 0; first < pixel; first += 4) {
      let out = to + first
      for (let p = 0; p < pixels; p++) {
        store<f32>(out, load<f32>(from))
        from += 4
        out += pixel
      }
    }
    to += pixel * pixels
  }
}

/**
 * to[B][P][T][C] = (from[B][T][C][P] / 255 − mean[c]) / deviation[c], from bytes to float32.
 * Computed in float64, rounded once.
 */
export function edgeBytes(
  from: usize,
  to: usize,
  images: i32,
  steps: i32,
  channels: i32,
  pixels: i32,
  mean: usize,
  deviation: usize,
): void {
  const pixel = (<usize>(steps * channels)) << 2
  for (; images > 0; images--) {
    for (let first: usize = 0; first < pixel; first += 4) {
      const channel = first % ((<usize>channels) << 2)
      const m = <f64>load<f32>(mean + channel)
      const d = <f64>load<f32>(deviation + channel)
      let out = to + first
      for (let p = 0; p < pixels; p++) {
        store<f32>(out, <f32>((<f64>load<u8>(from) / 255 - m) / d))
        from++
        out += pixel
      }
    }
    to += pixel * pixels
  }
}
