/** Max pooling of spikes and of floats, forward and backward. */

import { address, word } from '../base/record'
import { endOf } from '../base/units'
import { PoolWord } from '../opcodes'

/**
 * A pooled neuron spikes when any neuron of its window does: Out = OR of the masks. OutCounts =
 * its spikes, += at steps t > 0 of an outer loop, where they are wanted. Choice = the position in
 * the window that the gradient goes to: the first with the highest rate so far, or with
 * ChoicePerStep at each step the first that spikes (as PyTorch's max pooling does). With
 * CountsOfRates, OutCounts = the highest InCounts of the window. Positions outside the image are
 * never chosen.
 * Unit = PixelsPerUnit pixels. Scratch: none.
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
  const ofRates = word(rec, PoolWord.CountsOfRates) != 0
  const choice = address(rec, PoolWord.Choice)
  const planes = (T + 7) >> 3
  const add = word(rec, PoolWord.Loop) != 0 && t > 0
  const per = word(rec, PoolWord.PixelsPerUnit)
  const end = endOf(word(rec, PoolWord.Images) * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
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
      if (address(rec, PoolWord.OutCounts)) {
        const counts = address(rec, PoolWord.OutCounts) + <usize>(pixel * C + c)
        if (ofRates) store<u8>(counts, highestCount(rec, image, y0, x0, yEnd, xEnd, <usize>c))
        else store<u8>(counts, add ? <i32>load<u8>(counts) + count : count)
      }
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

/** The most spikes so far of a neuron of a window. */
function highestCount(
  rec: usize,
  image: usize,
  y0: i32,
  x0: i32,
  yEnd: i32,
  xEnd: i32,
  c: usize,
): i32 {
  const C = <usize>word(rec, PoolWord.C)
  const sourceW = <usize>word(rec, PoolWord.SourceW)
  let highest = 0
  for (let y = max(0, y0); y < yEnd; y++)
    for (let x = max(0, x0); x < xEnd; x++) {
      const neuron = ((image + <usize>y) * sourceW + <usize>x) * C + c
      highest = max(highest, <i32>load<u8>(address(rec, PoolWord.InCounts) + neuron))
    }
  return highest
}

/**
 * Out[pixel][T][C] = the largest In[source pixel][T][C] of the window's part inside the image.
 * Choice = the position in the window that the gradient goes to, the first of equal ones. It is
 * that of the largest value at each step, or one for all steps, that of the largest InCounts
 * float32 [source pixel][C] (a sum over time). Unit = PixelsPerUnit pixels. Scratch: none.
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
  const per = word(rec, PoolWord.PixelsPerUnit)
  const end = endOf(word(rec, PoolWord.Images) * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
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
 * The largest values float32 [C] of one window and their positions u8 [C]. Either address may be
 * 0. source: the image's first pixel.
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
 * Out[source pixel][T][C] = Σ of In[window][T][C] over the windows that hold the pixel and chose
 * it. Here H and W are the size of the source, SourceH and SourceW that of the pooled tensor. Unit
 * = PixelsPerUnit source pixels. Scratch: none.
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
  const per = word(rec, PoolWord.PixelsPerUnit)
  const end = endOf(word(rec, PoolWord.Images) * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
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
