/** Outputs of any number of samples, batch by batch; a few samples one by one. */

import { copyOf } from '../copy.js'
import { checkOptions, checkSignal, fail } from '../errors.js'
import type * as host from '../host.js'
import { programOf } from './arena.js'
import { breathe } from './breathe.js'
import { expectFiniteOutput } from './non-finite.js'
import { runsHere } from './processors.js'
import type { Session } from './session.js'
import { expectNumbers, fillSlot } from './step.js'
import { inTurn } from './turns.js'
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
  /** Ends it: while it waits for its turn, and between two batches. It rejects with the reason. */
  signal?: host.AbortSignal
  /**
   * Predicts with the moving averages that `fit` keeps with `ema`, in place of the parameters,
   * which stay as they are. Default false.
   */
  averages?: boolean
}

/**
 * `Model.predict`. A few samples run one by one, more of them as a batch (`Plan.singles`); their
 * bits are the same.
 */
export async function predict(
  session: Session,
  x: Float32Array,
  options: PredictOptions = {},
): Promise<Prediction> {
  session.checkAlive()
  programOf(session, 'evaluate')
  checkOptions('predict', options, ['averages', 'signal'])
  const { averages, signal } = options
  checkSignal('predict.signal', signal)
  const n = countOf(session, x)
  const run = (given: Float32Array): Promise<Prediction> => {
    const averaged = wantsAverages('predict.averages', session, averages)
    // What one batch holds has been read when the first run is awaited.
    const isRead = n <= session.batchSize && !averaged
    const samples = isRead || given !== x ? given : copyOf(x)
    const all = (): Promise<Prediction> => predictAll(session, samples, n, signal)
    return averaged ? withAverages(session, all) : all()
  }
  return inTurn(session, [x], run, signal)
}

/** @throws SpikewasmError for what holds no samples */
function countOf(session: Session, x: Float32Array): number {
  expectNumbers('x', x)
  const { asked, frames, imageFloats, timeSteps } = session
  const n = x.length / imageFloats
  if (!(Number.isInteger(n) && n > 0))
    fail(
      `x must hold samples of [${[...(frames ? [timeSteps] : []), ...asked].join(', ')}] = ` +
        `${imageFloats} numbers each, got ${x.length}`,
    )
  return n
}

async function predictAll(
  session: Session,
  x: Float32Array,
  n: number,
  signal: host.AbortSignal | undefined,
): Promise<Prediction> {
  const { batchSize, timeSteps, classes: outputs } = session
  const logits = new Float32Array(n * outputs)
  const classes = new Int32Array(n)
  for (let first = 0; first < n; first += batchSize) {
    if (first > 0 && runsHere(session.workersOf('evaluate'))) await breathe()
    signal?.throwIfAborted()
    const count = Math.min(batchSize, n - first)
    const singly = count <= session.plan.singles.most
    fillSlot(session, 0, x, undefined, count, { pad: !singly, first })
    await session.run(singly ? 'single' : 'evaluate', 0, count)
    const given = output(session, timeSteps, count)
    expectFiniteOutput(session, given, (row) => `sample ${first + row}`)
    logits.set(given, first * outputs)
    classes.set(predictions(session).subarray(0, count), first)
  }
  return { logits, classes }
}
