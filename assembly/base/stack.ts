/**
 * Two functions by which a host sees whether V8 joins neighbours (src/engine/revectorize.ts). They
 * differ in how far apart the vectors are that they read and write, so that nothing can be joined
 * in the second: V8's code takes the same stack for both unless it joins in the first.
 */

/**
 * Counts itself at p and makes twenty sums of `turns` zeros. Where `turns` is 0 it calls itself
 * until the stack is full. p: 2 KiB of zeros, which stay zeros but for the count.
 */
// @ts-ignore: decorator
@variants('stackOfNeighbours', 16)
@variants('stackOfOthers', 32)
export function fillStack(APART: i32, p: usize, turns: i32): void {
  store<u32>(p, load<u32>(p) + 1)
  const s = locals<v128>(20, f32x4.splat(0))
  let left = turns
  do {
    for (let i: unroll = 0; i < 20; i++) s[i] = f32x4.add(s[i], v128.load(p, 64 + APART * i))
  } while (--left > 0)
  for (let i: unroll = 0; i < 20; i++) v128.store(p, s[i], 1024 + APART * i)
  if (turns == 0) APART == 16 ? stackOfNeighbours(p, 0) : stackOfOthers(p, 0)
}
