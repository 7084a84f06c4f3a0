/** Single steps of a model: one of training, and one of a stream. */

import { checkBoolean, checkOptions, checkSignal, copyWeights, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import type { StepOptions, StepResult, StreamStep } from '../compile-options.js'
import { output, predictions, programOf, spikeCounts } from '../memory/arena.js'
import type { Session } from '../session.js'
import { checkBatch, checkTargets, fillSlot } from './batch.js'
import { withSignal } from './host-loss.js'
import { expectFiniteOutput, nonFinite } from './non-finite.js'
import { runStep } from './passes.js'
import { checkClipNorm, planOfOptimizer, stepFactor } from './training.js'

/** `Model.trainStep`. The caller must hold the model's lock. */
export async function trainStep(
  session: Session,
  x: Float32Array,
  y: ArrayLike<number>,
  options: StepOptions,
): Promise<StepResult> {
  const known = ['update', 'lr', 'clipNorm', 'sampleWeights', 'signal']
  checkOptions('trainStep', options, known)
  checkSignal('trainStep.signal', options.signal)
  const { optimizer, batchSize } = session
  const program = checkBoolean('trainStep.update', options.update, true) ? 'train' : 'gradients'
  const { lr = optimizer.lr, clipNorm } = options
  const factor = stepFactor(optimizer, lr)
  checkClipNorm('trainStep.clipNorm', clipNorm)
  programOf(session, program)
  checkBatch(session, x, batchSize)
  checkTargets(session, y, batchSize)
  const weights = copyWeights('trainStep.sampleWeights', options.sampleWeights, batchSize)
  // Before anything is awaited: the caller's arrays may change then.
  const planned = planOfOptimizer(session, clipNorm, weights && { weighted: true })
  const [images, targets] = planned ? copyOf([x, y] as const) : [x, y]
  if (planned) await session.follow(planned)
  session.clipNorm = clipNorm
  fillSlot(session, images, targets, batchSize)
  session.slot(0).weights?.set(weights ?? new Float32Array(batchSize).fill(1))
  const run = () => runStep(session, program, 0, batchSize, lr, factor)
  const result = await withSignal(session, options.signal, run)
  const problem = await nonFinite(session, 0, program)
  if (problem !== undefined) fail(problem)
  return result
}

/** `Model.step`. The caller must hold the model's lock. */
export async function streamStep(session: Session, x: Float32Array): Promise<StreamStep> {
  const { rates } = programOf(session, 'stream')
  checkBatch(session, x, session.batchSize)
  fillSlot(session, x, undefined, session.batchSize)
  await session.run('stream', 0, session.batchSize)
  const logits = output(session, session.streamed)
  expectFiniteOutput(session, logits, (row) => `sample ${row} in step ${session.streamed}`)
  const classes = predictions(session).slice()
  return { steps: session.streamed, logits, classes, spikes: spikeCounts(session, rates) }
}
