/** What ops share that pass over rows of pixels, and those that go on from run to run. */

import { Control } from '../../assembly/opcodes.js'
import { checkInteger, checkOptions } from '../errors.js'
import { inUnits } from '../plan/budgets.js'
import type { ControlBlock, Settings } from './builder.js'
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

/** Checks `StepSettings` and writes them. */
export function stepSetting(op: string, last: number) {
  return (block: ControlBlock, settings: Settings): void => {
    checkOptions(`${op}.run`, settings, ['step'])
    const { step = 0 } = settings
    checkInteger(`${op}.run: step`, step as number, 0, last)
    block.word(Control.FirstStep, step as number)
  }
}
