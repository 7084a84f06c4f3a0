/** Reading the words of a record. */

/** The word at `index` as an integer. */
// @ts-ignore: decorator
@inline
export function word(rec: usize, index: i32): i32 {
  return load<i32>(rec + ((<usize>index) << 2))
}

/** The word at `index` as an address, or as a number of bytes. */
// @ts-ignore: decorator
@inline
export function address(rec: usize, index: i32): usize {
  return <usize>load<u32>(rec + ((<usize>index) << 2))
}
