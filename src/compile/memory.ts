/** Lifetimes → offsets: buffers that are never alive at the same time share memory. */

import type { Buffer } from '../kernels/records/words.js'

/**
 * Distance in bytes between neighbouring buffers: one cache line, so that vector reads past an end
 * stay inside memory that is nobody's.
 */
const GAP = 64

/** Buffers that may have places by worker: each is compared with the pairs of those before it. */
const MOST_BY_WORKER = 1500

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
  const [first, other] = [earlierFirst, longerFirst].map((order) =>
    placeShared(shared, next, { mayOverlap: apart, order, near: new ByTime(shared) }),
  )
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
  const shared = sharedOf(buffers)
  // Far over the budget: no need to try. Of many buffers it takes too long.
  if (compact - next > 2 * budget || shared.length > MOST_BY_WORKER) return compact
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

/** Places by address, and their end. */
type Placed = ReturnType<typeof placeShared>

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
  /** Where only those alive at one time may not overlap: finds them. */
  readonly near?: ByTime
}

/** Buffers that have places, by parts of the time. */
class ByTime {
  private readonly width: number
  private readonly parts: Place[][]

  constructor(buffers: readonly Buffer[]) {
    const end = buffers.reduce((most, { last }) => Math.max(most, last + 1), 1)
    this.width = Math.ceil(end / 256)
    this.parts = Array.from({ length: Math.ceil(end / this.width) }, () => [])
  }

  private partOf(time: number): number {
    return Math.floor(time / this.width)
  }

  add(place: Place): void {
    const { first, last } = place.buffer
    for (let i = this.partOf(first); i <= this.partOf(last); i++) this.parts[i].push(place)
  }

  /**
   * Those that may be alive with a buffer, by address, some of them twice; all where that is not
   * many more.
   */
  of({ first, last }: Buffer, all: readonly Place[]): readonly Place[] {
    const found: Place[] = []
    for (let i = this.partOf(first); i <= this.partOf(last); i++) {
      if (8 * (found.length + this.parts[i].length) > all.length) return all
      for (const place of this.parts[i]) found.push(place)
    }
    return found.sort((a, b) => a.at - b.at)
  }
}

function placeShared(
  buffers: readonly Buffer[],
  base: number,
  { mayOverlap, mayCoincide, order = earlierFirst, near }: Rules,
) {
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
      for (const other of near?.of(buffer, places) ?? places) {
        if (other.behind <= at || mayOverlap(buffer, other.buffer)) continue
        if (at + size <= other.at) break
        at = other.behind
      }
    }
    const behind = at + size
    end = Math.max(end, behind)
    // Behind those that have the same address.
    let index = 0
    for (let behindAll = places.length; index < behindAll; ) {
      const middle = (index + behindAll) >> 1
      if (places[middle].at > at) behindAll = middle
      else index = middle + 1
    }
    const place = { buffer, at, behind }
    places.splice(index, 0, place)
    near?.add(place)
  }
  return { places, end }
}

function take({ places, end }: Placed): number {
  for (const { buffer, at } of places) buffer.address = at
  return end
}
