/** Max pooling of spikes and of floats, forward and backward. */

import { endOf } from '../base/units'
import { PoolRecord } from '../generated/records'

/**
 * A pooled neuron spikes when any neuron of its window does: Out = OR of the masks. counts =
 * its spikes, += at steps t > 0 of an outer loop, where they are wanted. Choice = the position in
 * the window that the gradient goes to: the first with the highest rate so far, by InCounts u8 or
 * InSums float32, or with
 * choicePerStep at each step the first that spikes (as PyTorch's max pooling does). With
 * countsOfRates, counts = the highest InCounts of the window. Positions outside the image are
 * never chosen.
 * Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function maxPool(rec: PoolRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const H = rec.height
  const W = rec.width
  const T = rec.steps
  const sourceH = rec.sourceH
  const sourceW = rec.sourceW
  const perStep = rec.choicePerStep != 0
  const ofRates = rec.countsOfRates != 0
  const choice = rec.choice
  const planes = (T + 7) >> 3
  const add = rec.loop != 0 && t > 0
  const per = rec.pixelsPerUnit
  const end = endOf(rec.images * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / W
    const y0 = (line % H) * rec.strideH - rec.padH
    const x0 = (pixel % W) * rec.strideW - rec.padW
    const yEnd = min(sourceH, y0 + rec.kernelH)
    const xEnd = min(sourceW, x0 + rec.kernelW)
    const image = <usize>((line / H) * sourceH)
    for (let c = 0; c < C; c++) {
      let count = 0
      for (let plane = 0; plane < planes; plane++) {
        let mask = 0
        for (let y = max(0, y0); y < yEnd; y++)
          for (let x = max(0, x0); x < xEnd; x++)
            mask |= <i32>(
              load<u8>(
                rec.in +
                  <usize>plane * rec.inPlaneBytes +
                  ((image + <usize>y) * <usize>sourceW + <usize>x) * <usize>C +
                  <usize>c,
              )
            )
        store<u8>(rec.out + <usize>plane * rec.planeBytes + <usize>(pixel * C + c), mask)
        count += popcnt<i32>(mask)
      }
      if (rec.counts) {
        const counts = rec.counts + <usize>(pixel * C + c)
        if (ofRates) store<u8>(counts, highestCount(rec, image, y0, x0, yEnd, xEnd, <usize>c))
        else store<u8>(counts, add ? <i32>load<u8>(counts) + count : count)
      }
      if (!choice) continue
      const choices = perStep ? T : 1
      for (let step = 0; step < choices; step++)
        store<u8>(
          choice + <usize>((pixel * choices + step) * C + c),
          choose(rec, image, y0, x0, yEnd, xEnd, <usize>c, step),
        )
    }
  }
}

/** The position in a window of its first with the highest rate, or spike at a step. */
// @ts-ignore: decorator
@inline
function choose(
  rec: PoolRecord,
  image: usize,
  y0: i32,
  x0: i32,
  yEnd: i32,
  xEnd: i32,
  c: usize,
  step: i32,
): i32 {
  const C = <usize>rec.channels
  const sourceW = <usize>rec.sourceW
  const perStep = rec.choicePerStep != 0
  let best = -1
  let position = 0
  for (let y = max(0, y0); y < yEnd; y++)
    for (let x = max(0, x0); x < xEnd; x++) {
      const neuron = ((image + <usize>y) * sourceW + <usize>x) * C + c
      const mask = rec.in + <usize>(step >> 3) * rec.inPlaneBytes + neuron
      const value = perStep
        ? (<i32>load<u8>(mask) >> (step & 7)) & 1
        : rec.inSums
          ? <i32>load<f32>(rec.inSums + (neuron << 2))
          : <i32>load<u8>(rec.inCounts + neuron)
      if (value > best) {
        best = value
        position = (y - y0) * rec.kernelW + x - x0
      }
    }
  return position
}

/** The most spikes so far of a neuron of a window. */
function highestCount(
  rec: PoolRecord,
  image: usize,
  y0: i32,
  x0: i32,
  yEnd: i32,
  xEnd: i32,
  c: usize,
): i32 {
  const C = <usize>rec.channels
  const sourceW = <usize>rec.sourceW
  let highest = 0
  for (let y = max(0, y0); y < yEnd; y++)
    for (let x = max(0, x0); x < xEnd; x++) {
      const neuron = ((image + <usize>y) * sourceW + <usize>x) * C + c
      highest = max(highest, <i32>load<u8>(rec.inCounts + neuron))
    }
  return highest
}

/**
 * Out[pixel][T][C] = the largest In[source pixel][T][C] of the window's part inside the image.
 * Choice = the position in the window that the gradient goes to, the first of equal ones. It is
 * that of the largest value at each step, or one for all steps, that of the largest InCounts
 * float32 [source pixel][C] (a sum over time). Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function maxPoolFloats(rec: PoolRecord, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>rec.channels
  const H = rec.height
  const W = rec.width
  const T = <usize>rec.steps
  const sourceH = rec.sourceH
  const sourceW = rec.sourceW
  const kernelW = rec.kernelW
  const choice = rec.choice
  const chooser = rec.inCounts
  const row = C << 2
  const per = rec.pixelsPerUnit
  const end = endOf(rec.images * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / W
    const y0 = (line % H) * rec.strideH - rec.padH
    const x0 = (pixel % W) * rec.strideW - rec.padW
    const yEnd = min(sourceH, y0 + rec.kernelH)
    const xEnd = min(sourceW, x0 + kernelW)
    const image = <usize>((line / H) * sourceH * sourceW)
    const first = rec.in + image * T * row
    for (let step: usize = 0; step < T; step++) {
      const at = (<usize>pixel * T + step) * C
      windowMax(
        rec.out + (at << 2),
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
 * it. Here H and W are the size of the source, sourceH and sourceW that of the pooled tensor. Unit
 * = pixelsPerUnit source pixels. Scratch: none.
 */
export function maxPoolBackward(rec: PoolRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const H = rec.height
  const W = rec.width
  const T = rec.steps
  const pooledH = rec.sourceH
  const pooledW = rec.sourceW
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const perStep = rec.choicePerStep != 0
  const per = rec.pixelsPerUnit
  const end = endOf(rec.images * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / W
    const y = (line % H) + rec.padH
    const x = (pixel % W) + rec.padW
    const image = line / H
    const out = rec.out + ((<usize>(pixel * T * C)) << 2)
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
          const choice = rec.choice + <usize>((perStep ? pooled * T + step : pooled) * C)
          const src = rec.in + ((<usize>((pooled * T + step) * C)) << 2)
          const dst = out + ((<usize>(step * C)) << 2)
          for (let c: usize = 0; c < <usize>C; c++)
            if (<i32>load<u8>(choice + c) == position)
              store<f32>(dst + (c << 2), load<f32>(dst + (c << 2)) + load<f32>(src + (c << 2)))
        }
      }
  }
}
