/** A batch in PyTorch’s layout: checked, and copied into a slot. */

import { describe, expectFinite, fail } from '../../base/errors.js'
import { expectTargets } from '../../compile/loss-kind.js'
import { showShapes, sizeOf } from '../../network/value.js'
import type { Session } from '../session.js'
import { expectFiniteSlot, layDown, repeatSamples, targetKind } from './run-words.js'

/** More than labels of any data are. */
const MOST_CLASSES = 2 ** 31

/** @throws SpikewasmError unless it holds so many samples */
export function checkBatch(session: Session, x: Float32Array, count: number): void {
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

/** Samples of several inputs by name: [n, …] of each, as many of all. */
export type NamedInputs = Readonly<Record<string, Float32Array>>

/**
 * Samples in one array, the inputs of each one behind the other.
 * @throws SpikewasmError where names or lengths are not those of the model's inputs
 */
export function joined(
  { inputs, frames, timeSteps, imageFloats }: Session,
  x: Float32Array | NamedInputs,
): Float32Array {
  // What is no record is refused by whoever reads it.
  const isRecord = typeof x === 'object' && x !== null && !Array.isArray(x)
  if (ArrayBuffer.isView(x) || !isRecord) return x as Float32Array
  if (!inputs) fail(`x must be a Float32Array, since the model has one input, got ${describe(x)}`)
  const names = Object.keys(inputs)
  const odd = Object.keys(x).find((name) => !names.includes(name))
  if (odd !== undefined || names.some((name) => !Object.hasOwn(x, name)))
    fail(
      `x must have an array for each of ${names.join(', ')}, got ` +
        (Object.keys(x).join(', ') || 'none'),
    )
  const T = frames ? timeSteps : 1
  const counts = names.map((name) => {
    expectNumbers(`x.${name}`, x[name])
    return x[name].length / (sizeOf(inputs[name]) * T)
  })
  const [n] = counts
  if (!Number.isInteger(n) || counts.some((count) => count !== n))
    fail(
      `x must have as many samples of each input, ${showShapes(inputs)}` +
        `${frames ? ` at ${T} steps` : ''}, got ` +
        names.map((name, i) => `${counts[i]} of ${name}`).join(', '),
    )
  const all = new Float32Array(n * imageFloats)
  let at = 0
  for (const name of names) {
    const size = sizeOf(inputs[name]) * T
    for (let b = 0; b < n; b++)
      all.set(x[name].subarray(b * size, (b + 1) * size), b * imageFloats + at)
    at += size
  }
  return all
}

function checkLabels(session: Session, y: ArrayLike<number>, count: number): void {
  if (typeof y?.length !== 'number') fail(`y must be an array of labels, got ${describe(y)}`)
  if (y.length !== count)
    fail(`y must hold one label for each of the ${count} samples, got ${y.length}`)
  // What labels mean to a function is its own affair.
  const classes = session.loss.kind === 'custom' ? MOST_CLASSES : session.classes
  for (let i = 0; i < y.length; i++)
    if (!(Number.isInteger(y[i]) && y[i] >= 0 && y[i] < classes))
      fail(`labels must be integers from 0 to ${classes - 1}, got ${describe(y[i])} at index ${i}`)
}

/**
 * @param y labels [count], or wanted outputs [count, outputs] where the loss is of them
 * @throws SpikewasmError unless they are what the loss is of
 */
export function checkTargets(session: Session, y: ArrayLike<number>, count: number): void {
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
  expectTargets('y', session.loss, session.classes, y as Float32Array, targetFloats)
}

/**
 * Copies samples first … first + count − 1 of `x`, [n][C][H][W] or [n][T][C][H][W], into slot 0.
 * What is behind it is filled with repeats, unless only these images will run (`pad` false).
 *
 * @param y labels, or wanted outputs where the loss is of them
 */
export function fillSlot(
  session: Session,
  x: Float32Array,
  y: ArrayLike<number> | undefined,
  count: number,
  { pad = true, first = 0 }: { pad?: boolean; first?: number } = {},
): void {
  const { imageFloats: size, parts, batchSize } = session
  const B = pad ? batchSize : count
  const slot = session.slot(0)
  // Images that run one by one are slots of their own.
  for (let b = 0; b < count; b++) {
    const [to, n, i] = pad ? [slot.images, B, b] : [slot.images.subarray(b * size), 1, 0]
    layDown(to, n, i, x, (first + b) * size, parts)
  }
  if (pad) expectFiniteSlot('x', slot.images, B, count, parts)
  else expectFinite('x', slot.images, size, count)
  if (pad) repeatSamples(slot.images, B, count, parts)
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
