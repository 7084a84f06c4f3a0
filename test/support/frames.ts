/** The order of frames: sample by sample, [B][T][…], or step by step, [T][B][…]. */

type Numbers = Float32Array | Float64Array | Uint8Array

/** [T][B][…], as PyTorch's fixtures and streams have it, as [B][T][…]. */
export function bySample<A extends Numbers>(x: A, T: number, B: number): A {
  const size = x.length / (T * B)
  const out = x.slice() as A
  for (let t = 0; t < T; t++)
    for (let b = 0; b < B; b++)
      out.set(x.subarray((t * B + b) * size, (t * B + b + 1) * size), (b * T + t) * size)
  return out
}

/** [B][T][…] as [T][B][…]. */
export const byStep = <A extends Numbers>(x: A, T: number, B: number): A => bySample(x, B, T)

/** Where number i of [B][…] lies in [B][T][…] at step t; `size`: numbers of a sample and step. */
export const placeOf =
  (T: number, size: number) =>
  (t: number, i: number): number =>
    (Math.floor(i / size) * T + t) * size + (i % size)

/** Σ over the steps of [B][T][…] times a factor, as [B][…]; `size` as of `placeOf`. */
export function sumOverTime(x: ArrayLike<number>, T: number, size: number, factor = 1) {
  const sums = new Float64Array(x.length / T)
  const still = stillOf(T, size)
  for (let i = 0; i < x.length; i++) sums[still(i)] += factor * x[i]
  return sums
}

/** Which number of [B][…] lies at a place of [B][T][…]. */
export const stillOf =
  (T: number, size: number) =>
  (at: number): number =>
    Math.floor(at / (T * size)) * size + (at % size)
