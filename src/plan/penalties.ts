/** Records of penalties on firing rates. */

import type { Penalty } from '../loss/made.js'
import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { ratePenalty } from './records/loss.js'
import type { FieldsOf } from './records/schema.js'
import type { Shape } from './tensors.js'

/** What a penalty's record is made from. */
export interface PenaltyRecord
  extends Pick<
    FieldsOf<typeof ratePenalty>,
    'counts' | 'out' | 'partials' | 'stored' | 'steps' | 'scale'
  > {
  readonly images: number
  readonly shape: Shape
  readonly penalty: Pick<Penalty, 'norm' | 'target'>
}

/** Units of a penalty: each has a sum of its own. */
export function penaltyUnits(images: number, [, height, width]: Shape, stored: number) {
  const pixels = images * height * width
  return { pixels, ...inUnits(pixels, stored) }
}

export function emitRatePenalty(b: ProgramBuilder, record: PenaltyRecord): void {
  const { images, shape, stored, penalty, steps, scale, ...places } = record
  const { units, ...sizes } = penaltyUnits(images, shape, stored)
  const [channels, height, width] = shape
  const fields = { ...places, ...sizes, stored, channels, pixelsPerImage: height * width, steps }
  const { target, norm } = penalty
  b.emit(ratePenalty, units, { ...fields, target, scale, absolute: norm === 'L1' })
}
