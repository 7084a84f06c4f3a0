/** Losses, and penalties on firing rates, as plain data. */

export * from './kinds.js'
export type { Loss } from './made.js'
export * from './rate-penalty.js'
export * from './self-distillation.js'
