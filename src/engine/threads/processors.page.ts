/** In a page this stands for `processors.ts`: programs run in workers, never here. */

export { availableParallelism, usesAllThreads } from './processors.js'

export const runsHere = (_workers: number): boolean => false

export const isNode = (): boolean => false

/** The page's platform has said what it has to say of threads. */
export const warnOfThreads = (_threads: number): void => {}
