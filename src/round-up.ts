/** Sizes in whole blocks. */

/** The smallest multiple of `multiple` that is at least `value`. */
export const roundUp = (value: number, multiple: number): number =>
  Math.ceil(value / multiple) * multiple
