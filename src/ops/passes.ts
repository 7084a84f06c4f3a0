/** What ops share that pass over rows of pixels, and those that go on from run to run. */

import { Control } from '../../assembly/opcodes.js'
import { checkInteger } from '../errors.js'
import { inUnits } from '../plan/budgets.js'
import { storedChannels } from '../plan/layout.js'
import type { Fields, RecordKind, Schema } from '../plan/records/schema.js'
import type { OpBuilder } from './builder.js'
import type { Setting } from './op.js'
import type { Extent } from './shapes.js'

/** Settings of ops that go on from run to run. */
export interface StepSettings {
  /** Number of the run's first step. At 0, the default, a run begins anew. */
  readonly step?: number
}

/** Traces and sums of gradients have no last step; the engine's numbers have 31 bits. */
export const LAST_STEP = 2 ** 31 - 1

/**
 * Pixels, channels and units of a record.
 *
 * @param rows of a pixel that the kernel takes together
 */
export function passOver({ B, H, W }: Extent, stored: number, rows: number) {
  const pixels = B * H * W
  const { units, pixelsPerUnit } = inUnits(pixels, stored * rows)
  const fields = { pixels, channels: stored, pixelsPerUnit }
  return { fields, units }
}

/** Emits a record that passes over all pixels; the other fields are those that all of them have. */
export function pass<S extends Schema>(
  { b }: OpBuilder,
  kind: RecordKind<S>,
  extent: Extent,
  own: Omit<Fields<S>, 'pixels' | 'channels' | 'pixelsPerUnit' | 'steps'>,
  rows = extent.T,
): void {
  const { fields, units } = passOver(extent, storedChannels(extent.C), rows)
  b.emit(kind, units, { ...fields, steps: extent.T, ...own } as unknown as Fields<S>)
}

/** For runs up to a last step. */
export const stepSetting = (last: number): Setting<StepSettings> => ({
  names: ['step'],
  write(block, { step = 0 }, where) {
    checkInteger(`${where}: step`, step, 0, last)
    block.word(Control.FirstStep, step)
  },
})
