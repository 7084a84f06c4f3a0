/**
 * Asks for a garbage collection. V8 collects by the size of its own heap, to which the memories of
 * models count little, and shared ones nothing: gigabytes of them may wait for it.
 */

import { fail } from '../../base/errors.js'
import { type Collector, platform, size } from '../platform.js'
import { breathe } from '../threads/breathe.js'

/**
 * Growth of the heap, which tests change: since the last collection of young objects, about what
 * one plan leaves; since the last one of all objects; and the part of the heap that this must be.
 */
export const growth = { youngBytes: 2 ** 21, allBytes: 2 ** 23, allPart: 1 / 4 }

/** What may wait for a collection: bytes, and memories, each of which reserves addresses. */
const WAITING_BYTES = 2 ** 24
const WAITING_MEMORIES = 4

let collector: Promise<Collector | undefined> | undefined
/** The same, once it is there. */
let ready: Collector | undefined
/** Bytes of the heap after the last collections. */
let afterYoung: number | undefined
let afterAll = 0
/** Memories that were let go since the last collection. */
const waiting = { bytes: 0, memories: 0 }

/** Frees memories that nobody can reach any more. Does nothing where there is no way to ask. */
export async function collect(): Promise<void> {
  const found = await theCollector()
  if (!found) return
  // What weak references gave out is kept until the running job ends.
  await breathe()
  collectNow()
}

/** As `collect`, but for what weak references gave out in the running job. */
export function collectNow(): void {
  if (!ready) return
  ready.run()
  afterAll = afterYoung = ready.heapBytes()
  waiting.bytes = waiting.memories = 0
}

/** Tells of a shared memory that nobody needs any more. Collects when many of them have come. */
export async function letGo(bytes: number): Promise<void> {
  waiting.bytes += bytes
  waiting.memories++
  if (waiting.bytes > WAITING_BYTES || waiting.memories > WAITING_MEMORIES) await collect()
}

/**
 * Frees what earlier plans left, once there is enough of it: V8 would rather let its heap grow by
 * tens of megabytes. Mostly that is a millisecond's collection of young objects.
 */
export async function tidy(): Promise<void> {
  const found = await theCollector()
  // A page cannot ask. There others have their turn before a plan takes its thread for a while.
  if (!found) return platform().staysFree ? breathe() : undefined
  const bytes = found.heapBytes()
  if (afterYoung === undefined) {
    afterAll = afterYoung = bytes
    return
  }
  if (bytes - afterAll > Math.max(growth.allBytes, growth.allPart * afterAll)) return collect()
  if (bytes - afterYoung < growth.youngBytes) return
  found.run({ type: 'minor' })
  afterYoung = found.heapBytes()
}

async function theCollector(): Promise<Collector | undefined> {
  collector ??= (platform().collector?.() ?? Promise.resolve(undefined)).catch(() => undefined)
  ready = await collector
  return ready
}

// Addresses, of which a process may have too few for a memory of whatever size.

/**
 * @param needs what the model needs, in words
 * @param cause what refused the memory
 * @throws SpikewasmError where they are why no memory is given: no smaller batch would help
 */
export function expectAddresses(needs: string, cause: RangeError): void {
  const addresses = platform().addressLimit?.()
  if (addresses && addresses.limit - addresses.used < addresses.reserved)
    fail(
      `${needs} and, whatever its size, ${size(addresses.reserved)} of addresses, but the ` +
        `process may use ${size(addresses.limit)} of addresses, and uses ` +
        `${size(addresses.used)}; no smaller batch helps: raise the limit (ulimit -v), or ` +
        'dispose of other models',
      cause,
    )
}
