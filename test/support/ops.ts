/** Random shapes for ops, and how far their results are from a float64 reference. */
import { testRandom } from './engine.js'

export interface RandomShapes {
  readonly seed: number
  /** An integer from a to b. */
  int(a: number, b: number): number
  pick<V>(values: readonly V[]): V
  chance(probability: number): boolean
  /** Floats in −scale … scale. */
  floats(count: number, scale?: number): Float32Array
  /** Bytes 0 or 1. */
  spikes(count: number, rate?: number): Uint8Array
  /** Bytes 0 … most. */
  bytes(count: number, most: number): Uint8Array
}

export function randomShapes(seed: number): RandomShapes {
  const random = testRandom(seed)
  return {
    seed,
    int: (a, b) => a + Math.floor(random() * (b - a + 1)),
    pick: (values) => values[Math.floor(random() * values.length)],
    chance: (probability) => random() < probability,
    floats: (count, scale = 1) =>
      Float32Array.from({ length: count }, () => (2 * random() - 1) * scale),
    spikes: (count, rate = 0.3) =>
      Uint8Array.from({ length: count }, () => (random() < rate ? 1 : 0)),
    bytes: (count, most) =>
      Uint8Array.from({ length: count }, () => Math.floor(random() * (most + 1))),
  }
}

/** Runs `check` for so many seeds; an error says which shape it was. */
export function forShapes(
  count: number,
  check: (random: RandomShapes) => { readonly options: unknown },
): void {
  for (let seed = 1; seed <= count; seed++) {
    let options: unknown
    try {
      options = check(randomShapes(seed)).options
    } catch (error) {
      const { message } = error as Error
      throw new Error(`seed ${seed}${options ? ` ${JSON.stringify(options)}` : ''}: ${message}`, {
        cause: error,
      })
    }
  }
}

/**
 * Throws unless values are within `limit` of a float64 reference, relative to its largest number.
 */
export function expectNear(
  what: string,
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
  limit = 1e-5,
): void {
  if (values.length !== reference.length)
    throw new Error(`${what}: ${values.length} numbers, ${reference.length} expected`)
  let scale = 1e-30
  for (let i = 0; i < reference.length; i++) scale = Math.max(scale, Math.abs(reference[i]))
  for (let i = 0; i < values.length; i++)
    if (!(Math.abs(values[i] - reference[i]) <= limit * scale))
      throw new Error(
        `${what}[${i}] is ${values[i]}, ${reference[i]} expected; ${limit * scale} is allowed`,
      )
}

/** Throws unless two arrays have the same bytes. */
export function expectSameBits(what: string, a: unknown, b: unknown): void {
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    const bytes = (v: ArrayBufferView): Uint8Array =>
      new Uint8Array(v.buffer, v.byteOffset, v.byteLength)
    const [left, right] = [bytes(a), bytes(b)]
    const at = left.length === right.length ? left.findIndex((v, i) => v !== right[i]) : 0
    if (at >= 0) throw new Error(`${what}: the bits differ at byte ${at}`)
    return
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) expectSameBits(`${what}.${key}`, left[key], right[key])
}
