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
  const other = placeShared(buffers, next, longerFirst)
  const restore = kept(buffers)
  const end = placeShared(buffers, next, earlierFirst)
  if (end <= other) return end
  restore()
  return other
}

/** Gives buffers the addresses back that they have now. */
function kept(buffers: readonly Buffer[]): () => void {
  const addresses = buffers.map(({ address }) => address)
  return () => {
    for (const [i, buffer] of buffers.entries()) buffer.address = addresses[i]
  }
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
  const restore = kept(buffers)
  const end = placeShared(buffers, next, earlierFirst, starts)
  if (end - next <= budget) return end
  restore()
  return compact
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

/**
 * @param starts first records of programs: buffers of the same program overlap only where they
 *   coincide, which is then preferred. Without them all may overlap that are never alive together.
 */
function placeShared(
  buffers: readonly Buffer[],
  base: number,
  order: Order,
  starts?: readonly number[],
): number {
  // In the order of their addresses, those that coincide in the order in which they came.
  const placed: Buffer[] = []
  let end = base
  const shared = buffers.filter((buffer) => !buffer.persistent && buffer.last >= 0)
  const programs =
    starts && new Map(shared.map((b) => [b, starts.filter((start) => start <= b.first).length]))
  for (const buffer of shared.sort((a, b) => b.bytes - a.bytes || order(a, b))) {
    const { bytes, first, last } = buffer
    const room = bytes + GAP
    const program = programs?.get(buffer)
    const near = placed.filter(
      (other) =>
        (other.last >= first && other.first <= last) ||
        (programs !== undefined && programs.get(other) === program),
    )
    const mayCoincide = (other: Buffer): boolean =>
      other.bytes === bytes && (other.last < first || other.first > last)
    const fits = (at: number): boolean => {
      for (const other of near) {
        if (at + room <= other.address) return true
        const isFree = other.address + other.bytes + GAP <= at
        if (!isFree && !(at === other.address && mayCoincide(other))) return false
      }
      return true
    }
    let tried = -1
    const same =
      programs &&
      placed.find((other) => {
        if (other.address === tried || !mayCoincide(other)) return false
        tried = other.address
        return fits(tried)
      })
    let at = same?.address ?? base
    if (!same)
      for (const other of near) {
        if (at + room <= other.address) break
        at = Math.max(at, other.address + other.bytes + GAP)
      }
    buffer.address = at
    end = Math.max(end, at + room)
    const behind = placed.findIndex(({ address }) => address > at)
    placed.splice(behind < 0 ? placed.length : behind, 0, buffer)
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
