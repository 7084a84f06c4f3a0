/** Lifetimes → offsets: buffers that are never alive at the same time share memory. */

import type { Buffer } from './words.js'

/**
 * Distance in bytes between neighbouring buffers: one cache line, so that vector reads past an end
 * stay inside memory that is nobody's.
 */
const GAP = 64

/** Which of two equally large buffers is placed first. */
type Order = (a: Buffer, b: Buffer) => number
const earlierFirst: Order = (a, b) => a.first - b.first
const longerFirst: Order = (a, b) => b.last - a.last

/**
 * Gives every used buffer an address ≥ base and returns the end. Persistent buffers come first; the
 * others, largest first, take the lowest gap that is free during their whole life (greedy by size:
 * Pisarchyk and Lee, arXiv 2001.03288). Of equally large ones those come first that begin first, or
 * those that end last, if that takes less memory.
 */
export function assignAddresses(buffers: readonly Buffer[], base: number): number {
  const next = placePersistent(buffers, base)
  const shared = sharedOf(buffers)
  const place = (order: Order): Placed => placeShared(shared, next, { mayOverlap: apart, order })
  const other = place(longerFirst)
  const first = place(earlierFirst)
  return take(first.end <= other.end ? first : other)
}

const apart: Relation = (buffer, other) => other.last < buffer.first || other.first > buffer.last

/**
 * The same for several workers, as far as it takes no more than `budget` bytes behind the
 * persistent buffers; where it would, `assignAddresses`. Buffers of one program share memory only
 * when they are of equal size, and then all of it. So each byte stays with the worker whose images
 * it holds, and in that worker's cache. Otherwise lines would move between caches at every reuse,
 * which costs a small network on processors without a common cache a quarter of its step.
 *
 * @param starts the first record of each program but the first
 */
export function assignAddressesByWorker(
  buffers: readonly Buffer[],
  base: number,
  starts: readonly number[],
  budget: number,
): number {
  const compact = assignAddresses(buffers, base)
  const next = placePersistent(buffers, base)
  // Far over the budget: no need to try.
  if (compact - next > 2 * budget) return compact
  const shared = sharedOf(buffers)
  const program = new Map(
    shared.map((buffer) => [buffer, starts.filter((start) => start <= buffer.first).length]),
  )
  const placed = placeShared(shared, next, {
    mayOverlap: (buffer, other) =>
      apart(buffer, other) && program.get(buffer) !== program.get(other),
    mayCoincide: (buffer, other) => apart(buffer, other) && buffer.bytes === other.bytes,
  })
  return placed.end - next <= budget ? take(placed) : compact
}

function placePersistent(buffers: readonly Buffer[], base: number): number {
  let next = base
  for (const buffer of buffers) {
    if (!buffer.persistent) continue
    buffer.address = next
    next += buffer.bytes + GAP
  }
  return next
}

type Relation = (buffer: Buffer, other: Buffer) => boolean

/** What shares memory. */
const sharedOf = (buffers: readonly Buffer[]): readonly Buffer[] =>
  buffers.filter((buffer) => !buffer.persistent && buffer.last >= 0)

interface Placed {
  /** By address. */
  readonly places: readonly Place[]
  readonly end: number
}
interface Place {
  readonly buffer: Buffer
  readonly at: number
  /** Where the next one may begin. */
  readonly behind: number
}

interface Rules {
  /** Whether two buffers may overlap in any way. */
  readonly mayOverlap: Relation
  /** Whether they may if they have the same address, which is then preferred; default: never. */
  readonly mayCoincide?: Relation
  readonly order?: Order
}

function placeShared(
  buffers: readonly Buffer[],
  base: number,
  { mayOverlap, mayCoincide, order = earlierFirst }: Rules,
): Placed {
  const places: Place[] = []
  let end = base
  for (const buffer of [...buffers].sort((a, b) => b.bytes - a.bytes || order(a, b))) {
    const size = buffer.bytes + GAP
    const fits = (at: number): boolean =>
      places.every(
        (other) =>
          at + size <= other.at ||
          other.behind <= at ||
          mayOverlap(buffer, other.buffer) ||
          (at === other.at && mayCoincide?.(buffer, other.buffer)),
      )
    let at = mayCoincide && places.find((of) => mayCoincide(buffer, of.buffer) && fits(of.at))?.at
    if (at === undefined) {
      at = base
      for (const other of places) {
        if (other.behind <= at || mayOverlap(buffer, other.buffer)) continue
        if (at + size <= other.at) break
        at = other.behind
      }
    }
    const behind = at + size
    end = Math.max(end, behind)
    // Behind those that have the same address.
    let index = places.length
    while (index > 0 && places[index - 1].at > at) index--
    places.splice(index, 0, { buffer, at, behind })
  }
  return { places, end }
}

function take({ places, end }: Placed): number {
  for (const { buffer, at } of places) buffer.address = at
  return end
}

/** Every pair of buffers that overlap in memory and in time; empty for a correct plan. */
export function overlaps(buffers: readonly Buffer[]): string[] {
  const found: string[] = []
  const used = buffers.filter((buffer) => buffer.persistent || buffer.last >= 0)
  for (let i = 0; i < used.length; i++)
    for (let j = i + 1; j < used.length; j++) {
      const [a, b] = [used[i], used[j]]
      const inTime = a.persistent || b.persistent || (a.first <= b.last && b.first <= a.last)
      if (inTime && a.address < b.address + b.bytes && b.address < a.address + a.bytes)
        found.push(`${a.name} and ${b.name} share memory while both are in use`)
    }
  return found
}
