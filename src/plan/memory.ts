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
  const apart = (buffer: Buffer, other: Buffer): boolean =>
    other.last < buffer.first || other.first > buffer.last
  const place = (order: Order): number => placeShared(buffers, next, apart, () => false, order)
  const other = place(longerFirst)
  const end = place(earlierFirst)
  return end <= other ? end : place(longerFirst)
}

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
  const program = ({ first }: Buffer): number => starts.filter((start) => start <= first).length
  const apart = (buffer: Buffer, other: Buffer): boolean =>
    other.last < buffer.first || other.first > buffer.last
  const end = placeShared(
    buffers,
    next,
    (buffer, other) => apart(buffer, other) && program(buffer) !== program(other),
    (buffer, other) => apart(buffer, other) && buffer.bytes === other.bytes,
  )
  return end - next <= budget ? end : assignAddresses(buffers, base)
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

/**
 * @param mayOverlap whether two buffers may overlap in any way;
 * @param mayCoincide whether they may if they have the same address, which is then preferred
 */
function placeShared(
  buffers: readonly Buffer[],
  base: number,
  mayOverlap: Relation,
  mayCoincide: Relation = () => false,
  order: Order = earlierFirst,
): number {
  const placed: Buffer[] = []
  let end = base
  const shared = buffers.filter((buffer) => !buffer.persistent && buffer.last >= 0)
  for (const buffer of shared.slice().sort((a, b) => b.bytes - a.bytes || order(a, b))) {
    const fits = (at: number): boolean =>
      placed.every(
        (other) =>
          at + buffer.bytes + GAP <= other.address ||
          other.address + other.bytes + GAP <= at ||
          mayOverlap(buffer, other) ||
          (at === other.address && mayCoincide(buffer, other)),
      )
    const same = placed.find((other) => mayCoincide(buffer, other) && fits(other.address))
    let at = same?.address ?? base
    if (!same)
      for (const other of placed) {
        if (mayOverlap(buffer, other)) continue
        if (at + buffer.bytes + GAP <= other.address) break
        at = Math.max(at, other.address + other.bytes + GAP)
      }
    buffer.address = at
    end = Math.max(end, at + buffer.bytes + GAP)
    placed.push(buffer)
    placed.sort((a, b) => a.address - b.address)
  }
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
