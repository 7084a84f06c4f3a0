/**
 * Reads a word of each cache line of `bytes` at `p`, which are about to be read or written in
 * another order: cache lines come faster when they are asked for in order. `sink` gets a word, so
 * that the compiler keeps the loop.
 */
export function touchLines(p: usize, bytes: usize, sink: usize): void {
  let sum: u32 = 0
  for (const end = p + bytes; p < end; p += 64) sum += load<u32>(p)
  store<u32>(sink, sum)
}
