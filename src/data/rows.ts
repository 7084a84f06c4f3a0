/** Rows of byte images, copied as they are or mirrored. */

/** out[to + i] = input[from + i] for i in first … end − 1. */
export function copyRow(
  out: Uint8Array,
  input: Uint8Array,
  to: number,
  from: number,
  first: number,
  end: number,
): void {
  for (let i = first; i < end; i++) out[to + i] = input[from + i]
}

/** Pixels from right to left: out pixel to − x = input pixel from + x, x in first … end − 1. */
export function mirrorRow(
  out: Uint8Array,
  input: Uint8Array,
  to: number,
  from: number,
  first: number,
  end: number,
  channels: number,
): void {
  if (channels === 3) {
    for (let x = first; x < end; x++) {
      const o = 3 * (to - x)
      const i = 3 * (from + x)
      out[o] = input[i]
      out[o + 1] = input[i + 1]
      out[o + 2] = input[i + 2]
    }
    return
  }
  for (let x = first; x < end; x++)
    for (let c = 0; c < channels; c++)
      out[(to - x) * channels + c] = input[(from + x) * channels + c]
}
