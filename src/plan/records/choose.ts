/** The choice between kernels by how many spikes there are. */

import { copies, entries, entry, number, reads, record, size, sizeIf, writes } from './schema.js'

/** The spikes of one tensor. */
export const spikeSum = entry(8, {
  /** u32 [Units]: `countPartials`. */
  sums: reads(0),
  units: size(1),
})

/** Chooses between kernels by how many spikes there are; one unit. */
export const choose = record('Choose', 55, copies, {
  /** u32 [2]: 1, 0 when the sources have at most Limit spikes, else 0, 1. */
  out: writes(4),
  /** Table of sourceCount entries: see `spikeSum`. */
  sources: entries(5, spikeSum),
  sourceCount: number(6),
  /** Spikes of one call. */
  limit: size(7),
  /** Steps of a call of a loop over t outside, whose counts add up; else 0. */
  callSteps: sizeIf(8),
})
