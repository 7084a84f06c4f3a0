/** Rows of a plane of bytes, copied as they are or mirrored. */

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

/** From right to left: out[to − i] = input[from + i] for i in first … end − 1. */
export function mirrorRow(
  out: Uint8Array,
  input: Uint8Array,
  to: number,
  from: number,
  first: number,
  end: number,
): void {
  for (let i = first; i < end; i++) out[to - i] = input[from + i]
}
