/** Backward through the neurons without a time axis. */

import { gather } from '../activity/contributions'
import { NeuronBackWord } from '../opcodes'

/**
 * Backward without a time axis: Out [P][T][C] = (Σ contributions) ⊙ Factor [P][C] (0: 1). Also
 * serves the online methods, with h' at one step as the factor, and plain sums of gradients. Out
 * may be the first contribution's own tensor when that one is not pooled. Scratch: none.
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
  )
}
