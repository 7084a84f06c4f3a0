/** Backward through the neurons without a time axis. */
import { gather, isContiguous, neuronRowProduct } from './contributions'
import { ContributionWord, NeuronBackWord } from './opcodes'

/**
 * Backward without a time axis: Out [P][T][C] = (Σ contributions) ⊙ Factor [P][C] (0: 1). Also serves the online methods, with h' at one
 * step as the factor, and plain sums of gradients. Out may be the first contribution's own tensor when that one is not pooled.
 * Scratch: none.
 */
export function neuronBackwardRate(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronBackWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronBackWord.Pixels * 4))
  const steps = <usize>load<u32>(rec, NeuronBackWord.T * 4)
  const rowBytes = <usize>load<u32>(rec, NeuronBackWord.C * 4) << 2
  const factor = <usize>load<u32>(rec, NeuronBackWord.Factor * 4)
  const table = <usize>load<u32>(rec, NeuronBackWord.Contributions * 4)
  const count = load<u32>(rec, NeuronBackWord.ContributionCount * 4)
  const out = <usize>load<u32>(rec, NeuronBackWord.Out * 4)
  const pixelBytes = steps * rowBytes
  if (factor && steps == 1 && count == 1 && isContiguous(table, 1, rowBytes)) {
    // The usual layer: one consumer, not pooled.
    const offset = <usize>first * rowBytes
    const g = <usize>load<u32>(table, ContributionWord.Address * 4) + offset
    neuronRowProduct(out + offset, g, <usize>(end - first) * rowBytes, factor + offset, load<f32>(table, ContributionWord.Scale * 4))
    return
  }
  gather(out + <usize>first * pixelBytes, first, end, table, count,
    load<u32>(rec, NeuronBackWord.H * 4), load<u32>(rec, NeuronBackWord.W * 4), <u32>steps, rowBytes)
  if (!factor) return
  for (let pixel = first; pixel < end; pixel++) {
    for (let step: usize = 0; step < steps; step++) {
      const row = out + <usize>pixel * pixelBytes + step * rowBytes
      neuronRowProduct(row, row, rowBytes, factor + <usize>pixel * rowBytes, 1)
    }
  }
}
