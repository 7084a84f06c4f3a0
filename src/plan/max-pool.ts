/** Records of max pooling. */

import type { Pair } from '../nn/kind.js'
import { inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { maxPool, maxPoolBackward, maxPoolFloats } from './records/pool.js'
import type { Fields, FieldsOf, RecordKind, Schema } from './records/schema.js'
import { type SpikeTensor, windowWords } from './tensors.js'
import type { Buffer } from './words.js'

type Extent = { readonly shape: readonly [number, number, number] }

/** Windows over images, from one extent to another. */
export interface MaxPool {
  readonly window: { readonly kernelSize: Pair; readonly stride: Pair; readonly padding: Pair }
  readonly images: number
  /** Channels as stored. */
  readonly stored: number
  readonly steps: number
  readonly from: Extent
  readonly to: Extent
}

function fieldsOf({ window, images, stored, from, to }: MaxPool) {
  const { kernelSize, stride, padding } = window
  return {
    images,
    channels: stored,
    ...windowWords({ kernel: kernelSize, stride, padding }),
    height: to.shape[1],
    width: to.shape[2],
    sourceH: from.shape[1],
    sourceW: from.shape[2],
  }
}

const pixelsOf = ({ images }: MaxPool, { shape }: Extent): number => images * shape[1] * shape[2]

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
  {
    choice,
    perStep,
    loop,
    countsOfRates = false,
  }: { choice?: Buffer; perStep: boolean; loop: boolean; countsOfRates?: boolean },
): void {
  const { stored } = pool
  const pixels = pixelsOf(pool, pool.to)
  const { units, pixelsPerUnit } = inUnits(pixels, stored * 4)
  b.emit(maxPool, units, {
    ...fieldsOf(pool),
    in: input.masks,
    inCounts: (choice && !perStep) || countsOfRates ? input.counts : undefined,
    inPlaneBytes: pixelsOf(pool, pool.from) * stored,
    out: output.masks,
    counts: output.counts,
    planeBytes: pixels * stored,
    choice,
    choicePerStep: perStep,
    steps: pool.steps,
    pixelsPerUnit,
    loop,
    countsOfRates: countsOfRates || undefined,
  })
}

/** Of floats: the sums over time of `chooser` choose, or without it the values of each step. */
export const emitMaxPoolFloats = (
  b: ProgramBuilder,
  pool: MaxPool,
  places: Pick<FieldsOf<typeof maxPoolFloats>, 'in' | 'out' | 'choice' | 'chooser'>,
): void => emitFloats(b, maxPoolFloats, pool, places)

/** Sends each gradient to the place that was chosen: from the pooled extent to the source's. */
export const emitMaxPoolBackward = (
  b: ProgramBuilder,
  pool: MaxPool,
  delta: Buffer,
  { buffer: choice, perStep: choicePerStep }: Choice,
  out: Buffer,
): void => emitFloats(b, maxPoolBackward, pool, { in: delta, choice, choicePerStep, out })

function emitFloats<S extends Schema>(
  b: ProgramBuilder,
  kind: RecordKind<S>,
  pool: MaxPool,
  own: object,
): void {
  const { stored, steps } = pool
  const { units, pixelsPerUnit } = inUnits(pixelsOf(pool, pool.to), stored * steps)
  const fields = { ...fieldsOf(pool), ...own, steps, pixelsPerUnit }
  b.emit(kind, units, fields as unknown as Fields<S>)
}
