/** Outputs of any number of samples, batch by batch; a few samples one by one. */

import { checkOptions, expect } from '../errors.js'
import { programOf } from './arena.js'
import { expectNumbers, fillSlot } from './batch.js'
import { expectFiniteOutput } from './non-finite.js'
import type { Session } from './session.js'
import { wantsAverages, withAverages } from './update.js'
import { output, predictions } from './views.js'

/** What `predict` returns for n samples. */
export interface Prediction {
  /** Time mean of the last layer's output, [n, classes], row by row. */
  readonly logits: Float32Array
  /** Index of the largest logit of each sample, [n]. */
  readonly classes: Int32Array
}

/** Options of `predict`. */
export interface PredictOptions {
  /**
   * Predicts with the moving averages that `fit` keeps with `ema`, in place of the parameters,
   * which stay as they are. Default false.
   */
  averages?: boolean
}

/**
 * `Model.predict`. The caller must hold the model's lock. A few samples run one by one, more of
 * them as a batch (`Plan.singles`); their bits are the same.
 */
export async function predict(
  session: Session,
  x: Float32Array,
  options: PredictOptions = {},
): Promise<Prediction> {
  programOf(session, 'evaluate')
  checkOptions('predict', options, ['averages'])
  const averages = wantsAverages('predict.averages', session, options.averages)
  const run = (): Promise<Prediction> => predictAll(session, x)
  return averages ? withAverages(session, run) : run()
}

async function predictAll(session: Session, x: Float32Array): Promise<Prediction> {
  expectNumbers('x', x)
  const { input, asked, frames, batchSize, timeSteps, classes: outputs } = session
  const [C, H, W] = input
  const size = C * H * W * (frames ? timeSteps : 1)
  const n = x.length / size
  expect(
    Number.isInteger(n) && n > 0,
    () => `x must hold samples of [${asked.join(', ')}] = ${size} numbers each, got ${x.length}`,
  )
  const logits = new Float32Array(n * outputs)
  const classes = new Int32Array(n)
  for (let first = 0; first < n; first += batchSize) {
    const count = Math.min(batchSize, n - first)
    const singly = count <= session.plan.singles.most
    fillSlot(session, 0, x, undefined, count, { pad: !singly, first, of: n })
    await session.run(singly ? 'single' : 'evaluate', 0, count)
    const given = output(session, timeSteps, count)
    expectFiniteOutput(session, given, (row) => `sample ${first + row}`)
    logits.set(given, first * outputs)
    classes.set(predictions(session).subarray(0, count), first)
  }
  return { logits, classes }
}
