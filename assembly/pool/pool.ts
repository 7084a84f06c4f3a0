/**
 * Max pooling, and spikes through dropout, forward beside backward; presynaptic traces; sums over
 * time.
 */

import { random64 } from '../base/random'
import { address, word } from '../base/record'
import { Control, PoolWord } from '../opcodes'

/** First and end of a unit's pixels. */
// @ts-ignore: decorator
@inline
function endOf(rec: usize, unit: i32): i32 {
  return min(
    word(rec, PoolWord.Images) * word(rec, PoolWord.H) * word(rec, PoolWord.W),
    (unit + 1) * word(rec, PoolWord.PixelsPerUnit),
  )
}

/**
 * A pooled neuron spikes when any neuron of its window does: Out = OR of masks. OutCounts its
 * spikes (added up over an outer loop). Choice, the position in the window that the gradient goes
 * to: the first with the highest rate so far, or at each step the first that spikes (ChoicePerStep,
 * the convention of PyTorch's max pooling); window positions outside the image count as never
 * chosen. Writes.
 */
export function maxPool(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = word(rec, PoolWord.C)
  const H = word(rec, PoolWord.H)
  const W = word(rec, PoolWord.W)
  const T = word(rec, PoolWord.T)
  const sourceH = word(rec, PoolWord.SourceH)
  const sourceW = word(rec, PoolWord.SourceW)
  const kernelW = word(rec, PoolWord.KernelW)
  const perStep = word(rec, PoolWord.ChoicePerStep) != 0
  const choice = address(rec, PoolWord.Choice)
  const planes = (T + 7) >> 3
  const add = word(rec, PoolWord.Loop) != 0 && t > 0
  const end = endOf(rec, unit)
  for (let pixel = unit * word(rec, PoolWord.PixelsPerUnit); pixel < end; pixel++) {
    const line = pixel / W
    const y0 = (line % H) * word(rec, PoolWord.StrideH) - word(rec, PoolWord.PadH)
    const x0 = (pixel % W) * word(rec, PoolWord.StrideW) - word(rec, PoolWord.PadW)
    const yEnd = min(sourceH, y0 + word(rec, PoolWord.KernelH))
    const xEnd = min(sourceW, x0 + kernelW)
    const image = <usize>((line / H) * sourceH)
    for (let c = 0; c < C; c++) {
      let count = 0
      for (let plane = 0; plane < planes; plane++) {
        let mask = 0
        for (let y = max(0, y0); y < yEnd; y++)
          for (let x = max(0, x0); x < xEnd; x++)
            mask |= <i32>(
              load<u8>(
                address(rec, PoolWord.In) +
                  <usize>plane * address(rec, PoolWord.InPlaneBytes) +
                  ((image + <usize>y) * <usize>sourceW + <usize>x) * <usize>C +
                  <usize>c,
              )
            )
        store<u8>(
          address(rec, PoolWord.Out) +
            <usize>plane * address(rec, PoolWord.OutPlaneBytes) +
            <usize>(pixel * C + c),
          mask,
        )
        count += popcnt<i32>(mask)
      }
      const counts = address(rec, PoolWord.OutCounts) + <usize>(pixel * C + c)
      store<u8>(counts, add ? <i32>load<u8>(counts) + count : count)
      if (!choice) continue
      const choices = perStep ? T : 1
      for (let step = 0; step < choices; step++) {
        let best = -1
        let position = 0
        for (let y = max(0, y0); y < yEnd; y++)
          for (let x = max(0, x0); x < xEnd; x++) {
            const neuron = ((image + <usize>y) * <usize>sourceW + <usize>x) * <usize>C + <usize>c
            const value = perStep
              ? (<i32>(
                  load<u8>(
                    address(rec, PoolWord.In) +
                      <usize>(step >> 3) * address(rec, PoolWord.InPlaneBytes) +
                      neuron,
                  )
                ) >>
                  (step & 7)) &
                1
              : <i32>load<u8>(address(rec, PoolWord.InCounts) + neuron)
            if (value > best) {
              best = value
              position = (y - y0) * kernelW + x - x0
            }
          }
        store<u8>(choice + <usize>((pixel * choices + step) * C + c), position)
      }
    }
  }
}

/**
 * Out[pixel][T][C] = the largest In[source pixel][T][C] of the window, the part inside the image.
 * Choice, the position in the window that the gradient goes to: of the largest value, the first on
 * ties, at each step of its own, or once by InCounts float32 [source pixel][C] (a sum over time).
 * Writes.
 */
export function maxPoolFloats(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>word(rec, PoolWord.C)
  const H = word(rec, PoolWord.H)
  const W = word(rec, PoolWord.W)
  const T = <usize>word(rec, PoolWord.T)
  const sourceH = word(rec, PoolWord.SourceH)
  const sourceW = word(rec, PoolWord.SourceW)
  const kernelW = word(rec, PoolWord.KernelW)
  const choice = address(rec, PoolWord.Choice)
  const chooser = address(rec, PoolWord.InCounts)
  const row = C << 2
  const end = endOf(rec, unit)
  for (let pixel = unit * word(rec, PoolWord.PixelsPerUnit); pixel < end; pixel++) {
    const line = pixel / W
    const y0 = (line % H) * word(rec, PoolWord.StrideH) - word(rec, PoolWord.PadH)
    const x0 = (pixel % W) * word(rec, PoolWord.StrideW) - word(rec, PoolWord.PadW)
    const yEnd = min(sourceH, y0 + word(rec, PoolWord.KernelH))
    const xEnd = min(sourceW, x0 + kernelW)
    const image = <usize>((line / H) * sourceH * sourceW)
    const first = address(rec, PoolWord.In) + image * T * row
    for (let step: usize = 0; step < T; step++) {
      const at = (<usize>pixel * T + step) * C
      windowMax(
        address(rec, PoolWord.Out) + (at << 2),
        choice && !chooser ? choice + at : 0,
        first + step * row,
        T * row,
        C,
        y0,
        x0,
        yEnd,
        xEnd,
        sourceW,
        kernelW,
      )
    }
    if (choice && chooser)
      windowMax(
        0,
        choice + <usize>pixel * C,
        chooser + image * row,
        row,
        C,
        y0,
        x0,
        yEnd,
        xEnd,
        sourceW,
        kernelW,
      )
  }
}

/**
 * One window: largest values float32 [C] and their positions u8 [C], either of them unless its
 * address is 0. source: the image's first pixel.
 */
function windowMax(
  out: usize,
  choice: usize,
  source: usize,
  pixelBytes: usize,
  C: usize,
  y0: i32,
  x0: i32,
  yEnd: i32,
  xEnd: i32,
  sourceW: i32,
  kernelW: i32,
): void {
  for (let c: usize = 0; c < C; c += 4) {
    let largest = f32x4.splat(-Infinity)
    let position = i32x4.splat(0)
    for (let y = max(0, y0); y < yEnd; y++)
      for (let x = max(0, x0); x < xEnd; x++) {
        const value = v128.load(source + <usize>(y * sourceW + x) * pixelBytes + (c << 2))
        const larger = f32x4.gt(value, largest)
        largest = v128.bitselect(value, largest, larger)
        position = v128.bitselect(i32x4.splat((y - y0) * kernelW + x - x0), position, larger)
      }
    if (out) v128.store(out + (c << 2), largest)
    if (choice)
      store<u32>(
        choice + c,
        i32x4.extract_lane(
          i8x16.shuffle(position, position, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12),
          0,
        ),
      )
  }
}

/**
 * Out[source pixel][T][C] = Σ over windows that hold the pixel and chose it of In[window][T][C].
 * unit = PixelsPerUnit source pixels. Writes. Here H, W are the source's size and SourceH, SourceW
 * the pooled one's.
 */
export function maxPoolBackward(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = word(rec, PoolWord.C)
  const H = word(rec, PoolWord.H)
  const W = word(rec, PoolWord.W)
  const T = word(rec, PoolWord.T)
  const pooledH = word(rec, PoolWord.SourceH)
  const pooledW = word(rec, PoolWord.SourceW)
  const kernelH = word(rec, PoolWord.KernelH)
  const kernelW = word(rec, PoolWord.KernelW)
  const strideH = word(rec, PoolWord.StrideH)
  const strideW = word(rec, PoolWord.StrideW)
  const perStep = word(rec, PoolWord.ChoicePerStep) != 0
  const end = endOf(rec, unit)
  for (let pixel = unit * word(rec, PoolWord.PixelsPerUnit); pixel < end; pixel++) {
    const line = pixel / W
    const y = (line % H) + word(rec, PoolWord.PadH)
    const x = (pixel % W) + word(rec, PoolWord.PadW)
    const image = line / H
    const out = address(rec, PoolWord.Out) + ((<usize>(pixel * T * C)) << 2)
    memory.fill(out, 0, (<usize>(T * C)) << 2)
    for (
      let oy = max(0, (y - kernelH + strideH) / strideH);
      oy < pooledH && oy * strideH <= y;
      oy++
    )
      for (
        let ox = max(0, (x - kernelW + strideW) / strideW);
        ox < pooledW && ox * strideW <= x;
        ox++
      ) {
        const position = (y - oy * strideH) * kernelW + x - ox * strideW
        const pooled = (image * pooledH + oy) * pooledW + ox
        for (let step = 0; step < T; step++) {
          const choice =
            address(rec, PoolWord.Choice) + <usize>((perStep ? pooled * T + step : pooled) * C)
          const src = address(rec, PoolWord.In) + ((<usize>((pooled * T + step) * C)) << 2)
          const dst = out + ((<usize>(step * C)) << 2)
          for (let c: usize = 0; c < <usize>C; c++)
            if (<i32>load<u8>(choice + c) == position)
              store<f32>(dst + (c << 2), load<f32>(dst + (c << 2)) + load<f32>(src + (c << 2)))
        }
      }
  }
}

/**
 * Whether dropout keeps neuron `index` of the batch: the same at every step, in the backward pass
 * and on every worker.
 */
// @ts-ignore: decorator
@inline
function kept(rec: usize, index: usize): bool {
  const uniform =
    <f32>(random64(load<u32>(Control.Seed), word(rec, PoolWord.Stream), <u64>index) >> 40) *
    (1.0 / 16777216.0)
  return uniform >= load<f32>(rec + ((<usize>PoolWord.Factor) << 2))
}

/**
 * Spikes of the kept neurons; the factor 1/(1 − p) is the planner's, on the consumer's scale.
 * Writes.
 */
export function dropout(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>word(rec, PoolWord.C)
  const planes = (word(rec, PoolWord.T) + 7) >> 3
  const end = <usize>endOf(rec, unit) * C
  for (let i = <usize>(unit * word(rec, PoolWord.PixelsPerUnit)) * C; i < end; i++) {
    const keep: u32 = kept(rec, i) ? 255 : 0
    for (let plane: usize = 0; plane < <usize>planes; plane++)
      store<u8>(
        address(rec, PoolWord.Out) + plane * address(rec, PoolWord.OutPlaneBytes) + i,
        load<u8>(address(rec, PoolWord.In) + plane * address(rec, PoolWord.InPlaneBytes) + i) &
          keep,
      )
    store<u8>(
      address(rec, PoolWord.OutCounts) + i,
      load<u8>(address(rec, PoolWord.InCounts) + i) & keep,
    )
  }
}

/** Out[P][T][C] = In of the kept neurons, 0 for the others. In and Out may be the same. Writes. */
export function dropoutFloats(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = word(rec, PoolWord.C)
  const T = word(rec, PoolWord.T)
  const end = endOf(rec, unit)
  for (let pixel = unit * word(rec, PoolWord.PixelsPerUnit); pixel < end; pixel++)
    for (let c = 0; c < C; c++) {
      const keep = kept(rec, <usize>(pixel * C + c))
      for (let step = 0; step < T; step++) {
        const offset = (<usize>((pixel * T + step) * C + c)) << 2
        store<f32>(
          address(rec, PoolWord.Out) + offset,
          keep ? load<f32>(address(rec, PoolWord.In) + offset) : 0,
        )
      }
    }
}

/**
 * Out[P][C] = λ Out + In at step t of an outer loop (t = 0: Out = In), the presynaptic trace of
 * OTTT (Xiao et al. 2022, eq. 8).
 */
export function trace(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = (<usize>word(rec, PoolWord.C)) << 2
  const lambda = f32x4.splat(load<f32>(rec + ((<usize>PoolWord.Factor) << 2)))
  const end = <usize>endOf(rec, unit) * C
  for (let i = <usize>(unit * word(rec, PoolWord.PixelsPerUnit)) * C; i < end; i += 16) {
    const x = v128.load(address(rec, PoolWord.In) + i)
    const out = address(rec, PoolWord.Out) + i
    v128.store(out, t == 0 ? x : f32x4.add(x, f32x4.mul(lambda, v128.load(out))))
  }
}

/**
 * Out[P][C] = Σ_t In[P][T][C]: the gradient of a current that is the same at every step. Writes.
 */
export function timeSum(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = (<usize>word(rec, PoolWord.C)) << 2
  const T = word(rec, PoolWord.T)
  const end = endOf(rec, unit)
  for (let pixel = unit * word(rec, PoolWord.PixelsPerUnit); pixel < end; pixel++)
    for (let c: usize = 0; c < C; c += 16) {
      let src = address(rec, PoolWord.In) + <usize>(pixel * T) * C + c
      let sum = f32x4.splat(0)
      for (let step = 0; step < T; step++) {
        sum = f32x4.add(sum, v128.load(src))
        src += C
      }
      v128.store(address(rec, PoolWord.Out) + <usize>pixel * C + c, sum)
    }
}

/** Out[i] = 0 for the unit's PixelsPerUnit of Images floats (a multiple of 4). */
export function clear(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const per = word(rec, PoolWord.PixelsPerUnit)
  const count = min(per, word(rec, PoolWord.Images) - unit * per)
  memory.fill(address(rec, PoolWord.Out) + ((<usize>(unit * per)) << 2), 0, (<usize>count) << 2)
}

/** Out[0] = Σ In[0 … Images − 1], in order, in float64. One unit. */
export function sumScalars(rec: usize, unit: i32, t: i32, scratch: usize): void {
  let sum: f64 = 0
  for (let i = 0; i < word(rec, PoolWord.Images); i++)
    sum += load<f32>(address(rec, PoolWord.In) + ((<usize>i) << 2))
  store<f32>(address(rec, PoolWord.Out), <f32>sum)
}
