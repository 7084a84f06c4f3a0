/** Delays by whole time steps, and their gradient. */

import { checkBoolean, expect } from '../../errors.js'
import { delaysOf, emitDelay, emitDelaySpikes } from '../../layers/delay.js'
import { delay as layer } from '../../layers/index.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { floatTensor, spikesTensor } from '../tensor.js'
import type { Fixed, InputOf, OpTypes, Ranked, TimedInput } from '../types.js'
import { imageOf } from '../windows.js'

/** Options of `ops.delayBackward`. */
export interface DelayBackwardOptions {
  /** [B, T, C] or [B, T, C, H, W]. */
  readonly input: readonly number[]
  /** Steps by which the signal comes later, 0 … 4096: one number, or one for each channel. */
  readonly steps: number | readonly number[]
}

/** Options of `ops.delay`. */
export interface DelayOptions extends DelayBackwardOptions {
  /** The input holds spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
  readonly spikes?: boolean
}

function jobOf({ op }: OpBuilder, options: DelayBackwardOptions, stored: number) {
  const extent = extentOf(`${op}.input`, options.input, 'always')
  const { steps } = layer(options.steps)
  expect(
    typeof steps === 'number' || steps.length === extent.C,
    () => `${op}.steps must be one number, or a list of ${extent.C}`,
  )
  const shape = imageOf(extent)
  return { images: extent.B, shape, stored, steps: extent.T, ...delaysOf(steps, stored) }
}

function floats(o: OpBuilder, options: DelayBackwardOptions, back: boolean): Planned {
  const extent = extentOf(`${o.op}.input`, options.input, 'always')
  const x = floatTensor(o.b, { name: back ? 'delta' : 'input' }, extent)
  const y = floatTensor(o.b, { name: back ? 'inputGradient' : 'output' }, extent)
  const job = jobOf(o, options, x.stored)
  emitDelay(o.b, { ...job, in: x.buffer, out: y.buffer, inRows: extent.T, back })
  return { inputs: [x], outputs: [y] }
}

/** `ops.delay`: of floats or spikes. */
export interface DelayTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], TimedInput>
  /** Floats or spikes. */
  readonly args: [input: InputOf<this['options']>]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** Of the input's shape and type. */
  readonly result: InputOf<this['options']>
  /** The plan's own memory by name. */
  readonly memory: DelayMemory<this['options']>
}

/** The plan's own memory. */
export type DelayMemory<O> = {
  /** Floats [B][H][W][T][C], or masks of spikes. */
  readonly input: InputOf<O>
  /** As `input`. */
  readonly output: InputOf<O>
}

/**
 * output[t] = input[t − steps], zeros before.
 *
 * Argument of `run`: input, a Float32Array or with `spikes` a Uint8Array. Result: of its shape.
 */
export const delay = operation<DelayOptions, DelayTypes>(
  'delay',
  ['input', 'steps', 'spikes'],
  (o, options) => {
    const { b, op } = o
    if (!checkBoolean(`${op}.spikes`, options.spikes, false)) return floats(o, options, false)
    const extent = extentOf(`${op}.input`, options.input, 'always')
    const x = spikesTensor(b, op, { name: 'input' }, extent)
    const y = spikesTensor(b, op, { name: 'output' }, extent)
    const job = jobOf(o, options, x.stored)
    const inPlaneBytes = extent.B * extent.H * extent.W * x.stored
    const places = { in: x.buffer, out: y.buffer, counts: y.counts.buffer }
    emitDelaySpikes(b, { ...job, ...places, inPlaneBytes })
    return { inputs: [x], outputs: [y], others: [y.counts] }
  },
)

/**
 * The gradient of `ops.delay`: inputGradient[t] = delta[t + steps], zeros behind.
 *
 * Argument of `run`: delta. Result: of its shape.
 */
export const delayBackward = operation<
  DelayBackwardOptions,
  Fixed<
    TimedInput,
    [delta: Float32Array],
    Float32Array,
    {
      /** [B][H][W][T][C] */
      readonly delta: Float32Array
      /** As `delta`. */
      readonly inputGradient: Float32Array
    }
  >
>('delayBackward', ['input', 'steps'], (o, options) => floats(o, options, true))
