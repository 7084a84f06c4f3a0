/** Sums of gradients; that of average pooling is one of one gradient. */

import { checkOptions, describe, expect } from '../../errors.js'
import { emitGradientSum } from '../../plan/gradients.js'
import { type Contribution, noPool } from '../../plan/tensors.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { type Extent, extentOf, showShape, still } from '../shapes.js'
import { floatTensor } from '../tensor.js'
import { imageOf, type WindowOptions, windowed, windowOptions } from '../windows.js'

/** One gradient that `ops.gradientSum` adds: what a reader of the tensor hands back. */
export interface GradientTerm extends Partial<WindowOptions> {
  /** The reader saw the tensor at each step (the default if it has T), or gives one for all. */
  readonly timed?: boolean
  /** The factor that the reader saw the tensor times. Default 1. */
  readonly scale?: number
}

/** Options of `ops.gradientSum`. */
export interface GradientSumOptions {
  /** Shape of the tensor: [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** At least one. A `kernelSize` means that the reader saw means over windows. */
  readonly terms: readonly GradientTerm[]
}

function contribution(
  { b }: OpBuilder,
  where: string,
  name: string,
  input: Extent,
  given: GradientTerm,
) {
  checkOptions(where, given, ['timed', 'scale', ...windowOptions])
  const { scale = 1, kernelSize, stride, padding, timed = input.timed } = given
  expect(
    Number.isFinite(scale),
    () => `${where}.scale must be a finite number, got ${describe(scale)}`,
  )
  expect(
    timed === false || (timed === true && input.timed),
    () =>
      `${where}.timed must be ${input.timed ? 'true or false' : `false`} for an input ` +
      `${showShape(input.shape)}, got ${describe(timed)}`,
  )
  expect(
    kernelSize !== undefined || (stride === undefined && padding === undefined),
    () => `${where}: stride and padding are of windows; give kernelSize too`,
  )
  expect(
    kernelSize === undefined || input.shape.length > 3,
    () => `${where}: windows need an image [B, C, H, W], got ${showShape(input.shape)}`,
  )
  const own = timed ? input : still(input)
  const windows = kernelSize !== undefined && windowed(where, { kernelSize, stride, padding }, own)
  const from = windows ? windows.output : own
  const pool = windows ? windows.pool : noPool
  const tensor = floatTensor(b, { name }, from)
  const gradient: Contribution = {
    buffer: tensor.buffer,
    steps: from.T,
    outH: from.H,
    outW: from.W,
    pool,
    scale: scale * (1 / (pool.kernel[0] * pool.kernel[1])),
  }
  return { tensor, gradient }
}

function planGradientSum(
  o: OpBuilder,
  shape: readonly number[],
  terms: readonly GradientTerm[],
  whereOf: (i: number) => string,
  nameOf: (i: number) => string,
  spatial: 'maybe' | 'always' = 'maybe',
): Planned {
  const { b, op } = o
  const input = extentOf(`${op}.input`, shape, 'maybe', spatial)
  const all = terms.map((term, i) => contribution(o, whereOf(i), nameOf(i), input, term))
  const out = floatTensor(b, { name: 'gradInput' }, input)
  const gradient = all.map((of) => of.gradient)
  const to = { shape: imageOf(input), stored: out.stored, gradient }
  emitGradientSum({ b, images: input.B }, to, input.T, out.buffer)
  return { inputs: all.map(({ tensor }) => tensor), outputs: [out] }
}

/**
 * The gradient of a tensor that several layers read, from what each of them hands back:
 *
 *     gradInput[t, b, c, y, x] = Σ over terms of scale/(kernelH·kernelW) ·
 *                                Σ of gradOutput[t, b, c, i, j] over the windows that hold (y, x)
 *
 * A term that is not `timed` hands back one gradient for all steps.
 *
 * Arguments of `run`: the terms' gradients, [B, C, outH, outW] or [B, C], or that behind T. The
 * plan's own memory: gradOutput0, gradOutput1 …. Result: gradInput.
 */
export const gradientSum = operation<
  GradientSumOptions,
  Float32Array[],
  Float32Array,
  { readonly gradOutput0: Float32Array; readonly gradInput: Float32Array }
>('gradientSum', ['input', 'terms'], (o, { input, terms }) => {
  const { op } = o
  expect(
    Array.isArray(terms) && terms.length > 0,
    () => `${op}.terms must be a list of at least one term, got ${describe(terms)}`,
  )
  const whereOf = (i: number): string => `${op}.terms[${i}]`
  return planGradientSum(o, input, terms, whereOf, (i) => `gradOutput${i}`)
})

/** Options of `ops.avgPool2dBackward`. */
export interface AvgPool2dBackwardOptions extends WindowOptions {
  /** Shape of the gradient of the input: [B, C, H, W], or that behind T. */
  readonly input: readonly number[]
}

/**
 * The gradient of average pooling:
 *
 *     gradInput[t, b, c, y, x] = 1/(kernelH·kernelW) ·
 *                                Σ of gradOutput[t, b, c, i, j] over the windows that hold (y, x)
 *
 * Argument of `run`: gradOutput [B, C, outH, outW], or that behind T. Result: gradInput.
 */
export const avgPool2dBackward = operation<
  AvgPool2dBackwardOptions,
  [gradOutput: Float32Array],
  Float32Array,
  { readonly gradOutput: Float32Array; readonly gradInput: Float32Array }
>('avgPool2dBackward', ['input', ...windowOptions], (o, options) => {
  const { input, kernelSize, stride, padding } = options
  expect(kernelSize !== undefined, () => `${o.op}.kernelSize is missing`)
  const terms = [{ kernelSize, stride, padding }]
  return planGradientSum(
    o,
    input,
    terms,
    () => o.op,
    () => 'gradOutput',
    'always',
  )
})
