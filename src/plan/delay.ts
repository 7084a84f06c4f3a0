/** The records of delays. */

import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { delay, delaySpikes } from './records/signals.js'
import type { Shape } from './tensors.js'
import type { Buffer } from './words.js'

/** Steps as the kernels read them: one number, or one for each channel as stored. */
export interface Delays {
  readonly by?: number
  readonly delays?: Uint8Array
  readonly most: number
}

/** The longest of a layer's delays. */
export const longestOf = (steps: number | readonly number[]): number =>
  typeof steps === 'number' ? steps : steps.reduce((a, b) => Math.max(a, b), 0)

export function delaysOf(steps: number | readonly number[], stored: number): Delays {
  if (typeof steps === 'number') return { by: steps, most: steps }
  const values = new Int32Array(stored)
  values.set(steps)
  return { delays: new Uint8Array(values.buffer), most: longestOf(steps) }
}

interface DelayJob extends Delays {
  readonly images: number
  readonly shape: Shape
  readonly stored: number
  /** Rows of the output. */
  readonly steps: number
  readonly in: Buffer
  readonly out: Buffer
  /** What calls carry on, where there are several. */
  readonly history?: Buffer
}

/** Bytes of what calls carry on of one neuron. */
export const historyBytes = (most: number, ofSpikes: boolean): number =>
  ofSpikes ? Math.ceil(most / 8) : 4 * most

function sizesOf({ images, shape, stored, ...job }: DelayJob, bytes: number) {
  const pixels = images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, bytes)
  return {
    units,
    fields: { ...job, pixels, channels: stored, pixelsPerUnit },
  }
}

/** Of floats; `back`: the gradient. */
export function emitDelay(
  b: ProgramBuilder,
  { inRows, back, ...job }: DelayJob & { readonly inRows: number; readonly back?: boolean },
): void {
  const { units, fields } = sizesOf(job, job.stored * job.steps)
  b.emit(delay, units, { ...fields, inRows, back })
}

/** Of spikes. */
export function emitDelaySpikes(
  b: ProgramBuilder,
  {
    counts,
    inPlaneBytes,
    ...job
  }: DelayJob & {
    readonly counts?: Buffer
    readonly inPlaneBytes: number
  },
): void {
  const { units, fields } = sizesOf(job, job.stored * 4)
  const planeBytes = fields.pixels * job.stored
  b.emit(delaySpikes, units, { ...fields, planeBytes, inPlaneBytes, counts })
}
