/** The pixels of a unit of the operations in this folder. */

/** The pixel behind a unit's last, of all `pixels`; each unit has `perUnit`. */
// @ts-ignore: decorator
@inline
export function endOf(pixels: i32, perUnit: i32, unit: i32): i32 {
  return min(pixels, (unit + 1) * perUnit)
}
