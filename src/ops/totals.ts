/** Totals of spikes that the engine works out for this side. */

import type { Buffer } from '../plan/words.js'

/** Totals of the first bytes of buffers, by the engine. */
export interface Totals {
  /** Their sum, and the largest. */
  bytes(buffer: Buffer, count: number): { readonly sum: number; readonly most: number }
  most(buffer: Buffer, count: number): number
  bits(buffer: Buffer, count: number): number
  /** Writes the spikes of each neuron, from masks [plane][neuron]. */
  counts(masks: Buffer, neurons: number, planes: number, counts: Buffer): void
}
