/** Records of max pooling. */

import type { Windows } from '../nn/window.js'
import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { maxPool, maxPoolBackward, maxPoolFloats } from './records/pool.js'
import type { FieldsOf } from './records/schema.js'
import { type Shape, type SpikeTensor, windowWords } from './tensors.js'
import type { Buffer } from './words.js'

/** Windows over images, from one extent to another. */
export interface MaxPool {
  readonly window: Windows
  readonly images: number
  /** Channels as stored. */
  readonly stored: number
  readonly steps: number
  readonly from: { readonly shape: Shape }
  readonly to: { readonly shape: Shape }
}

/** Units that have so many floats of each pixel, and the sizes of a record. */
function sizesOf({ window, images, stored, from, to }: MaxPool, floats: number) {
  const [, height, width] = to.shape
  const [, sourceH, sourceW] = from.shape
  const pixels = images * height * width
  const words = windowWords(window)
  const fields = { images, channels: stored, ...words, height, width, sourceH, sourceW }
  return { ...inUnits(pixels, floats), pixels, fromPixels: images * sourceH * sourceW, fields }
}

/** Where the choice of each window goes: one for all steps, or one at each. */
export interface Choice {
  readonly buffer: Buffer
  readonly perStep: boolean
}

type Spikes = Pick<SpikeTensor, 'masks' | 'counts'>

/** Of spikes: `counts` are those of the input where the rate chooses. */
export function emitMaxPool(
  b: ProgramBuilder,
  pool: MaxPool,
  input: Spikes,
  output: Spikes,
  of: { choice?: Buffer; perStep: boolean; loop: boolean; countsOfRates?: boolean },
): void {
  const { stored, steps } = pool
  const { choice, perStep, loop, countsOfRates } = of
  const { units, pixelsPerUnit, pixels, fromPixels, fields } = sizesOf(pool, stored * 4)
  b.emit(maxPool, units, {
    ...fields,
    in: input.masks,
    inCounts: (choice && !perStep) || countsOfRates ? input.counts : undefined,
    inPlaneBytes: fromPixels * stored,
    out: output.masks,
    counts: output.counts,
    planeBytes: pixels * stored,
    choice,
    choicePerStep: perStep,
    steps,
    pixelsPerUnit,
    loop,
    countsOfRates: countsOfRates || undefined,
  })
}

/** Of floats: the sums over time of `chooser` choose, or without it the values of each step. */
export function emitMaxPoolFloats(
  b: ProgramBuilder,
  pool: MaxPool,
  places: Pick<FieldsOf<typeof maxPoolFloats>, 'in' | 'out' | 'choice' | 'chooser'>,
): void {
  const { units, pixelsPerUnit, fields } = sizesOf(pool, pool.stored * pool.steps)
  b.emit(maxPoolFloats, units, { ...fields, ...places, steps: pool.steps, pixelsPerUnit })
}

/** Sends each gradient to the place that was chosen: from the pooled extent to the source's. */
export function emitMaxPoolBackward(
  b: ProgramBuilder,
  pool: MaxPool,
  delta: Buffer,
  { buffer: choice, perStep: choicePerStep }: Choice,
  out: Buffer,
): void {
  const { units, pixelsPerUnit, fields } = sizesOf(pool, pool.stored * pool.steps)
  const places = { in: delta, choice, choicePerStep, out }
  b.emit(maxPoolBackward, units, { ...fields, ...places, steps: pool.steps, pixelsPerUnit })
}
