/** Backward through the neurons where no time axis is kept: rate-based and online methods. */

import { gather } from '../activity/contributions'
import { GatherRecord } from '../generated/records'

/**
 * Out [P][T][C] = (Σ contributions) ⊙ Factor [P][C] (0: a factor of 1). With the eligibility as
 * the factor this is rate-based backpropagation (Yu et al. 2024, arXiv 2410.11488); the online
 * methods use h' at one step, and plain sums of gradients no factor. Out may be the first
 * contribution's own tensor when that one is not pooled. Unit = pixelsPerUnit pixels. Scratch:
 * none.
 */
export function neuronBackwardRate(rec: GatherRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = <u32>rec.pixelsPerUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.pixels)
  const steps = <u32>rec.steps
  const rowBytes = rec.channels << 2
  const out = rec.out + <usize>first * steps * rowBytes
  const factor = rec.factor
  gather(
    out,
    factor ? factor + <usize>first * rowBytes : 0,
    first,
    end,
    rec.contributions,
    <u32>rec.contributionCount,
    <u32>rec.height,
    <u32>rec.width,
    steps,
    rowBytes,
    <u32>rec.pixelsPerRun,
  )
}
