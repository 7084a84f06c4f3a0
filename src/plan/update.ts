/** The optimizer's records. */

import type { ProgramBuilder } from './program.js'
import { clear, sgd } from './records/optimizer.js'
import type { Place } from './records/schema.js'

/** Floats of a unit. */
const UPDATE_FLOATS = 16384

/** A step of SGD; `count` floats, a multiple of 16. */
export function emitSgd(
  b: ProgramBuilder,
  {
    otherDecay,
    ...of
  }: {
    readonly parameters: Place
    readonly gradients: Place
    readonly velocities: Place
    readonly count: number
    readonly otherDecay: boolean
  },
): void {
  const units = Math.ceil(of.count / UPDATE_FLOATS)
  b.emit(sgd, units, { ...of, perUnit: UPDATE_FLOATS, otherDecay })
}

/** Zeros; `floats`: a multiple of 4. */
export function emitClear(b: ProgramBuilder, out: Place, floats: number): void {
  b.emit(clear, Math.ceil(floats / UPDATE_FLOATS), { out, floats, perUnit: UPDATE_FLOATS })
}
