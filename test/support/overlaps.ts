/** What a correct plan never has: buffers that share memory while both are in use. */

import type { Buffer } from '../../src/kernels/records/words.js'

/** Every pair of buffers that overlap in memory and in time. */
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
