/** Layers without a state: what each node of a NIR graph becomes. */

import { fail } from '../../base/errors.js'
import type { Fields } from '../../files/nir/graph.js'
import type { NirConventions, NirOptions } from '../../files/nir/options.js'
import { finite, type Shape, show, sizeOf, type Value } from '../../network/value.js'
import { conv1d } from '../../nn/layers/convolution.js'
import { delay } from '../../nn/layers/delay.js'
import * as layers from '../../nn/layers/index.js'
import { expectEach, float32, shared, valuesOf, type Weights } from './builder.js'
import type { FlatNode } from './flatten.js'

/** What a node becomes. */
export interface Step {
  readonly layer: () => layers.Layer
  /** What its name ends in behind the node's; nothing for the layer that is the node. */
  readonly end?: string
  readonly weights?: Weights
}

/** A node, and what is known where it is mapped. */
export interface Place {
  readonly node: FlatNode
  readonly fields: Fields
  readonly x: Value
  /** What messages call the file. */
  readonly file: string
  readonly how: NirConventions
  readonly options: NirOptions
  /** Whether biases of zeros stay parameters. */
  readonly keepBias: boolean
  /** Numbers that the nodes take that read this one; undefined where they take any. */
  readonly readersTake: number | undefined
}

export type Mapping = (place: Place) => readonly Step[]

type Two = readonly [number, number]

const one = ([a]: readonly number[]): number => a
const two = ([a, b]: readonly number[]): Two => [a, b]

/** A convolution along one or both dimensions. */
const convolution =
  (dimensions: 1 | 2): Mapping =>
  (place) => {
    const { fields, x } = place
    const weight = weightOf(fields, dimensions + 2)
    const { shape } = weight
    if (shape.length !== dimensions + 2 || weight.data.length === 0)
      fail(
        `${fields.where}: weight must have ${dimensions + 2} sizes, [out, in / groups, kernel…], ` +
          `got [${shape.join(', ')}]`,
      )
    const groups = fields.integer('groups', 1, 1)
    const kernel = shape.slice(2)
    const sizes = (field: string): readonly number[] =>
      fields.has(field) ? fields.integers(field, dimensions, 1) : kernel.map(() => 1)
    const [stride, dilation] = [sizes('stride'), sizes('dilation')]
    const padding = paddingOf(fields, kernel, stride, dilation)
    const given = fields.has('bias') ? biasOf(place) : undefined
    const bias = checkBias(fields, given, shape[0])
    expectInputShape(fields, x, dimensions)
    const options = <S>(size: (sizes: readonly number[]) => S) => ({
      groups,
      bias: bias !== undefined,
      stride: size(stride),
      padding: size(padding),
      dilation: size(dilation),
    })
    const [outputs, inputs] = [shape[0], shape[1] * groups]
    const layer = (): layers.Layer =>
      dimensions === 1
        ? conv1d(inputs, outputs, kernel[0], options(one))
        : layers.conv2d(inputs, outputs, two(kernel), options(two))
    return [{ layer, weights: { weight, bias } }]
  }

/** Nodes with a state are mapped elsewhere: neurons.ts. */
export const stateless = {
  Affine: (place) => dense(place, biasOf(place)),
  Linear: (place) => dense(place, undefined),
  Scale: ({ fields, x: { shape } }) => {
    const values = valuesOf(fields, 'scale', shape)
    expectEach(fields, 'scale', values, 'hold float32 numbers', finite)
    const factor = shared(values, shape)
    // One factor of 0 is refused by the layer, which gives it to the next one; a list is not.
    const listed = typeof factor === 'number' && Math.fround(factor) === 0
    if (listed) return [{ layer: () => layers.scale([...values]) }]
    return factor === 1 ? [] : [{ layer: () => layers.scale(factor as number | number[]) }]
  },
  Conv1d: convolution(1),
  Conv2d: convolution(2),
  SumPool2d: ({ fields }) => [{ layer: () => layers.sumPool2d(...pooling(fields)) }],
  AvgPool2d: ({ fields }) => [{ layer: () => layers.avgPool2d(...pooling(fields)) }],
  Flatten: flattening,
  Delay: ({ fields, x: { shape }, how: { dt } }) => {
    const seconds = valuesOf(fields, 'delay', shape)
    expectEach(fields, 'delay', seconds, 'be >= 0', (value) => value >= 0)
    const steps = seconds.map((value) => Math.round(value / dt))
    expectEach(
      fields,
      'delay',
      seconds,
      `be whole time steps of dt = ${dt} (choose another dt)`,
      (value, i) => Math.abs(value / dt - steps[i]) <= 1e-6 * Math.max(1, steps[i]),
    )
    const by = shared(steps, shape)
    if (typeof by !== 'number' && by.length !== shape[0])
      fail(
        `${fields.where}: delay must be one number or one for each of ${shape[0]} channels, got ` +
          'neurons of a channel that differ; split the node',
      )
    return by === 0 ? [] : [{ layer: () => delay(by) }]
  },
} satisfies Readonly<Record<string, Mapping>>

function biasOf({ fields, keepBias }: Place): Weights[string] {
  const bias = float32(fields, 'bias')
  return keepBias || bias.data.some((value) => value !== 0) ? bias : undefined
}

/** A weight of so many sizes. Some programs write sizes of 1 in front. */
function weightOf(fields: Fields, sizes: number): { shape: number[]; data: Float32Array } {
  const weight = float32(fields, 'weight')
  while (weight.shape.length > sizes && weight.shape[0] === 1) weight.shape.shift()
  return weight
}

/** A weight [out, in] as it is in the file. */
export function matrixOf(fields: Fields): { shape: number[]; data: Float32Array } {
  const weight = weightOf(fields, 2)
  if (weight.shape.length !== 2 || weight.data.length === 0)
    fail(
      `${fields.where}: weight must have shape [out, in], got [${weight.shape.join(', ')}]; ` +
        'put a Flatten before it',
    )
  return weight
}

/** @throws SpikewasmError unless the bias has one number for each output */
function checkBias(fields: Fields, bias: Weights[string], outputs: number): Weights[string] {
  if (bias !== undefined && bias.data.length !== outputs)
    fail(`${fields.where}: bias must have ${outputs} numbers, got ${bias?.data.length}`)
  return bias && { shape: [outputs], data: bias.data }
}

/** Whether it is a list of numbers, one behind the other, however many sizes of 1 it has. */
export const isVector = ({ flat, shape }: Value): boolean =>
  flat || Math.max(...shape) === sizeOf(shape)

function dense({ fields, x }: Place, bias: Weights[string]): Step[] {
  const weight = matrixOf(fields)
  const [outputs, inputs] = weight.shape
  const own = checkBias(fields, bias, outputs)
  if (!isVector(x) || sizeOf(x.shape) !== inputs)
    fail(
      `${fields.where}: its weight takes ${inputs} numbers, got ${show(x)}` +
        (sizeOf(x.shape) === inputs ? '; put a Flatten before it' : ''),
    )
  return [
    ...(x.flat || x.shape[0] === inputs
      ? []
      : [{ layer: () => layers.flatten(), end: '.flatten' }]),
    {
      layer: () => layers.linear(inputs, outputs, { bias: own !== undefined }),
      weights: { weight, bias: own },
    },
  ]
}

/** Zeros on every side, as numbers, 'same' or 'valid'. */
function paddingOf(
  fields: Fields,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): number[] {
  const text = fields.text('padding')
  if (text === undefined) return fields.integers('padding', kernel.length, 0)
  if (text === 'valid') return kernel.map(() => 0)
  if (text !== 'same')
    fail(`${fields.where}: padding must be numbers, 'same' or 'valid', got '${text.slice(0, 20)}'`)
  if (!kernel.every((n) => n % 2 === 1) || !stride.every((n) => n === 1))
    fail(
      `${fields.where}: padding 'same' needs a kernel of odd sizes and stride 1, got kernel ` +
        `[${kernel.join(', ')}] and stride [${stride.join(', ')}]; write a kernel with a row and ` +
        'column of zeros, or the padding as numbers',
    )
  return kernel.map((n, i) => (dilation[i] * (n - 1)) / 2)
}

/** @throws SpikewasmError where the file says another size of the input than it gets */
function expectInputShape(fields: Fields, { shape }: Value, dimensions: number): void {
  if (!fields.has('input_shape')) return
  const said = fields.integers('input_shape', dimensions, 1)
  const got = shape.slice(3 - dimensions)
  if (!said.every((n, i) => n === got[i]))
    fail(
      `${fields.where}: its input_shape is [${said.join(', ')}], but it gets ` +
        `[${shape.join(', ')}]; one of them is wrong`,
    )
}

function pooling(fields: Fields): [Two, { stride: Two; padding: Two }] {
  const pair = (field: string, least: number): Two => two(fields.integers(field, 2, least))
  const padding: Two = fields.has('padding') ? pair('padding', 0) : [0, 0]
  return [pair('kernel_size', 1), { stride: pair('stride', 1), padding }]
}

/**
 * All of a sample becomes features. Programs write the first dimension as 0 or, where they count
 * the batch, as 1; what is meant by 1 shows in what reads it.
 */
function flattening({ fields, x, readersTake }: Place): readonly Step[] {
  if (x.flat) return []
  const first = fields.integer('start_dim', -9, 1)
  const last = fields.integer('end_dim', -9, -1)
  const sizes = dimensionsOf(x.shape)
  const all = sizeOf(x.shape)
  const batched = fields.has('input_type') && fields.tensor('input_type').data.length > sizes
  const isAll =
    (last === -1 || last >= sizes - 1) &&
    (first === 0 || first === -sizes || (first === 1 && (batched || readersTake === all)))
  if (!isAll)
    fail(
      `${fields.where}: must flatten all of ${show(x)}, got start_dim ${first} and end_dim ` +
        `${last}; write start_dim 0 and end_dim -1`,
    )
  return [{ layer: () => layers.flatten() }]
}

const dimensionsOf = ([, h, w]: Shape): number => (h === 1 ? (w === 1 ? 1 : 2) : 3)
