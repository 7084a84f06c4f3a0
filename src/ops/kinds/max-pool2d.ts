/** Max pooling, forward and backward. */

import { checkBoolean, describe, expect } from '../../errors.js'
import { emitMaxPool, emitMaxPoolBackward, emitMaxPoolFloats } from '../../plan/max-pool.js'
import { emitTimeSum } from '../../plan/pass.js'
import type { Buffer } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import {
  type Chosen,
  type CountsOfSpikes,
  type OutputsOf,
  type Selected,
  type SomeOutputs,
  selecting,
} from '../selecting.js'
import { type Extent, extentOf, sizeOf, still } from '../shapes.js'
import { stepBytesTensor } from '../special.js'
import { floatTensor, type OpTensor, spikesTensor, type Views } from '../tensor.js'
import { asSpikes } from '../terms.js'

import type { Totals } from '../totals.js'

import type { Fixed, ImageInput, InputOf, OpTypes, Ranked } from '../types.js'

import { imageOf, type Windowed, type WindowOptions, windowed, windowOptions } from '../windows.js'

/** By what a window's place is chosen. */
export type MaxPoolChoice = 'rate' | 'step'

/** Options of `ops.maxPool2d`. */
export interface MaxPool2dOptions extends WindowOptions {
  /** [B, C, H, W], or that behind T. */
  readonly input: readonly number[]
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
  /**
   * The result `choice` is by the time mean, 'rate' (the default, as the rate method has it), or at
   * each step, 'step'.
   */
  readonly choice?: MaxPoolChoice
}

/** What `ops.maxPool2d` can compute. */
export type MaxPool2dResults<O = unknown> = {
  /** The largest values: bytes with `spikes`. */
  readonly output: InputOf<O>
  /** Number in its window, row by row, of the place that the gradient goes to. */
  readonly choice: Uint8Array
  /** Of spikes: those of each window over all steps. */
  readonly counts: Uint8Array
}
type Name = keyof MaxPool2dResults

/** The plan's own memory besides the results. */
export type MaxPool2dMemory<O> = {
  /** Floats [B][H][W][T][C], or masks of spikes. */
  readonly input: InputOf<O>
  /** The result, whatever is asked for. */
  readonly output: InputOf<O>
}

/** `ops.maxPool2d`: on floats or spikes. */
export interface MaxPool2dTypes extends OpTypes {
  /** Shapes have the right rank; counts are of spikes. */
  readonly rules: Ranked<this['options'], ImageInput> &
    SomeOutputs<this['options']> &
    CountsOfSpikes<this['options']>
  /** Floats or spikes. */
  readonly args: [input: InputOf<this['options']>]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** What `outputs` names. */
  readonly result: Selected<
    MaxPool2dResults<this['options']>,
    OutputsOf<this['options'], readonly ['output']>
  >
  /** The plan's own memory by name. */
  readonly memory: MaxPool2dMemory<this['options']> &
    Chosen<MaxPool2dResults<this['options']>, OutputsOf<this['options'], readonly ['output']>>
}

/** Places of a window that a byte can number. */
const MOST_PLACES = 256

function isPerStep(op: string, choice: unknown = 'rate'): boolean {
  expect(
    choice === 'rate' || choice === 'step',
    () => `${op}.choice must be 'rate' or 'step', got ${describe(choice)}`,
  )
  return choice === 'step'
}

/** Choices of windows: one for all steps, or one at each. */
function choiceTensor(
  { b, op }: OpBuilder,
  { window, output }: Windowed,
  perStep: boolean,
): OpTensor {
  const [height, width] = window.kernelSize
  expect(
    height * width <= MOST_PLACES,
    () =>
      `${op}.kernelSize ${height}×${width} has more than the ${MOST_PLACES} places that a choice ` +
      'can tell apart',
  )
  return stepBytesTensor(b, { name: 'choice' }, perStep ? output : still(output))
}

/** No pixel has another place: its gradient would be lost. */
function checkChoices(op: string, { buffer, sizes }: OpTensor, { window }: Windowed) {
  const [height, width] = window.kernelSize
  const places = height * width
  const count = sizeOf(sizes)
  return (views: Views, totals: Totals): void =>
    expect(
      totals.most(buffer, count) < places,
      () =>
        `${op}: choice must hold places of a window of ${height}×${width}, 0 to ${places - 1}, ` +
        `got ${views(buffer, 'uint8', count).find((place) => place >= places)}`,
    )
}

const poolOf = (input: Extent, { window }: Windowed, stored: number, from: Extent, to: Extent) => ({
  window,
  images: input.B,
  stored,
  steps: input.T,
  from: { shape: imageOf(from) },
  to: { shape: imageOf(to) },
})

function poolSpikes(
  { b, op }: OpBuilder,
  input: Extent,
  to: Windowed,
  perStep: boolean,
  choice: OpTensor | undefined,
): Planned & { readonly counts: OpTensor } {
  const x = spikesTensor(b, op, { name: 'input' }, input)
  const output = spikesTensor(b, op, { name: 'output' }, to.output)
  emitMaxPool(
    b,
    poolOf(input, to, x.stored, input, to.output),
    asSpikes(x, input),
    asSpikes(output, to.output),
    { choice: choice?.buffer, perStep, loop: false },
  )
  const counts = { ...output.counts, name: 'counts' }
  const before = choice && !perStep ? x.count : undefined
  return { inputs: [x], outputs: [output], before, counts }
}

function poolFloats(
  { b }: OpBuilder,
  input: Extent,
  to: Windowed,
  perStep: boolean,
  choice: OpTensor | undefined,
): Planned {
  const x = floatTensor(b, { name: 'input' }, input)
  const output = floatTensor(b, { name: 'output' }, to.output)
  const { T, B, H, W } = input
  let chooser: Buffer | undefined
  if (choice && !perStep && T > 1) {
    const pixels = B * H * W
    chooser = b.buffer('sum over time', pixels * x.stored * 4)
    emitTimeSum(b, { in: x.buffer, out: chooser, pixels, channels: x.stored, steps: T })
  }
  emitMaxPoolFloats(b, poolOf(input, to, x.stored, input, to.output), {
    in: x.buffer,
    out: output.buffer,
    choice: choice?.buffer,
    chooser,
  })
  return { inputs: [x], outputs: [output] }
}

function build(o: OpBuilder, options: MaxPool2dOptions, outputs: ReadonlySet<Name>): Planned {
  const { op } = o
  const input = extentOf(`${op}.input`, options.input, 'maybe', 'always')
  const spikes = checkBoolean(`${op}.spikes`, options.spikes, false)
  const perStep = isPerStep(op, options.choice)
  const to = windowed(op, options, input)
  expect(
    spikes || !outputs.has('counts'),
    () => `${op}.outputs: 'counts' are of spikes; set spikes to true`,
  )
  const choice = outputs.has('choice') ? choiceTensor(o, to, perStep) : undefined
  const made: Partial<Record<Name, OpTensor>> = { choice }
  const planned = spikes ? poolSpikes(o, input, to, perStep, choice) : undefined
  const { inputs, outputs: own, before } = planned ?? poolFloats(o, input, to, perStep, choice)
  made.output = own[0]
  made.counts = planned?.counts
  const names = [...outputs]
  return {
    inputs,
    outputs: names.map((name) => made[name] as OpTensor),
    others: outputs.has('output') ? [] : own,
    before,
  }
}

/**
 * Max pooling with a network's kernels:
 *
 *     output[b, t, c, i, j] = max over p, q of
 *                             input[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * A window of spikes spikes when any of its neurons does. The choice is the place p·kernelW + q
 * that the gradient goes to: by 'rate' that of the largest mean over time, by 'step' that of the
 * largest value at the step; the first of equal ones (as PyTorch has it). A value that is not a
 * number is passed over, where PyTorch's result is NaN; without another one the output is −Infinity
 * and the choice 0, which may lie outside the image.
 *
 * Argument of `run`: input, a Float32Array or with `spikes` a Uint8Array. Result: what `outputs`
 * names, the output by default: output [B, C, outH, outW] or that behind T; choice, by 'step' of
 * the same shape, by 'rate' without T; counts without T.
 */
export const maxPool2d = selecting<MaxPool2dOptions, MaxPool2dResults, MaxPool2dTypes>(
  'maxPool2d',
  ['input', 'spikes', 'choice', ...windowOptions],
  ['output', 'choice', 'counts'],
  ['output'],
  build,
)

/** Options of `ops.maxPool2dBackward`. */
export interface MaxPool2dBackwardOptions extends WindowOptions {
  /** Shape of the gradient of the input: [B, C, H, W], or that behind T. */
  readonly input: readonly number[]
  /** Choices are by 'rate' (one for all steps, the default) or by 'step'. */
  readonly choice?: MaxPoolChoice
}

/**
 * The gradient of max pooling goes to the places that were chosen:
 *
 *     inputGradient[b, t, c, y, x] = Σ of delta[b, t, c, i, j] over windows that chose (y, x)
 *
 * Arguments of `run`: delta [B, C, outH, outW] or that behind T, choice of `ops.maxPool2d`.
 * Result: inputGradient.
 */
export const maxPool2dBackward = operation<
  MaxPool2dBackwardOptions,
  Fixed<
    ImageInput,
    [delta: Float32Array, choice: Uint8Array],
    Float32Array,
    {
      /** The gradient of the largest values, [B][outH][outW][T][C]. */
      readonly delta: Float32Array
      /** Places of windows that `ops.maxPool2d` chose, [B][outH][outW][C]; by 'step' with T. */
      readonly choice: Uint8Array
      /** The result, [B][H][W][T][C]. */
      readonly inputGradient: Float32Array
    }
  >
>('maxPool2dBackward', ['input', 'choice', ...windowOptions], (o, options) => {
  const { b, op } = o
  const input = extentOf(`${op}.input`, options.input, 'maybe', 'always')
  const perStep = isPerStep(op, options.choice)
  const from = windowed(op, options, input)
  const delta = floatTensor(b, { name: 'delta' }, from.output)
  const choice = choiceTensor(o, from, perStep)
  const out = floatTensor(b, { name: 'inputGradient' }, input)
  const pool = poolOf(input, from, out.stored, from.output, input)
  emitMaxPoolBackward(b, pool, delta.buffer, { buffer: choice.buffer, perStep }, out.buffer)
  return { inputs: [delta, choice], outputs: [out], before: checkChoices(op, choice, from) }
})
