/** Losses, and penalties on firing rates, as plain data. */

export type { Loss } from '../../network/loss.js'
export * from './kinds.js'
export * from './kinds.js'
export * from './kinds.js'
