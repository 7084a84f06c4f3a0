/** Number of processors that threads can run on at once, in Node and in a page. */
export function availableParallelism(): number {
  return globalThis.navigator?.hardwareConcurrency ?? nodeParallelism
}

let nodeParallelism = 1
if (typeof process !== 'undefined' && process.versions?.node)
  nodeParallelism = (await import('node:os')).availableParallelism()
