/**
 * A sample as the engine reads it. Outside of the engine a sample is [C][H][W], or [T][C][H][W] of
 * frames: planes, one after another. In a slot the planes of a pixel lie beside each other,
 * [H][W][T][C].
 *
 * out[at + p · planes + k] = x[from + k · pixels + p]
 */
export function pixelsFirst(
  out: Float32Array,
  at: number,
  x: ArrayLike<number>,
  from: number,
  planes: number,
  pixels: number,
): void {
  if (planes === 3) {
    for (let p = 0; p < pixels; p++) {
      out[at + 3 * p] = x[from + p]
      out[at + 3 * p + 1] = x[from + pixels + p]
      out[at + 3 * p + 2] = x[from + 2 * pixels + p]
    }
    return
  }
  for (let k = 0; k < planes; k++)
    for (let p = 0; p < pixels; p++) out[at + p * planes + k] = x[from + k * pixels + p]
}
