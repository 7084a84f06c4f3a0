/** Numbers of a whole layer, of each channel or of each neuron. */

import { describe, fail } from '../errors.js'

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
  const isOne = typeof given === 'number'
  const isList =
    Array.isArray(given) || given instanceof Float32Array || given instanceof Float64Array
  if (!isOne && !(isList && given.length > 0 && given.length <= MOST_NUMBERS))
    fail(
      `${name} must be a number, or an array of numbers for each channel or neuron, got ` +
        describe(given),
    )
  const values: unknown[] = isOne ? [given] : Array.from<unknown>(given as number[])
  const wrong = values.findIndex((x) => typeof x !== 'number' || !fits(x))
  if (wrong >= 0)
    fail(`${name}${isOne ? '' : `[${wrong}]`} must be ${rule}, got ${describe(values[wrong])}`)
  return isOne ? given : (values as number[])
}

/** @returns names of parameters that are learnt, in the order of those that can be */
export function checkLearn<K extends string>(
  name: string,
  given: unknown,
  known: readonly K[],
): K[] {
  const isList = Array.isArray(given)
  if (!(isList && given.every((one, i) => known.includes(one) && given.indexOf(one) === i)))
    fail(
      known.length > 0
        ? `${name} must name parameters (${known.join(', ')}), each once, got ${describe(given)}`
        : `${name} names ${describe(given)}, but there are no parameters that can be learnt`,
    )
  return known.filter((one) => given.includes(one))
}
