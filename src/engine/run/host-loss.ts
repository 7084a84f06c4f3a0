/** Losses that are functions of the user's: what they are told, and what they give back. */

import { describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { isThenable } from '../../base/objects.js'
import type { CustomLoss, LossAndGradient } from '../../nn/loss/custom.js'
import type { StepResult } from '../compile-options.js'
import { programOf } from '../memory/arena.js'
import type { Session } from '../session.js'
import { type AnyBatch, outputsOf, type Probes } from './outputs.js'

/** The model's loss where it is a function. */
export const hostLossOf = ({ loss }: Session): CustomLoss | undefined =>
  loss.kind === 'custom' ? (loss as CustomLoss) : undefined

/** What messages call it. */
export const labelOfLoss = ({ name }: CustomLoss): string => `loss custom(${name || 'a function'})`

/**
 * Calls the function, which may not run the model.
 *
 * @throws what it throws, SpikewasmError for what is no loss, and the reason of the model's signal
 */
export async function judge(
  session: Session,
  loss: CustomLoss,
  slot: 0 | 1,
  told: Pick<AnyBatch, 'outputs' | 'shape' | 'step' | 'valid'>,
): Promise<LossAndGradient> {
  const { labels, targets, weights } = session.slot(slot)
  const given = { targets: (targets ?? labels).slice(), sampleWeights: weights?.slice() }
  const batch = { ...told, ...given } as AnyBatch
  const calling = session.lock.ask(() => beforeAbort(() => loss.evaluate(batch), session.signal))
  const found = await calling
  const what = labelOfLoss(loss)
  if (typeof found !== 'object' || found === null)
    fail(`${what} must give { loss, gradient }, got ${describe(found)}`)
  if (typeof found.loss !== 'number' || !Number.isFinite(found.loss))
    fail(`${what}: loss must be a finite number, got ${describe(found.loss)}`)
  const { correct } = found
  const { valid } = told
  if (correct !== undefined && !(Number.isInteger(correct) && correct >= 0 && correct <= valid))
    fail(
      `${what}: correct must be how many of the ${valid} samples are right, got ` +
        describe(correct),
    )
  session.judges = correct !== undefined
  return found
}

/** Runs something whose waiting for a loss function the signal ends. */
export async function withSignal<T>(
  session: Session,
  signal: host.AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const before = session.signal
  session.signal = signal
  try {
    return await run()
  } finally {
    session.signal = before
  }
}

/** A promise that ends with the signal's reason where nothing else ends it. */
function beforeAbort<T>(
  run: () => T | PromiseLike<T>,
  signal: host.AbortSignal | undefined,
): T | PromiseLike<T> {
  const running = run()
  if (!isThenable(running) || !signal) return running
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    Promise.resolve(running)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort))
  })
}

/** A batch of an evaluation, with the model's loss. */
export async function evaluateBatch(
  session: Session,
  slot: 0 | 1,
  valid: number,
): Promise<StepResult> {
  const result = await session.run('evaluate', slot, valid)
  const loss = hostLossOf(session)
  if (!loss) return result
  const [probes] = programOf(session, 'evaluate').outputs as readonly Probes[]
  const told = { ...(await outputsOf(session, probes)), step: 0, valid }
  const { loss: value, correct = 0 } = await judge(session, loss, slot, told)
  return { ...result, loss: value, correct, answers: valid, weight: valid }
}
