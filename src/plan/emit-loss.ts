/** Records of the end of a network: its output, and its loss. */

import { isOfCounts, type LossFields, type LossNumbers, lossKind } from '../loss/kind.js'
import type { Loss } from '../loss/made.js'
import type { ProgramBuilder } from './program.js'
import { output } from './records/loss.js'
import type { Buffer } from './words.js'

/** What all losses read and write, beside the output, and what they may ask of their training. */
type LossPlaces = Pick<LossFields, 'losses' | 'delta' | 'gradientScale'> &
  Omit<LossNumbers, 'factor' | 'outputScale'>

/** What the end of a network reads and writes. */
interface Ending {
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
  readonly loss?: LossPlaces & { readonly of: Loss }
}

/** Output and predictions, and with labels the loss and its gradient. */
export function emitLoss(
  b: ProgramBuilder,
  { output: out, rows, loss, outputOver, ...of }: Ending,
): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  b.emit(output, 1, { ...shared, out, totalSteps: outputOver ?? of.totalSteps })
  if (!loss) return
  const { of: which, mseWeight, instantaneous, allSteps, ...places } = loss
  const factor = isOfCounts(which) ? of.totalSteps : 1
  // The sum over time where the output is not divided by the steps.
  const scale = outputOver && !instantaneous ? factor / of.totalSteps : factor
  const outputScale = scale === 1 ? undefined : scale
  const numbers = { mseWeight, instantaneous, allSteps, factor, outputScale }
  lossKind(which.kind).emit(b, which, { ...shared, output: out, ...places }, numbers)
}
