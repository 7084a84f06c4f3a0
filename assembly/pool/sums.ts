/** Sums over time, sums of scalars, and clearing. */

import { address, word } from '../base/record'
import { endOf } from '../base/units'
import { ClearWord, SumScalarsWord, TimeSumWord } from '../opcodes'

/**
 * Out[P][C] = Σ_t In[P][T][C], with Loop += at steps t > 0 of an outer loop: a current's sum, or
 * the gradient of one that is the same at every step. Unit = PixelsPerUnit pixels. Scratch: none.
 */
export function timeSum(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = (<usize>word(rec, TimeSumWord.C)) << 2
  const T = word(rec, TimeSumWord.T)
  const per = word(rec, TimeSumWord.PixelsPerUnit)
  const end = endOf(word(rec, TimeSumWord.Pixels), per, unit)
  const add = word(rec, TimeSumWord.Loop) != 0 && t > 0
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c: usize = 0; c < C; c += 16) {
      let src = address(rec, TimeSumWord.In) + <usize>(pixel * T) * C + c
      let sum = f32x4.splat(0)
      for (let step = 0; step < T; step++) {
        sum = f32x4.add(sum, v128.load(src))
        src += C
      }
      const out = address(rec, TimeSumWord.Out) + <usize>pixel * C + c
      v128.store(out, add ? f32x4.add(v128.load(out), sum) : sum)
    }
}

/** Out[i] = 0. Unit = PerUnit of Floats floats (a multiple of 4). Scratch: none. */
export function clear(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const per = word(rec, ClearWord.PerUnit)
  const count = min(per, word(rec, ClearWord.Floats) - unit * per)
  memory.fill(address(rec, ClearWord.Out) + ((<usize>(unit * per)) << 2), 0, (<usize>count) << 2)
}

/** Out[0] = Σ In[0 … Count − 1], in order, in float64. One unit. Scratch: none. */
export function sumScalars(rec: usize, unit: i32, t: i32, scratch: usize): void {
  let sum: f64 = 0
  for (let i = 0; i < word(rec, SumScalarsWord.Count); i++)
    sum += load<f32>(address(rec, SumScalarsWord.In) + ((<usize>i) << 2))
  store<f32>(address(rec, SumScalarsWord.Out), <f32>sum)
}
