/**
 * Asks for a garbage collection. V8 collects by the size of its own heap, to which the memories of
 * models count little, and shared ones nothing: gigabytes of them may wait for it.
 */

import { breathe } from './breathe.js'
import { isNode } from './processors.js'

let collector: Promise<(() => void) | undefined> | undefined

/** Frees memories that nobody can reach any more. Does nothing where there is no way to ask. */
export async function collect(): Promise<void> {
  collector ??= find().catch(() => undefined)
  const run = await collector
  if (!run) return
  // What weak references gave out is kept until the running job ends.
  await breathe()
  run()
}

async function find(): Promise<(() => void) | undefined> {
  const { gc } = globalThis as { gc?: () => void }
  if (gc || !isNode) return gc
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([
    import('node:v8'),
    import('node:vm'),
  ])
  // The function that the flag gives to new contexts stays when the flag is gone.
  setFlagsFromString('--expose-gc')
  const run = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return run
}
