/** The record of a multiplication by constants of channels or neurons. */

import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import type { FieldsOf } from './records/schema.js'
import { scaled } from './records/signals.js'
import type { Shape, StoredImages } from './tensors.js'

/**
 * Constants as the kernel reads them, [pixels][stored], and how many pixels have constants of their
 * own: 1, or those of an image.
 *
 * @param list one for each channel, or one for each neuron in the order [C][H][W]
 * @param stored channels as stored; those behind are multiplied by 0
 */
export function factorsOf(list: readonly number[], [c, h, w]: Shape, stored: number) {
  const factorPixels = list.length === c ? 1 : h * w
  const values = new Float32Array(factorPixels * stored)
  for (let channel = 0; channel < c; channel++)
    for (let pixel = 0; pixel < factorPixels; pixel++)
      values[pixel * stored + channel] = list[channel * factorPixels + pixel]
  return { factor: new Uint8Array(values.buffer), factorPixels }
}

type Scaled = Pick<FieldsOf<typeof scaled>, 'in' | 'out' | 'steps'>

export function emitScaled(
  b: ProgramBuilder,
  { images, shape, stored: channels, ...job }: StoredImages & ReturnType<typeof factorsOf> & Scaled,
): void {
  const pixels = images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, channels * job.steps)
  b.emit(scaled, units, { ...job, pixels, channels, pixelsPerUnit })
}
