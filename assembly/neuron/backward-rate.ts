/** Backward through the neurons where no time axis is kept: rate-based and online methods. */

import { gather } from '../activity/contributions'
import { NeuronBackWord } from '../opcodes'

/**
 * Out [P][T][C] = (Σ contributions) ⊙ Factor [P][C] (0: a factor of 1). With the eligibility as
 * the factor this is rate-based backpropagation (Yu et al. 2024, arXiv 2410.11488); the online
 * methods use h' at one step, and plain sums of gradients no factor. Out may be the first
 * contribution's own tensor when that one is not pooled. Unit = PixelsPerUnit pixels. Scratch:
 * none.
 */
export function neuronBackwardRate(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronBackWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronBackWord.Pixels * 4))
  const steps = load<u32>(rec, NeuronBackWord.T * 4)
  const rowBytes = (<usize>load<u32>(rec, NeuronBackWord.C * 4)) << 2
  const out = <usize>load<u32>(rec, NeuronBackWord.Out * 4) + <usize>first * steps * rowBytes
  const factor = <usize>load<u32>(rec, NeuronBackWord.Factor * 4)
  gather(
    out,
    factor ? factor + <usize>first * rowBytes : 0,
    first,
    end,
    load<u32>(rec, NeuronBackWord.Contributions * 4),
    load<u32>(rec, NeuronBackWord.ContributionCount * 4),
    load<u32>(rec, NeuronBackWord.H * 4),
    load<u32>(rec, NeuronBackWord.W * 4),
    steps,
    rowBytes,
    load<u32>(rec, NeuronBackWord.PixelsPerRun * 4),
  )
}
