/**
 * Which places of a plan's memory a host reads, and which programs write them. Where programs run
 * in a memory of their own, the host's copy of these places follows from it.
 */

import { Control } from '../../../assembly/opcodes.js'
import type { Plan } from '../../plan/plan.js'
import { accesses } from '../../plan/records/schema.js'
import type { Buffer } from '../../plan/words.js'
import { readByHost } from '../results.js'

/** A place in memory. */
export interface Area {
  readonly address: number
  readonly bytes: number
}

/** What the host writes for every run. */
export const ASKED: readonly Area[] = [
  { address: Control.Input, bytes: Control.Loss - Control.Input },
  { address: Control.NonFinite, bytes: 4 },
]

/** What every run leaves for the host. */
export const FOUND: readonly Area[] = [
  { address: Control.Progress, bytes: 4 },
  { address: Control.Loss, bytes: Control.NonFinite + 4 - Control.Loss },
]

/** What a program writes that the host may read. */
export interface Written {
  /** Read behind each run: results, which are few. */
  readonly prompt: readonly Buffer[]
  /** Read when somebody may look at it. */
  readonly later: readonly Buffer[]
}

/** By the address of each program. */
export function areasOf(plan: Plan): ReadonlyMap<number, Written> {
  const wanted = readByHost(plan)
  return new Map(
    Object.values(plan.programs).map(({ address, records }) => {
      const found = { prompt: new Set<Buffer>(), later: new Set<Buffer>() }
      for (const { schema, fields } of records)
        for (const { buffer, use } of accesses(schema, fields)) {
          const when = wanted.get(buffer)
          if (when && use !== 'reads') found[when].add(buffer)
        }
      return [address, { prompt: [...found.prompt], later: [...found.later] }]
    }),
  )
}

/** States of an optimizer that only a snapshot holds. */
export function unseen({ named }: Plan): ReadonlySet<Buffer> {
  const { average: _, ...others } = named.training?.states ?? {}
  return new Set(Object.values(others))
}

/** Bytes from the start of memory that hold all that a host reads and writes. */
export const hostBytes = ({ buffers, encodedAt, encoded }: Plan): number =>
  buffers.reduce(
    (most, { persistent, address, bytes }) => (persistent ? Math.max(most, address + bytes) : most),
    encodedAt + encoded.bytes.length,
  )

/** The same places, those that touch put together, in the order of addresses. */
export function merged(areas: readonly Area[]): Area[] {
  const out: { address: number; bytes: number }[] = []
  for (const { address, bytes } of [...areas].sort((a, b) => a.address - b.address)) {
    const last = out.at(-1)
    if (last && address <= last.address + last.bytes)
      last.bytes = Math.max(last.bytes, address + bytes - last.address)
    else if (bytes > 0) out.push({ address, bytes })
  }
  return out
}

/** In groups of at most so many bytes. */
export function inParts(areas: readonly Area[], most: number): Area[][] {
  const parts: Area[][] = [[]]
  let room = most
  for (let { address, bytes } of areas)
    while (bytes > 0) {
      if (room === 0) {
        parts.push([])
        room = most
      }
      const now = Math.min(bytes, room)
      parts.at(-1)?.push({ address, bytes: now })
      address += now
      bytes -= now
      room -= now
    }
  return parts
}
