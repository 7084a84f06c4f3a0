/** Random shapes for ops, and how far their results are from a float64 reference. */
import { testRandom } from './engine.js'
import { ofLong } from './long.js'

export interface RandomShapes {
  readonly seed: number
  /** Some shapes run in the engine that checks addresses. */
  readonly engine: 'debug' | 'release'
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

/** As `from` with a function, which takes many times as long. */
function filled<A extends Float32Array | Uint8Array>(values: A, next: () => number): A {
  for (let i = 0; i < values.length; i++) values[i] = next()
  return values
}

export function randomShapes(seed: number): RandomShapes {
  const random = testRandom(seed)
  return {
    seed,
    engine: seed % 8 === 0 ? 'debug' : 'release',
    int: (a, b) => a + Math.floor(random() * (b - a + 1)),
    pick: (values) => values[Math.floor(random() * values.length)],
    chance: (probability) => random() < probability,
    floats: (count, scale = 1) => filled(new Float32Array(count), () => (2 * random() - 1) * scale),
    spikes: (count, rate = 0.3) => filled(new Uint8Array(count), () => (random() < rate ? 1 : 0)),
    bytes: (count, most) => filled(new Uint8Array(count), () => Math.floor(random() * (most + 1))),
  }
}

/** Share of the shapes that every run checks; `--long` checks all. */
const SHARE = ofLong(0.35, 1)

/** So many shapes in every run, for `forShapes`. */
export const inEveryRun = (count: number): number => count / SHARE

/**
 * Runs `check` for so many shapes, or a share of them; an error says of which seed it was. Seeds
 * whose shapes do not fit, for which it returns undefined, do not count.
 */
export function forShapes(
  count: number,
  check: (random: RandomShapes) => { readonly options: unknown } | undefined,
): void {
  let checked = 0
  for (let seed = 1; checked < SHARE * count; seed++) {
    if (seed > 2 * count) throw new Error(`${checked} of ${seed} seeds make shapes that fit`)
    try {
      if (check(randomShapes(seed))) checked++
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
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

/**
 * Throws unless each value is as near as rounding allows: within `limit` of the sum of its terms'
 * sizes. A small value among large ones is then held to its own terms.
 */
export function expectRounded(
  what: string,
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
  sizes: ArrayLike<number>,
  limit = 1e-6,
): void {
  if (values.length !== reference.length || sizes.length !== reference.length)
    throw new Error(`${what}: ${values.length} numbers, ${reference.length} expected`)
  for (let i = 0; i < values.length; i++)
    if (!(Math.abs(values[i] - reference[i]) <= limit * sizes[i] + 1e-30))
      throw new Error(
        `${what}[${i}] is ${values[i]}, ${reference[i]} expected; ${limit * sizes[i]} is allowed`,
      )
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

/**
 * Throws unless two arrays have one type and the same bytes, two numbers are the same, or this
 * holds of all members of two objects. Anything else cannot be compared.
 */
export function expectSameBits(what: string, a: unknown, b: unknown): void {
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    const bytes = (v: ArrayBufferView): Uint8Array =>
      new Uint8Array(v.buffer, v.byteOffset, v.byteLength)
    const [left, right] = [bytes(a), bytes(b)]
    const [type, other] = [a, b].map((v) => Object.prototype.toString.call(v))
    if (type !== other) throw new Error(`${what}: ${type} and ${other}`)
    if (left.length !== right.length)
      throw new Error(`${what}: ${left.length} bytes and ${right.length}`)
    const at = left.findIndex((v, i) => v !== right[i])
    if (at >= 0) throw new Error(`${what}: the bits differ at byte ${at}`)
  } else if (typeof a === 'number' && typeof b === 'number') {
    if (!Object.is(a, b)) throw new Error(`${what}: ${a} and ${b}`)
  } else if (isRecord(a) && isRecord(b)) {
    const [keys, others] = [a, b].map((of) => Object.keys(of).sort().join())
    if (keys !== others || keys === '') throw new Error(`${what}: members ${keys} and ${others}`)
    for (const key of Object.keys(a)) expectSameBits(`${what}.${key}`, a[key], b[key])
  } else throw new Error(`${what}: ${String(a)} and ${String(b)} cannot be compared`)
}
