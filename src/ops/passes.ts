/** What ops share that pass over rows of pixels, and those that go on from run to run. */

import { Control } from '../../assembly/opcodes.js'
import { inUnits } from '../plan/budgets.js'
import type { Fields, RecordKind, Schema } from '../plan/records/schema.js'
import type { OpBuilder } from './builder.js'
import { gives, setting, takes } from './op.js'
import * as is from './options.js'
import { type Extent, imagesOf } from './shapes.js'
import { floats, type Make, type Values } from './tensor.js'

/** Traces and sums of gradients have no last step; the engine's numbers have 31 bits. */
export const LAST_STEP = 2 ** 31 - 1

/**
 * Emits a record that passes over all pixels; the other fields are those that all of them have.
 *
 * @param rows of a pixel that the kernel takes together
 */
export function pass<S extends Schema>(
  { b }: OpBuilder,
  kind: RecordKind<S>,
  extent: Extent,
  own: Omit<Fields<S>, 'pixels' | 'channels' | 'pixelsPerUnit' | 'steps'>,
  rows = extent.T,
): void {
  const pixels = extent.B * extent.H * extent.W
  const { stored: channels, steps } = imagesOf(extent)
  const { units, pixelsPerUnit } = inUnits(pixels, channels * rows)
  b.emit(kind, units, { pixels, channels, pixelsPerUnit, steps, ...own } as unknown as Fields<S>)
}

/** What an op reads, and what becomes of it. */
export const through = <A extends Values>(input: Make<A>, output = input) => ({
  /** Numbers of the shape `input`; with `spikes` bytes of 0 and 1. */
  input: takes(input),
  /** The result, of the input's type. */
  output: gives(output),
})

/** The gradient of the output, and what becomes of it. */
export const back = (from: Extent, to = from) => ({
  /** The gradient of the output. */
  delta: takes(floats(from)),
  /** The gradient of the input, in its shape. */
  inputGradient: gives(floats(to)),
})

const stepOf = (last: number) => ({
  /** Number of the run's first step. At 0, the default, a run begins anew. */
  step: is.integerIf(0, last, 0),
})
/**
 * Settings of ops that go on from run to run.
 * @interface
 */
export type StepSettings = is.OptionsIn<ReturnType<typeof stepOf>>

/** For runs up to a last step. */
export const stepSetting = (last: number) =>
  setting(stepOf(last), (block, { step }) => block.word(Control.FirstStep, step))
