/** V8's garbage collector, in Node. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Collector } from '../platform.js'

/** Undefined where there is no way to ask for a collection. */
export function collector(): Collector | undefined {
  const heapBytes = (): number => getHeapStatistics().used_heap_size
  const { gc } = globalThis as { gc?: Collector['run'] }
  if (gc) return { run: gc, heapBytes }
  // The function that the flag gives to new contexts stays when the flag is gone.
  setFlagsFromString('--expose-gc')
  const run = runInNewContext('gc') as Collector['run'] | undefined
  setFlagsFromString('--no-expose-gc')
  return run && { run, heapBytes }
}
