/** Records of the end of a network: its output, and its loss. */

import type { ProgramBuilder } from './program.js'
import { type crossEntropy, output } from './records/loss.js'
import type { FieldsOf } from './records/schema.js'
import type { Buffer } from './words.js'

/** What all losses read and write, beside the output. */
type LossPlaces = Pick<FieldsOf<typeof crossEntropy>, 'losses' | 'delta' | 'gradientScale'>

/** What the records of all losses have. */
export type LossFields = Omit<
  FieldsOf<typeof crossEntropy>,
  'mseWeight' | 'instantaneous' | 'labelSmoothing' | 'outputScale'
>

/** A loss with the numbers that its record has beside those of all losses. */
export interface LossKind {
  /** Whether it is of the output of each step. */
  readonly ofSteps?: boolean
  /** Whether it compares outputs with numbers, not with labels. */
  readonly ofValues?: boolean
  emit(b: ProgramBuilder, fields: LossFields, instantaneous: boolean): void
}

/** What the end of a network reads and writes. */
export interface Loss {
  readonly logits: Buffer
  /** [images][channels] */
  readonly output: Buffer
  readonly predictions: Buffer
  readonly images: number
  /** Steps of a call, and of all calls together. */
  readonly steps: number
  readonly totalSteps: number
  /** What the output is divided by; default all steps. */
  readonly outputOver?: number
  /** Classes as stored, and as they are. */
  readonly channels: number
  readonly classes: number
  /** Rows of an image's logits: 1 when they are the same at every step. */
  readonly rows: number
  /** Where there are labels. */
  readonly loss?: LossPlaces & { readonly of: LossKind; readonly instantaneous: boolean }
}

/** Output and predictions, and with labels the loss and its gradient. */
export function emitLoss(
  b: ProgramBuilder,
  { output: out, rows, loss, outputOver, ...of }: Loss,
): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  b.emit(output, 1, { ...shared, out, totalSteps: outputOver ?? of.totalSteps })
  if (!loss) return
  const { of: which, instantaneous, ...places } = loss
  which.emit(b, { ...shared, output: out, ...places }, instantaneous)
}
