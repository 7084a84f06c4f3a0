/** Dropout of spikes and of floats. For floats it is its own backward. */

import { random64 } from '../base/random'
import { address, word } from '../base/record'
import { endOf } from '../base/units'
import { Control, DropoutWord } from '../opcodes'

/**
 * Does dropout keep neuron `index` of the batch? The answer is the same at every step, in the
 * backward pass and on every worker.
 */
// @ts-ignore: decorator
@inline
function kept(rec: usize, index: usize): bool {
  const uniform =
    <f32>(random64(load<u32>(Control.Seed), word(rec, DropoutWord.Stream), <u64>index) >> 40) *
    (1.0 / 16777216.0)
  return uniform >= load<f32>(rec, DropoutWord.Probability * 4)
}

/**
 * Out, OutCounts = the spikes of the kept neurons, none for the others. The factor 1/(1 − p) is
 * not applied here: the planner puts it into the scale of the consumers. Unit = PixelsPerUnit
 * pixels. Scratch: none.
 */
export function dropout(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>word(rec, DropoutWord.C)
  const planes = (word(rec, DropoutWord.T) + 7) >> 3
  const per = word(rec, DropoutWord.PixelsPerUnit)
  const end = <usize>endOf(word(rec, DropoutWord.Pixels), per, unit) * C
  for (let i = <usize>(unit * per) * C; i < end; i++) {
    const keep: u32 = kept(rec, i) ? 255 : 0
    for (let plane: usize = 0; plane < <usize>planes; plane++)
      store<u8>(
        address(rec, DropoutWord.Out) + plane * address(rec, DropoutWord.OutPlaneBytes) + i,
        load<u8>(
          address(rec, DropoutWord.In) + plane * address(rec, DropoutWord.InPlaneBytes) + i,
        ) & keep,
      )
    store<u8>(
      address(rec, DropoutWord.OutCounts) + i,
      load<u8>(address(rec, DropoutWord.InCounts) + i) & keep,
    )
  }
}

/**
 * Out [P][T][C] = In of the kept neurons, 0 for the others. Out may be In. Unit = PixelsPerUnit
 * pixels. Scratch: none.
 */
export function dropoutFloats(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = word(rec, DropoutWord.C)
  const T = word(rec, DropoutWord.T)
  const per = word(rec, DropoutWord.PixelsPerUnit)
  const end = endOf(word(rec, DropoutWord.Pixels), per, unit)
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c = 0; c < C; c++) {
      const keep = kept(rec, <usize>(pixel * C + c))
      for (let step = 0; step < T; step++) {
        const offset = (<usize>((pixel * T + step) * C + c)) << 2
        store<f32>(
          address(rec, DropoutWord.Out) + offset,
          keep ? load<f32>(address(rec, DropoutWord.In) + offset) : 0,
        )
      }
    }
}
