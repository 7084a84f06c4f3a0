/** Lifetimes → offsets: buffers that are never alive at the same time share memory. */

import type { Buffer } from './program.js'

/** Distance in bytes between neighbouring buffers: one cache line, so that vector reads past an end stay inside memory that is nobody's. */
const GAP = 64

/**
 * Gives every used buffer an address ≥ base and returns the end. Persistent buffers come first; the others, largest first, take the lowest gap that is free during
 * their whole life (greedy by size: Pisarchyk and Lee, arXiv 2001.03288).
 */
export function assignAddresses(buffers: readonly Buffer[], base: number): number {
  let next = base
  for (const buffer of buffers) {
    if (!buffer.persistent) continue
    buffer.address = next
    next += buffer.bytes + GAP
  }
  const placed: Buffer[] = []
  let end = next
  const shared = buffers.filter((buffer) => !buffer.persistent && buffer.last >= 0)
  for (const buffer of shared.slice().sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    let at = next
    for (const other of placed) {
      if (other.last < buffer.first || other.first > buffer.last) continue
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
