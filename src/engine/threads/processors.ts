import { platform, warn } from '../platform.js'

/** Number of processors that threads can run on at once, in Node and in a page. */
export const availableParallelism = (): number => platform().processors()

/** Whether what runs on so many workers runs on the calling thread. */
export const runsHere = (workers: number): boolean => workers === 1 && !platform().staysFree

/** Whether this is Node, or what has its modules. */
export const isNode = (): boolean => platform().kind === 'node'

/**
 * Whether every program runs on all threads of its model, however small it is. The tests want that:
 * their networks are small, and what they look for shows on several threads.
 */
export const usesAllThreads = (): boolean =>
  typeof process !== 'undefined' && process.env?.SPIKEWASM_ALL_THREADS === '1'

let warned = false

/** Says once that a model asks for more threads than there are processors, which works. */
export function warnOfThreads(threads: number): void {
  const processors = availableParallelism()
  if (warned || !isNode() || threads <= processors || usesAllThreads()) return
  warned = true
  warn(
    `threads is ${threads}, but there are ${processors} processors: no more threads than that run`,
    'SPIKEWASM_THREADS',
  )
}
