/** Numbers made whole. */

/** The smallest multiple of `multiple` that is at least `value`. */
export const roundUp = (value: number, multiple: number): number =>
  Math.ceil(value / multiple) * multiple

/** The nearest integer; of two the even one, as Python and PyTorch round. */
export function roundToEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + (below & 1) : Math.round(value)
}
