/** Average pooling to a given size, and its gradient. */

import { emitAdaptive } from '../../layers/adaptive-pool.js'
import { pair, type Size } from '../../nn/kind.js'
import { adaptivePool, adaptivePoolBackward } from '../../plan/records/pool.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { extentOf, shapeLike } from '../shapes.js'
import { floatTensor } from '../tensor.js'
import type { Fixed, ImageInput } from '../types.js'

/** Options of `ops.adaptiveAvgPool2d` and its gradient. */
export interface AdaptiveAvgPool2dOptions {
  /** [B, C, H, W], or that behind T: of the input, backward of its gradient. */
  readonly input: readonly number[]
  /** Height and width of the output, or one number for both. */
  readonly outputSize: Size
}

function build({ b, op }: OpBuilder, options: AdaptiveAvgPool2dOptions, back: boolean): Planned {
  const input = extentOf(`${op}.input`, options.input, 'maybe', 'always')
  const [H, W] = pair(`${op}.outputSize`, options.outputSize, 1)
  const output = { ...input, shape: shapeLike(input, { H, W }), H, W }
  const [from, to] = back ? ([output, input] as const) : ([input, output] as const)
  const x = floatTensor(b, { name: back ? 'delta' : 'input' }, from)
  const y = floatTensor(b, { name: back ? 'inputGradient' : 'output' }, to)
  const sizes = { images: input.B, channels: x.stored, steps: input.T }
  emitAdaptive(
    b,
    back ? adaptivePoolBackward : adaptivePool,
    { ...sizes, input: [input.H, input.W], output: [H, W] },
    { in: x.buffer, out: y.buffer },
  )
  return { inputs: [x], outputs: [y] }
}

/**
 * Means over so many windows as asked for (PyTorch's adaptive average pooling): row i of the output
 * is that of the rows ⌊i·H/outH⌋ … ⌈(i + 1)·H/outH⌉ − 1, columns alike.
 *
 * Argument of `run`: input. Result: [B, C, outH, outW], or that behind T.
 */
export const adaptiveAvgPool2d = operation<
  AdaptiveAvgPool2dOptions,
  Fixed<
    ImageInput,
    [input: Float32Array],
    Float32Array,
    {
      /** [B][H][W][T][C] */
      readonly input: Float32Array
      /** [B][outH][outW][T][C] */
      readonly output: Float32Array
    }
  >
>('adaptiveAvgPool2d', ['input', 'outputSize'], (o, options) => build(o, options, false))

/**
 * The gradient of `ops.adaptiveAvgPool2d`: each window's is shared out over its pixels.
 *
 * Argument of `run`: delta [B, C, outH, outW], or that behind T. Result: of the shape `input`.
 */
export const adaptiveAvgPool2dBackward = operation<
  AdaptiveAvgPool2dOptions,
  Fixed<
    ImageInput,
    [delta: Float32Array],
    Float32Array,
    {
      /** [B][outH][outW][T][C] */
      readonly delta: Float32Array
      /** [B][H][W][T][C] */
      readonly inputGradient: Float32Array
    }
  >
>('adaptiveAvgPool2dBackward', ['input', 'outputSize'], (o, options) => build(o, options, true))
