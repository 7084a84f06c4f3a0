/** Single steps of a model: one of training, and one of a stream. */

import { checkBoolean, checkOptions, describe, expectFinite, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import type { StepOptions, StepResult, StreamStep } from '../compile-options.js'
import { output, predictions, programOf, spikeCounts } from '../memory/arena.js'
import type { Session } from '../session.js'
import { expectFiniteOutput, nonFinite } from './non-finite.js'
import { pixelsFirst, targetKind } from './run-words.js'
import { checkClipNorm, planOfOptimizer, stepFactor } from './training.js'

// A batch in PyTorch’s layout: checked, and copied into a slot.

function checkBatch(session: Session, x: Float32Array, count: number): void {
  const [C, H, W] = session.input
  const T = session.settings.frames ? session.timeSteps : 1
  expectNumbers('x', x)
  if (x.length !== T * count * C * H * W)
    fail(
      'x must hold ' +
        `[${[count, ...(T > 1 ? [T] : []), ...session.asked].join(', ')}] ` +
        `= ${T * count * C * H * W} numbers, got ${x.length}`,
    )
}

function checkLabels(session: Session, y: ArrayLike<number>, count: number): void {
  if (typeof y?.length !== 'number') fail(`y must be an array of labels, got ${describe(y)}`)
  if (y.length !== count)
    fail(`y must hold one label for each of the ${count} images, got ${y.length}`)
  for (let i = 0; i < y.length; i++)
    if (!(Number.isInteger(y[i]) && y[i] >= 0 && y[i] < session.classes))
      fail(
        `labels must be integers from 0 to ${session.classes - 1}, got ${describe(y[i])} ` +
          `at index ${i}`,
      )
}

/**
 * @param y labels [count], or wanted outputs [count, outputs] where the loss is of them
 * @throws SpikewasmError unless they are what the loss is of
 */
function checkTargets(session: Session, y: ArrayLike<number>, count: number): void {
  if (targetKind(session.plan) === 'labels') {
    checkLabels(session, y, count)
    return
  }
  const { targetFloats } = session
  if (!(y instanceof Float32Array))
    fail(`y must be a Float32Array [${count}, ${targetFloats}] with this loss, got ${describe(y)}`)
  expectNumbers('y', y as Float32Array)
  if (y.length !== count * targetFloats)
    fail(
      `y must hold [${count}, ${targetFloats}] = ${count * targetFloats} numbers, got ${y.length}`,
    )
  expectFinite('y', y as Float32Array, targetFloats, count)
}

/**
 * Copies samples first … first + count − 1 of `x`, [n][C][H][W] or [n][T][C][H][W], into a slot.
 * What is behind it is filled with repeats, unless only these images will run (`pad` false).
 *
 * @param y labels, or wanted outputs where the loss is of them
 */
export function fillSlot(
  session: Session,
  index: 0 | 1,
  x: Float32Array,
  y: ArrayLike<number> | undefined,
  count: number,
  { pad = true, first = 0 }: { pad?: boolean; first?: number } = {},
): void {
  const [C, H, W] = session.input
  const T = session.settings.frames ? session.timeSteps : 1
  const B = pad ? session.batchSize : count
  const slot = session.slot(index)
  const size = C * H * W * T
  for (let b = 0; b < count; b++)
    pixelsFirst(slot.images, b * size, x, (first + b) * size, T * C, H * W)
  expectFinite('x', slot.images, size, count)
  for (let b = count; b < B; b++)
    slot.images.copyWithin(b * size, (b % count) * size, (b % count) * size + size)
  if (slot.targets) slot.targets.set(y ?? [])
  else for (let b = 0; b < B; b++) slot.labels[b] = y && b < count ? y[b] : 0
}

/** @throws SpikewasmError for what is no typed array of numbers */
export function expectNumbers(name: string, x: Float32Array): void {
  if (
    !(
      ArrayBuffer.isView(x) &&
      'subarray' in x &&
      !(x instanceof BigInt64Array || x instanceof BigUint64Array)
    )
  )
    fail(`${name} must be a Float32Array, got ${describe(x)}`)
}

/** Labels of another class as a list, which can be copied. */
export const listOfLabels = (y: ArrayLike<number>): ArrayLike<number> =>
  typeof y !== 'object' || y === null || ArrayBuffer.isView(y) ? y : Array.from(y)

/** `Model.trainStep`. The caller must hold the model's lock. */
export async function trainStep(
  session: Session,
  x: Float32Array,
  y: ArrayLike<number>,
  options: StepOptions,
): Promise<StepResult> {
  checkOptions('trainStep', options, ['update', 'lr', 'clipNorm'])
  const { optimizer, batchSize } = session
  const program = checkBoolean('trainStep.update', options.update, true) ? 'train' : 'gradients'
  const { lr = optimizer.lr, clipNorm } = options
  const factor = stepFactor(optimizer, lr)
  checkClipNorm('trainStep.clipNorm', clipNorm)
  programOf(session, program)
  checkBatch(session, x, batchSize)
  checkTargets(session, y, batchSize)
  // Before anything is awaited: the caller's arrays may change then.
  const planned = planOfOptimizer(session, clipNorm)
  const [images, targets] = planned ? copyOf([x, y] as const) : [x, y]
  if (planned) await session.follow(planned)
  session.clipNorm = clipNorm
  fillSlot(session, 0, images, targets, batchSize)
  const result = await session.run(program, 0, batchSize, lr, factor)
  const problem = await nonFinite(session, 0, program)
  if (problem !== undefined) fail(problem)
  return result
}

/** `Model.step`. The caller must hold the model's lock. */
export async function streamStep(session: Session, x: Float32Array): Promise<StreamStep> {
  const { rates } = programOf(session, 'stream')
  checkBatch(session, x, session.batchSize)
  fillSlot(session, 0, x, undefined, session.batchSize)
  await session.run('stream', 0, session.batchSize)
  const logits = output(session, session.streamed)
  expectFiniteOutput(session, logits, (row) => `sample ${row} in step ${session.streamed}`)
  const classes = predictions(session).slice()
  return { steps: session.streamed, logits, classes, spikes: spikeCounts(session, rates) }
}
