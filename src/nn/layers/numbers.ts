/** Numbers of a whole layer, of each channel or of each neuron. */

import { describe, expect } from '../../errors.js'

/**
 * A number for all neurons of a layer, one for each channel (length C), or one for each neuron
 * (length C·H·W, in PyTorch's order [C][H][W]).
 */
export type PerNeuron = number | readonly number[] | Float32Array | Float64Array

/** The same as a layer keeps it. */
export type Values = number | readonly number[]

/** Whether a number is finite as a float32. */
export const finite = (x: number): boolean =>
  typeof x === 'number' && Number.isFinite(Math.fround(x))

/** More neurons than a layer can have. */
const MOST_NUMBERS = 2 ** 26

/** @throws SpikewasmError unless it is a number, or an array of numbers, that fit */
export function checkNumbers(
  name: string,
  given: unknown,
  rule: string,
  fits: (x: number) => boolean,
): Values {
  const one = (x: unknown): x is number => typeof x === 'number' && fits(x)
  if (typeof given === 'number') {
    expect(one(given), () => `${name} must be ${rule}, got ${describe(given)}`)
    return given
  }
  const typed = given instanceof Float32Array || given instanceof Float64Array
  expect(
    typed || Array.isArray(given),
    () =>
      `${name} must be a number, or an array of numbers for each channel or neuron, got ` +
      describe(given),
  )
  expect(
    given.length > 0 && given.length <= MOST_NUMBERS,
    () => `${name} must have a number for each channel or neuron, got ${given.length} numbers`,
  )
  const values: unknown[] = Array.from<unknown>(given)
  const wrong = values.findIndex((x) => !one(x))
  expect(wrong < 0, () => `${name}[${wrong}] must be ${rule}, got ${describe(values[wrong])}`)
  return values as number[]
}
