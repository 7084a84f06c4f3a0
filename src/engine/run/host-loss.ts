/** Losses that are functions of the user's: what they are told, and what they give back. */

import { describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { after, isThenable } from '../../base/objects.js'
import { sizeOf } from '../../network/value.js'
import type { CustomLoss, LossAndGradient, LossBatch, OutputArrays } from '../../nn/loss/custom.js'
import type { StepResult } from '../compile-options.js'
import { programOf } from '../memory/arena.js'
import type { Session, Visit } from '../session.js'
import { buffersOf, shapeOf, writeOutput } from './outputs.js'

/** The model's loss where it is a function. */
export const hostLossOf = ({ loss }: Session): CustomLoss | undefined =>
  loss.kind === 'custom' ? (loss as CustomLoss) : undefined

/** What messages call it. */
export const labelOfLoss = ({ name }: CustomLoss): string => `loss custom(${name || 'a function'})`

/** What a loss has found. */
export type Judged = Pick<LossAndGradient, 'loss' | 'correct'>

/** What of a batch a function is told. */
export interface Told {
  readonly outputs: OutputArrays<Float32Array>
  readonly shape: readonly number[]
  readonly step: number
  readonly valid: number
}

/**
 * Calls the function, which may not run the model.
 *
 * @throws what it throws, SpikewasmError for what is no loss, and the reason of the model's signal
 */
export function judge(
  session: Session,
  loss: CustomLoss,
  slot: 0 | 1,
  told: Told,
): LossAndGradient | PromiseLike<LossAndGradient> {
  const { labels, targets, weights } = session.slot(slot)
  const given = { targets: (targets ?? labels).slice(), sampleWeights: weights?.slice() }
  const batch = { ...told, ...given } as LossBatch
  const asked = session.lock.ask(() => beforeAbort(() => loss.evaluate(batch), session.signal))
  return after(asked, (found) => {
    checkFound(labelOfLoss(loss), found, told.valid)
    session.judges = found.correct !== undefined
    return found
  })
}

function checkFound(what: string, found: LossAndGradient, valid: number): void {
  if (typeof found !== 'object' || found === null)
    fail(`${what} must give { loss, gradient }, got ${describe(found)}`)
  if (typeof found.loss !== 'number' || !Number.isFinite(found.loss))
    fail(`${what}: loss must be a finite number, got ${describe(found.loss)}`)
  const { correct } = found
  if (correct !== undefined && !(Number.isInteger(correct) && correct >= 0 && correct <= valid))
    fail(
      `${what}: correct must be how many of the ${valid} samples are right, got ` +
        describe(correct),
    )
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
  const loss = hostLossOf(session)
  if (!loss) return session.run('evaluate', slot, valid)
  const outputs = new Collected(session)
  const result = await session.run('evaluate', slot, valid, undefined, undefined, outputs.take)
  const told = { ...outputs.all(), step: 0, valid }
  const { loss: value, correct = 0 } = await judge(session, loss, slot, told)
  return { ...result, loss: value, correct, answers: valid, weight: valid }
}

/** Outputs of a batch that comes in groups of images, and in calls of a few steps. */
class Collected {
  private readonly arrays = new Map<string, Float32Array>()
  private shape: readonly number[] = []

  constructor(private readonly session: Session) {}

  readonly take: Visit = async (call, at, first) => {
    const { batchSize: all, timeSteps, plan } = this.session
    const probes = programOf(this.session, 'evaluate').outputs?.[call] ?? []
    await this.session.refresh(buffersOf(probes))
    for (const probe of probes) {
      this.shape = shapeOf({ ...probe, steps: timeSteps }, all)
      const out = this.arrays.get(probe.name) ?? new Float32Array(sizeOf(this.shape))
      this.arrays.set(probe.name, out)
      writeOutput(this.session, probe, plan.passImages, out, { first, all, at })
    }
  }

  all(): Pick<Told, 'outputs' | 'shape'> {
    const [[, only], ...others] = this.arrays
    const outputs = others.length === 0 ? only : Object.fromEntries(this.arrays)
    return { outputs, shape: this.shape }
  }
}
