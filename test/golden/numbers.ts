/**
 * Numbers that are the same on every machine and in every version of Node: an integer generator and
 * divisions by powers of two. No function of `Math` that may round in different ways.
 */
import type { StateDict } from '../../src/index.js'

/** A generator of integers, 0 … 65535 (a linear congruential one, its upper half). */
export function integers(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state >>> 16
  }
}

/** `count` numbers in low … high, both exact in binary; high − low must be a power of two. */
export function uniform(
  count: number,
  low: number,
  high: number,
  next: () => number,
): Float32Array {
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = low + ((high - low) * next()) / 65536
  return values
}

/** `count` labels below `classes`. */
export function labels(count: number, classes: number, next: () => number): Int32Array {
  return Int32Array.from({ length: count }, () => next() % classes)
}

/**
 * Parameters with which every layer spikes and learns: weights of a variance near 2 / fanIn,
 * normalisations near 1, running statistics off 0 and 1. Shapes and names are those of `initial`.
 */
export function madeState(initial: StateDict, seed: number): StateDict {
  const state: StateDict = {}
  const next = integers(seed)
  for (const name of Object.keys(initial).sort()) {
    const { shape, data } = initial[name]
    const near1 = shape.length === 1 && /(weight|gain|running_var)$/.test(name)
    if (name.endsWith('.w')) state[name] = initial[name]
    else if (near1 || name.endsWith('gain'))
      state[name] = { shape, data: uniform(data.length, 0.75, 1.25, next) }
    else if (shape.length === 1)
      state[name] = { shape, data: uniform(data.length, -0.125, 0.375, next) }
    else {
      const fanIn = data.length / shape[0]
      let bound = 2
      while (bound * bound * fanIn > 16) bound /= 2
      state[name] = { shape, data: uniform(data.length, -bound, bound, next) }
    }
  }
  return state
}
