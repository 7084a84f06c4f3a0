/** Records of penalties on firing rates. */

import type { Penalty } from '../loss/made.js'
import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { ratePenalty } from './records/loss.js'
import type { Shape } from './tensors.js'
import type { Buffer } from './words.js'

/** What a penalty's record is made from. */
export interface PenaltyRecord {
  readonly counts: Buffer
  readonly out: Buffer
  readonly partials: Buffer
  readonly images: number
  readonly shape: Shape
  readonly stored: number
  readonly steps: number
  readonly penalty: Pick<Penalty, 'norm' | 'target'>
  /** Factor of the gradient by the rates. */
  readonly scale: number
}

/** Units of a penalty: each has a sum of its own. */
export function penaltyUnits(images: number, [, height, width]: Shape, stored: number) {
  const pixels = images * height * width
  return { pixels, ...inUnits(pixels, stored) }
}

export function emitRatePenalty(b: ProgramBuilder, record: PenaltyRecord): void {
  const { images, shape, stored, penalty, steps, scale, ...places } = record
  const { units, ...sizes } = penaltyUnits(images, shape, stored)
  b.emit(ratePenalty, units, {
    ...places,
    ...sizes,
    stored,
    channels: shape[0],
    pixelsPerImage: shape[1] * shape[2],
    steps,
    target: penalty.target,
    scale,
    absolute: penalty.norm === 'L1',
  })
}
