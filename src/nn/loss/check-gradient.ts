/** Whether a loss function's gradient is that of its loss. */

import { describe, fail } from '../../base/errors.js'
import { complete, optional, type Rules, range, such } from '../../base/rules.js'
import { sizeOf } from '../../network/value.js'
import type { AnyOutputs, CustomLoss, CustomTargets, LossBatch, LossFunction } from './custom.js'

/** Options of `checkGradient`; each has a default. */
export interface CheckGradientOptions {
  /** Sizes of the outputs, [B, C] or [steps, B, C]. Default: [labels, outputs for each label]. */
  shape?: readonly number[]
  /** How far outputs are moved, times their size where it is above 1; default 0.001. */
  epsilon?: number
  /** The largest difference that is let through, as a share of the largest slope; default 0.001. */
  tolerance?: number
}

/** What `checkGradient` has found, where both agree. */
export interface GradientCheck {
  /** The largest difference, as a share of the largest slope. */
  readonly error: number
  /** The loss. */
  readonly loss: number
}

const rules: Rules<CheckGradientOptions> = {
  shape: optional(such('two or three sizes', (of) => Array.isArray(of) && of.length >= 2)),
  epsilon: range('> 0', 1e-3),
  tolerance: range('> 0', 1e-3),
}

/**
 * Compares the gradient that a loss function gives with finite differences of its loss: each output
 * is moved a little to both sides. Call it once, with a few samples.
 *
 * @param loss the function, or what `custom` has made of it
 * @param outputs as the function gets them; of several outputs a record by their names
 * @param targets as the function gets them
 * @throws SpikewasmError that names the output whose slope differs most, where it does
 */
export async function checkGradient<O extends AnyOutputs = Float32Array>(
  loss: LossFunction<CustomTargets, O> | CustomLoss,
  outputs: O,
  targets: Float32Array | Int32Array,
  options: CheckGradientOptions = {},
): Promise<GradientCheck> {
  const { epsilon, tolerance } = {
    ...complete('checkGradient', rules, options),
  } as Required<CheckGradientOptions>
  const evaluate = typeof loss === 'function' ? loss : loss?.evaluate
  if (typeof evaluate !== 'function')
    fail(`checkGradient must be given a loss function, got ${describe(loss)}`)
  checkArrays(outputs, targets)
  const wanted = targets.slice()
  const isOne = outputs instanceof Float32Array
  const arrays = Object.entries(isOne ? { outputs } : outputs).map(
    ([name, array]) => [name, Float32Array.from(array)] as const,
  )
  const [, last] = arrays[arrays.length - 1]
  const sizes = sizesOf(last.length, wanted.length, options.shape)
  const call = async () => {
    const copies = arrays.map(([name, array]) => [name, array.slice()] as const)
    const given = isOne ? copies[0][1] : Object.fromEntries(copies)
    const batch = { outputs: given, targets: wanted.slice(), shape: sizes, step: 0 }
    const found = await evaluate({ ...batch, valid: sizes[sizes.length - 2] } as LossBatch<
      CustomTargets,
      never
    >)
    if (typeof found?.loss !== 'number')
      fail(`checkGradient: the function must give { loss, gradient }, got ${describe(found)}`)
    return found
  }
  const { loss: value, gradient } = await call()
  let worst = { difference: -1, place: '', own: 0, slope: 0 }
  let largest = 0
  for (const [name, array] of arrays) {
    const own = isOne ? gradient : (gradient as Record<string, Float32Array>)?.[name]
    if (!ArrayBuffer.isView(own) || (own as Float32Array).length !== array.length)
      fail(
        `checkGradient: gradient of ${name} must hold ${array.length} numbers, as it does, got ` +
          describe(own),
      )
    for (const [i, x] of array.entries()) {
      const slope = await slopeAt(array, i, epsilon * Math.max(1, Math.abs(x)), call)
      const given = (own as Float32Array)[i]
      largest = Math.max(largest, Math.abs(slope), Math.abs(given))
      const difference = Math.abs(slope - given)
      if (!(difference <= worst.difference))
        worst = { difference, place: `${name}[${i}]`, own: given, slope }
    }
  }
  const error = largest === 0 ? 0 : worst.difference / largest
  if (!(error <= tolerance))
    fail(
      `checkGradient: the gradient at ${worst.place} must be the slope of the loss, ` +
        `${worst.slope.toPrecision(6)} by finite differences, got ${worst.own.toPrecision(6)}`,
    )
  return { error, loss: value }
}

/** Sizes of outputs; @throws SpikewasmError where those that are given have other numbers */
function sizesOf(
  numbers: number,
  targets: number,
  shape: readonly number[] = [targets, numbers / targets],
): readonly number[] {
  if (sizeOf(shape) !== numbers)
    fail(
      `checkGradient.shape must be the sizes of the ${numbers} outputs, got ` +
        `[${shape.join(', ')}] = ${sizeOf(shape)} numbers`,
    )
  return shape
}

/** @throws SpikewasmError for what no loss function gets */
function checkArrays(outputs: unknown, targets: unknown): void {
  const isFloats = (value: unknown): boolean => value instanceof Float32Array
  const arrays = Object.values(Object(isFloats(outputs) ? { outputs } : outputs))
  if (arrays.length === 0 || !arrays.every(isFloats))
    fail(
      'checkGradient: outputs must be a Float32Array, or such arrays by name, got ' +
        describe(outputs),
    )
  if (!isFloats(targets) && !(targets instanceof Int32Array))
    fail(
      'checkGradient: targets must be an Int32Array of labels, or a Float32Array, got ' +
        describe(targets),
    )
}

/** Moves a number by h to both sides. */
async function slopeAt(
  array: Float32Array,
  i: number,
  h: number,
  call: () => Promise<{ readonly loss: number }>,
): Promise<number> {
  const x = array[i]
  // What float32 makes of them is what they are apart.
  const [high, low] = [Math.fround(x + h), Math.fround(x - h)]
  array[i] = high
  const { loss: above } = await call()
  array[i] = low
  const { loss: below } = await call()
  array[i] = x
  return (above - below) / (high - low)
}
