/** Presynaptic traces, sums over time, sums of scalars, and clearing. */

import { address, word } from '../base/record'
import { ClearWord, SumScalarsWord, TimeSumWord, TraceWord } from '../opcodes'
import { endOf } from './units'

/**
 * Out[P][C] = λ Out + In at step t of an outer loop, = In at t = 0: the presynaptic trace of OTTT
 * (Xiao et al. 2022, eq. 8). Unit = PixelsPerUnit pixels. Scratch: none.
 */
export function trace(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = (<usize>word(rec, TraceWord.C)) << 2
  const lambda = f32x4.splat(load<f32>(rec, TraceWord.Lambda * 4))
  const per = word(rec, TraceWord.PixelsPerUnit)
  const end = <usize>endOf(word(rec, TraceWord.Pixels), per, unit) * C
  for (let i = <usize>(unit * per) * C; i < end; i += 16) {
    const x = v128.load(address(rec, TraceWord.In) + i)
    const out = address(rec, TraceWord.Out) + i
    v128.store(out, t == 0 ? x : f32x4.add(x, f32x4.mul(lambda, v128.load(out))))
  }
}

/**
 * Out[P][C] = Σ_t In[P][T][C], the gradient of a current that is the same at every step. Unit =
 * PixelsPerUnit pixels. Scratch: none.
 */
export function timeSum(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = (<usize>word(rec, TimeSumWord.C)) << 2
  const T = word(rec, TimeSumWord.T)
  const per = word(rec, TimeSumWord.PixelsPerUnit)
  const end = endOf(word(rec, TimeSumWord.Pixels), per, unit)
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c: usize = 0; c < C; c += 16) {
      let src = address(rec, TimeSumWord.In) + <usize>(pixel * T) * C + c
      let sum = f32x4.splat(0)
      for (let step = 0; step < T; step++) {
        sum = f32x4.add(sum, v128.load(src))
        src += C
      }
      v128.store(address(rec, TimeSumWord.Out) + <usize>pixel * C + c, sum)
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
