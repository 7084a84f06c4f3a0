/** What a network is traced with. */

import { describe, fail, isOptions } from '../base/errors.js'

/** Channels, height and width of one sample at one time step, [C, H, W]. */
export type Shape = readonly [number, number, number]

/**
 * Sizes of one sample: [features] of a vector, [channels, length] of a series, [channels, height,
 * width] of an image.
 */
export type InputShape = readonly number[]

/** Sizes of several inputs by name, in the order in which a sample has them. */
export type InputShapes = Readonly<Record<string, InputShape>>

/** The same as [C, H, W]: a vector of F numbers is [F, 1, 1], a series [C, L] is [C, 1, L]. */
export function imageShape(shape: InputShape): Shape {
  if (shape.length === 1) return [shape[0], 1, 1]
  return shape.length === 2 ? [shape[0], 1, shape[1]] : [shape[0], shape[1], shape[2]]
}

/** Numbers of a sample. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/**
 * @returns a copy, which cannot be changed
 * @throws SpikewasmError unless it is one to three integers ≥ 1
 */
export function checkInputShape(name: string, shape: unknown): InputShape {
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 1
  const isList = Array.isArray(shape) && shape.length >= 1 && shape.length <= 3
  if (!(isList && shape.every(isSize) && Number.isSafeInteger(sizeOf(shape))))
    fail(
      `${name} must be [features], [channels, length] or [channels, height, width], got ` +
        describe(shape),
    )
  return Object.freeze([...shape]) as unknown as InputShape
}

/** Sizes of a sample in which several inputs lie one behind the other. */
export const sampleShape = (given: InputShape | InputShapes): InputShape =>
  isShapes(given) ? [Object.values(given).reduce((sum, shape) => sum + sizeOf(shape), 0)] : given

export const isShapes = (given: InputShape | InputShapes): given is InputShapes =>
  typeof given === 'object' && given !== null && !Array.isArray(given)

/** What messages and summaries say of the sizes of a sample. */
export const showShapes = (given: InputShape | InputShapes): string =>
  isShapes(given)
    ? `{ ${Object.entries(given)
        .map(([name, shape]) => `${name}: [${shape.join(', ')}]`)
        .join(', ')} }`
    : `[${given.join(', ')}]`

const MOST_NAMED = 1000

/**
 * @returns a copy, which cannot be changed
 * @throws SpikewasmError unless it is a shape, or several shapes by name
 */
export function checkInputs(name: string, given: unknown): InputShape | InputShapes {
  if (!isShapes(given as InputShapes)) return checkInputShape(name, given)
  const entries = Object.entries(given as InputShapes)
  if (!(entries.length >= 1 && entries.length <= MOST_NAMED))
    fail(`${name} must name 1 to ${MOST_NAMED} inputs, got ${entries.length}`)
  const odd = entries.find(([key]) => !/^[A-Za-z_]\w{0,99}$/.test(key) || key === '__proto__')
  if (odd)
    fail(`${name}: an input's name must be of letters, digits and _, got ${describe(odd[0])}`)
  return Object.freeze(
    Object.fromEntries(entries.map(([key, of]) => [key, checkInputShape(`${name}.${key}`, of)])),
  )
}

/** A tensor while a network is traced. Only its shape is known. */
export interface Value {
  /** [C, H, W] per sample and step. */
  readonly shape: Shape
  /** Whether it is a vector of C·H·W features: what `flatten` gave, or such an input. */
  readonly flat: boolean
  /**
   * Whether it comes of a series, [C, L], or was made one: of height 1 it is shown as such.
   */
  readonly series?: boolean
  /** Index of the layer that makes it, in the traced graph. */
  readonly node: number
}

type Sizes = Pick<Value, 'shape' | 'flat' | 'series'>

/** The axes of [C, H, W] that a value has to its user. */
const axesOf = ({ shape, flat, series }: Sizes): number[] =>
  flat ? [0] : series && shape[1] === 1 ? [0, 2] : [0, 1, 2]

/** The sizes of a value as its user writes them. */
export const sizesOf = (x: Sizes): number[] =>
  x.flat ? [sizeOf(x.shape)] : axesOf(x).map((axis) => x.shape[axis])

export const show = (x: Sizes): string => `[${sizesOf(x).join(', ')}]`

/**
 * The axis of [C, H, W] that PyTorch's `dim` means, which counts the batch as 0.
 * @throws SpikewasmError unless there is such a one
 */
export function axisOf(where: string, x: Sizes, dim: number): number {
  const axes = axesOf(x)
  const axis = Number.isInteger(dim) ? axes.at(dim > 0 ? dim - 1 : dim) : undefined
  if (axis === undefined || dim === 0)
    fail(
      `${where}: dim must be 1 … ${axes.length}, or −${axes.length} … −1 from behind, of ` +
        `${show(x)} (0 is the batch, as in PyTorch), got ${describe(dim)}`,
    )
  return axis
}

/** @throws SpikewasmError for an image that was flattened: its channels are no features */
export function expectStraight(where: string, x: Sizes): void {
  const size = sizeOf(x.shape)
  if (x.flat && size !== x.shape[0])
    fail(`${where}: takes no flattened image; put reshape([${size}]) in the place of flatten()`)
}

// What forward functions take and give.

export const isValue = (value: unknown): value is Value =>
  isOptions(value) && 'shape' in value && 'node' in value && typeof value.node === 'number'

// Numbers of a whole layer, of each channel or of each neuron.

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
