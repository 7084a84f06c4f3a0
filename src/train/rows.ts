/** What an evaluation looks at: a row for each sample, or with targets by step for each step. */

import { isIgnored, isOfValues } from '../compile/loss-kind.js'
import { hasTargetSteps } from '../compile/training.js'
import { output, predictions, stepOutputs } from '../engine/memory/arena.js'
import { greatest } from '../engine/run/predict.js'
import type { Session } from '../engine/session.js'
import type { Rows } from './metrics.js'

/**
 * @param labels of the samples
 * @param targets of the samples, where the loss is of them
 */
export function rowsOf(
  session: Session,
  labels: Int32Array,
  targets: Float32Array | undefined,
): Rows {
  const { loss } = session
  const count = labels.length
  const bySteps = hasTargetSteps(loss)
  const outputs = bySteps ? stepOutputs(session, count) : output(session, session.timeSteps, count)
  const answers = bySteps
    ? greatest(outputs, session.classes)
    : predictions(session).slice(0, count)
  const isOfNumbers = isOfValues(loss) || (loss.kind === 'custom' && targets !== undefined)
  if (isOfNumbers) return { outputs, predictions: answers, targets }
  const classOf = (value: number): number => (isIgnored(loss, value) ? -1 : value)
  const wanted = bySteps && targets ? Int32Array.from(targets, classOf) : labels
  return { outputs, predictions: answers, labels: wanted }
}
