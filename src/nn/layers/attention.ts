/** What gates and attention are made of: products of two values, and softmax. */

import { describe, fail } from '../../base/errors.js'
import { complete, integer, type Rules, truth } from '../../base/rules.js'
import { budgets, inUnits } from '../../compile/budgets.js'
import type { PlanOptions } from '../../compile/context.js'
import * as gradients from '../../compile/emit/gradients.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { storedChannels } from '../../compile/layout.js'
import { quoteMethodsWith } from '../../compile/methods.js'
import { defineLayer, type FloatBuffer, type Pass } from '../../compile/pass.js'
import type { Expression } from '../../compile/tensors.js'
import { matrixProduct, multiply, softmax as softmaxRecord } from '../../kernels/records/values.js'
import type { Buffer } from '../../kernels/records/words.js'
import { kindOf, labelOf, layerOf, noMore, type OfKind } from '../../network/kind.js'
import type { MatmulOptions } from '../../network/module.js'
import type { GraphNode } from '../../network/trace.js'
import {
  axisOf,
  expectStraight,
  type Shape,
  show,
  sizeOf,
  type Value,
} from '../../network/value.js'

/** What `mul` makes. */
export interface Mul extends OfKind<'mul'> {}

/** What `matmul` makes. */
export interface Matmul extends OfKind<'matmul'>, Required<MatmulOptions> {}

declare module '../../network/kind.js' {
  interface Layers {
    products: Mul | Matmul
  }
}

/** For a block's forward function. */
export const mul = (...more: []): Mul => layerOf(mulKind, {}, more)

const rules: Rules<Required<MatmulOptions>> = {
  transposeA: truth(false),
  transposeB: truth(false),
  heads: integer(1, Number.MAX_SAFE_INTEGER, 1),
}

/** For a block's forward function. */
export const matmul = (options: MatmulOptions = {}, ...more: []): Matmul =>
  layerOf(matmulKind, complete('matmul', rules, options, more))

/** A tensor of floats, or a gradient of one. */
export type Numbers = Pick<FloatBuffer, 'shape' | 'stored' | 'steps' | 'buffer'>

/** A product's factors and itself, or its gradients in their places. */
interface Product {
  /** Emits out = the product. */
  forward(a: Numbers, b: Numbers, out: Numbers): void
  /** Emits the gradient of a factor; `other`: the other one. */
  backward(of: 0 | 1, delta: Numbers, other: Numbers, out: Numbers): void
}

/** Whether a value is the same at every step: nothing before it keeps a state or draws numbers. */
function isStill({ graph, frames }: Pick<PlanOptions, 'graph' | 'frames'>, index: number): boolean {
  const { kind, layer, inputs } = graph.nodes[index]
  if (kind === 'input' || kind === 'timeMean') return kind !== 'input' || !frames
  const { equations, recurrence } = (layer && kindOf(layer).model?.(layer)) ?? {}
  const moves = equations && (equations.states.length > 0 || equations.draws?.length || recurrence)
  const waits = kind === 'delay' || kind === 'dcls1d'
  return !moves && !waits && inputs.every((input) => isStill({ graph, frames }, input))
}

/**
 * Plans a product. Where gradients have one row the factor that changes in time is there as its sum
 * over the steps: the mean of a product is that of the means if the other one is the same at each.
 */
function multiplied(
  pass: Pass,
  node: GraphNode,
  inputs: readonly Expression[],
  { forward, backward }: Product,
): Expression {
  const tensors = inputs.map((x) => floatsOf(pass, node, x))
  const [a, b] = tensors
  const { context, options, training } = pass
  const hasOneRow = training && context.method.rows === 'one'
  const changes = node.inputs.filter((input) => !isStill(options, input))
  if (hasOneRow && a.steps > 1 && b.steps > 1 && changes.length > 1)
    fail(
      `${node.name} (${labelOf(node)}): both factors change from step to step, and method ` +
        `'${options.method}' has one gradient for all steps, which their product does not have; ` +
        `use ${quoteMethodsWith(({ rows }) => rows === 'steps')}, or timeMean() before one of them`,
    )
  const output = pass.floatTensor(node.name, node.shape, Math.max(a.steps, b.steps))
  pass.make(output, { layers: 1, byImages: true }, () => forward(a, b, output))
  const factors = tensors.map((tensor) =>
    hasOneRow && tensor.steps > 1
      ? { ...tensor, steps: 1, buffer: pass.timeSum(node, tensor) }
      : tensor,
  )
  return gradients.withGradient(pass, node, output, (buffer, steps) => {
    const delta = { ...output, steps, buffer }
    for (const of of [0, 1] as const) {
      const [tensor, other] = [tensors[of], factors[1 - of]]
      const rows = gradients.gradientRows(pass, tensor)
      const name = `${node.name} gradient of factor ${of}`
      const out = gradients.gradientBuffer(pass, name, tensor.shape, rows, tensor.stored)
      backward(of, delta, other, { ...tensor, steps: rows, buffer: out })
      const isSum = other !== tensors[1 - of]
      gradients.giveTensorGradient(tensor, out, rows, isSum ? 1 / options.timeSteps : 1)
    }
  })
}

const mulKind = defineLayer<Mul>('mul', {
  inputs: 2,
  again: (rest) => mul(...noMore('mul', rest)),
  output(_layer, a, where, ...[b]) {
    const fits = a.shape.every((n, i) => n === b.shape[i] || n === 1 || b.shape[i] === 1)
    const [one] = [a, b].filter(({ shape }) => sizeOf(shape) === 1)
    const { flat, series } = one === a ? b : a
    if (!(fits && (one || a.flat === b.flat)))
      fail(
        `${where}: needs values of one shape, or sizes of 1 for as many as the other has, got ` +
          `${show(a)} and ${show(b)}; reshape(…) puts sizes of 1 where they are missing`,
      )
    const same = a.shape.every((n, i) => n === b.shape[i])
    for (const x of same ? [] : [a, b]) expectStraight(where, x)
    const [c, h, w] = a.shape.map((n, i) => Math.max(n, b.shape[i]))
    return [[c, h, w], flat, series]
  },
  lower: (pass, node, _layer, ...inputs) =>
    multiplied(pass, node, inputs, {
      forward: (...all) => emitMultiply(pass, node.shape, ...all),
      backward: (_of, ...all) => emitMultiply(pass, node.shape, ...all),
    }),
})

/** Bytes between places of a factor; 0 where it has one place for several of `shape`. */
function stridesOf({ shape: [c, h, w], stored, steps }: Numbers, all: Shape) {
  const pixel = steps * stored * 4
  return {
    image: h * w * pixel,
    step: steps > 1 ? stored * 4 : 0,
    row: h === all[1] ? w * pixel : 0,
    column: w === all[2] ? pixel : 0,
    single: c < all[0],
  }
}

/** Out = a · b of values of a shape, summed over all that it has one place for. */
export function emitMultiply(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  shape: Shape,
  ...[one, other, out]: readonly [Numbers, Numbers, Numbers]
): void {
  const [channels, height, columns] = shape
  const pixels = height * columns
  // The first one has all channels.
  const [first, second] = one.shape[0] < channels ? [other, one] : [one, other]
  const steps = Math.max(one.steps, other.steps)
  const { stored } = first
  const isWhole = out.shape[1] === height && out.shape[2] === columns
  const most = Math.max(1, Math.floor(budgets.unitFloats / (steps * stored)))
  const perUnit = isWhole ? Math.min(pixels, most) : pixels
  const places = { a: first.buffer, b: second.buffer, out: out.buffer }
  const strides = [first, second, out].map((of) => stridesOf(of, shape))
  const sizes = { pixels, columns, steps, stored, perUnit }
  b.emit(multiply, images * Math.ceil(pixels / perUnit), { ...places, strides, ...sizes })
}

/** Rows and columns of a matrix that a value is, of each head. */
const matrixOf = ({ shape: [c, , w] }: Pick<Value, 'shape'>, heads: number, transposed: boolean) =>
  transposed ? [w, c / heads] : [c / heads, w]

const matmulKind = defineLayer<Matmul>('matmul', {
  inputs: 2,
  again: (options) => matmul(options),
  output({ transposeA, transposeB, heads }, a, where, ...[b]) {
    for (const x of [a, b]) {
      expectStraight(where, x)
      const { shape } = x
      if (shape[1] !== 1)
        fail(
          `${where}: multiplies series [C, N] as matrices, got ${show(x)}; put ` +
            `reshape(x, [${shape[0]}, ${shape[1] * shape[2]}]) before it`,
        )
      if (shape[0] % heads !== 0)
        fail(`${where}: heads (${heads}) must divide the channels of ${show(x)}`)
    }
    const [left, right] = [matrixOf(a, heads, transposeA), matrixOf(b, heads, transposeB)]
    if (left[1] !== right[0])
      fail(
        `${where}: the first matrix must have as many columns as the second has rows, got ` +
          `${left.join('×')} and ${right.join('×')}${heads > 1 ? ' in each head' : ''} of ` +
          `${show(a)} and ${show(b)}`,
      )
    // A column of features stays one.
    const flat = b.flat && !transposeB
    return [[heads * left[0], 1, right[1]], flat, !flat]
  },
  lower(pass, node, { transposeA, transposeB, heads }, ...inputs) {
    const emit = (...all: [Factor, Factor, Numbers]): void => emitMatrixProduct(pass, heads, ...all)
    return multiplied(pass, node, inputs, {
      forward: (a, b, out) => emit([a, transposeA], [b, transposeB], out),
      // Y = A·B: dA = dY·Bᵀ and dB = Aᵀ·dY; where a value is the transposed factor, both sides
      // are.
      backward(of, delta, other, out) {
        if (of === 0 && transposeA) emit([other, transposeB], [delta, true], out)
        else if (of === 0) emit([delta, false], [other, !transposeB], out)
        else if (transposeB) emit([delta, true], [other, transposeA], out)
        else emit([other, !transposeA], [delta, false], out)
      },
    })
  },
})

/** A matrix, and whether it is read transposed. */
type Factor = readonly [of: Numbers, transposed: boolean]

/** Bytes between images, steps, heads, rows and columns of a matrix. */
function matrixStrides([{ shape, stored, steps }, transposed]: Factor, heads: number) {
  const [channel, pixel] = [4, steps * stored * 4]
  const [row, column] = transposed ? [pixel, channel] : [channel, pixel]
  const step = steps > 1 ? stored * 4 : 0
  return { image: shape[2] * pixel, step, head: (shape[0] / heads) * channel, row, column }
}

/** Out = left · right of each image, step and head; summed over the steps if it has one. */
export function emitMatrixProduct(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  heads: number,
  ...[left, right, out]: readonly [Factor, Factor, Numbers]
): void {
  const { steps, stored, shape } = out
  const summands = Math.max(left[0].steps, right[0].steps) / steps
  const [rows, depth] = matrixOf(left[0], heads, left[1])
  const columns = shape[2]
  const perUnit = Math.min(columns, budgets.denseRows)
  const places = { a: left[0].buffer, b: right[0].buffer, out: out.buffer }
  const all: readonly Factor[] = [left, right, [out, false]]
  const strides = all.map((of) => matrixStrides(of, heads))
  const sizes = { heads, steps, summands, rows, columns, depth, perUnit, stored }
  const units = images * steps * heads * Math.ceil(columns / perUnit)
  b.emit(matrixProduct, units, { ...places, strides, ...sizes })
}

// Softmax, whose gradient is products.

/** What `softmax` makes. */
export interface Softmax extends OfKind<'softmax'> {
  /** PyTorch's number of the size that it sums over: 1 the channels, −1 the last. */
  readonly dim: number
}

/**
 * e^x / Σ e^x along one size at each time step, any shape. Method rate, which has one gradient for
 * all steps, trains it where its input is the same at each step.
 * @param dim PyTorch's, which counts the batch as 0: 1 the channels; default −1, the last size
 * @throws SpikewasmError for other numbers, and when the network is compiled and there is no such
 *   size
 */
export function softmax(dim = -1, ...more: []): Softmax {
  if (!Number.isSafeInteger(dim)) fail(`softmax.dim must be an integer, got ${describe(dim)}`)
  return layerOf(softmaxKind, { dim }, more)
}

const softmaxKind = defineLayer<Softmax>('softmax', {
  again: ({ dim, ...rest }) => softmax(dim, ...noMore('softmax', rest)),
  output({ dim }, x, where) {
    expectStraight(where, x)
    axisOf(where, x, dim)
    return [x.shape, x.flat]
  },
  lower(pass, node, { dim }, x) {
    const { context, options, training } = pass
    const input = floatsOf(pass, node, x)
    const { steps, shape } = input
    if (training && context.method.rows === 'one' && steps > 1)
      fail(
        `${node.name} (softmax): its input changes from step to step, and method ` +
          `'${options.method}' has one gradient for all steps; use ` +
          `${quoteMethodsWith(({ rows }) => rows === 'steps')}, or timeMean() before it`,
      )
    const axis = axisOf(node.name, node, dim)
    const output = pass.floatTensor(node.name, node.shape, steps)
    pass.make(output, { layers: 0, byImages: true }, () =>
      emitSoftmax(pass, axis, input, output.buffer),
    )
    // y = softmax(x): δ·y − y·Σ δ·y.
    return gradients.withGradient(pass, node, output, (buffer, rows) => {
      const gradient = (name: string, of: Shape): Numbers => ({
        shape: of,
        stored: storedChannels(of[0]),
        steps: rows,
        buffer: gradients.gradientBuffer(pass, `${node.name} ${name}`, of, rows),
      })
      const delta = { ...output, steps: rows, buffer }
      const one = shape.map((n, i) => (i === axis ? 1 : n))
      const [sum, product, shares] = [
        gradient('sum of δ·y', one as unknown as Shape),
        gradient('δ·y', shape),
        gradient('shares', shape),
      ]
      emitMultiply(pass, shape, delta, output, sum)
      emitMultiply(pass, shape, delta, output, product)
      emitMultiply(pass, shape, output, sum, shares)
      gradients.giveTensorGradient(input, product.buffer, rows)
      gradients.giveTensorGradient(input, shares.buffer, rows, -1)
    })
  },
})

export function emitSoftmax(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  axis: number,
  { shape, stored, steps, buffer }: Numbers,
  out: Buffer,
): void {
  const [channels, height, width] = shape
  const pixel = steps * stored
  // Floats of a block, in which sums lie side by side; numbers of a sum, and floats between them.
  const [floats, count, apart] = [
    [stored, channels, 1],
    [height * width * pixel, height, width * pixel],
    [width * pixel, width, pixel],
  ][axis]
  const blocks = (images * height * width * pixel) / floats
  const { units, pixelsPerUnit: perUnit } = inUnits(blocks, floats)
  const lines = { lines: axis === 0 ? 1 : apart, bytes: count * apart * 4, stride: apart * 4 }
  const sizes = { blocks, perUnit, blockBytes: floats * 4, stored, channels }
  b.emit(softmaxRecord, units, { in: buffer, out, ...sizes, ...lines })
}
