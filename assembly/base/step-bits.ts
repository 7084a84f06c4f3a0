/** Which time steps are backpropagated. */

import { Control } from '../opcodes'

/**
 * Bits of the steps from t on, the first one lowest: those of Control.StepMask, or of the bytes at
 * Control.StepMasks where there are more than 32 steps. A mask of all ones is of any steps.
 */
// @ts-ignore: decorator
@inline
export function stepBits(t: i32): u32 {
  const bytes = load<u32>(Control.StepMasks)
  if (bytes) return <u32>(load<u64>(<usize>bytes + (<usize>t >> 3)) >> (t & 7))
  return rotr<u32>(load<u32>(Control.StepMask), t)
}
