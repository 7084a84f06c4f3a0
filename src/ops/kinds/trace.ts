/** Sums and traces over time. */

import { checkBoolean } from '../../errors.js'
import {
  traceGradient as gradientRecord,
  trace as record,
  timeSum as timeSumRecord,
} from '../../plan/records/sums.js'
import type { Buffer } from '../../plan/words.js'
import type { OpBuilder } from '../builder.js'
import { neuronOf } from '../neurons.js'
import { operation } from '../operation.js'
import { LAST_STEP, passOver, type StepSettings, stepSetting } from '../passes.js'
import { type Selecting, selecting } from '../selecting.js'
import { type Extent, extentOf, still } from '../shapes.js'
import { floatTensor, type OpTensor, spikesTensor } from '../tensor.js'
import { emitSpikeFloats } from '../terms.js'
import type {
  ActivityInput,
  Asks,
  Fixed,
  If,
  InputOf,
  OpTypes,
  Ranked,
  TimedInput,
} from '../types.js'

/** Options of `ops.timeSum`. */
export interface TimeSumOptions {
  /** [B, T, C, H, W] or [B, T, C]. */
  readonly input: readonly number[]
  /** Sums go on from run to run, by the setting `step`. Default false. */
  readonly carry?: boolean
}

/** `ops.timeSum`: with `carry` runs have settings. */
export interface TimeSumTypes
  extends Fixed<
    TimedInput,
    [input: Float32Array],
    Float32Array,
    {
      /** What is added up, [B][H][W][T][C]. */
      readonly input: Float32Array
      /** The sums over time, [B][H][W][C]. */
      readonly output: Float32Array
    },
    [],
    unknown
  > {
  /** With `carry`. */
  readonly settings: If<Asks<this['options'], 'carry'>, StepSettings>
}

/**
 * y = Σ over t of x[t].
 *
 * Argument of `run`: input. Result: without the time axis. Setting with `carry`: `step`, the number
 * of the run's first step; behind 0 (the default) sums are added to those of the run before.
 */
export const timeSum = operation<TimeSumOptions, TimeSumTypes>(
  'timeSum',
  ['input', 'carry'],
  ({ b, op }, options) => {
    const extent = extentOf(`${op}.input`, options.input, 'always')
    const carry = checkBoolean(`${op}.carry`, options.carry, false)
    const x = floatTensor(b, { name: 'input' }, extent)
    const y = floatTensor(b, { name: 'output' }, still(extent))
    const { fields, units } = passOver(extent, x.stored, extent.T)
    b.emit(timeSumRecord, units, {
      ...fields,
      in: x.buffer,
      out: y.buffer,
      steps: extent.T,
      loop: carry,
    })
    return {
      inputs: [x],
      outputs: [y],
      control: carry ? stepSetting(op, LAST_STEP) : undefined,
    }
  },
)

/** Options of `ops.trace`. */
export interface TraceOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** Time constant of the neurons that made the spikes, in time steps, > 1. Default 1.25. */
  readonly tau?: number
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
}

/** `ops.trace`: on floats or spikes. */
export interface TraceTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], ActivityInput>
  /** Floats or spikes. */
  readonly args: [input: InputOf<this['options']>]
  /** The trace before a run. */
  readonly updated: [trace: Float32Array]
  /** The number of the run's first step. */
  readonly settings: StepSettings
  /** The trace behind the last step. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: TraceMemory<this['options']>
}

/** The plan's own memory. */
export type TraceMemory<O> = {
  /** Floats [B][H][W][T][C], or masks of spikes. */
  readonly input: InputOf<O>
  /** The trace before a run, and then the one behind it, [B][H][W][C]. */
  readonly trace: Float32Array
}

/** The argument, and where its floats are. */
type Read = readonly [OpTensor, Buffer]

function floats({ b }: OpBuilder, extent: Extent): Read {
  const x = floatTensor(b, { name: 'input' }, extent)
  return [x, x.buffer]
}

function spikesAsFloats({ b, op }: OpBuilder, extent: Extent): Read {
  const x = spikesTensor(b, op, { name: 'input' }, extent)
  const { B, H, W, T } = extent
  const read = b.buffer('presynaptic spikes', B * H * W * T * x.stored * 4)
  emitSpikeFloats(b, x, extent, T, read, false)
  return [x, read]
}

/**
 * Presynaptic traces of OTTT (Xiao et al., NeurIPS 2022, eq. 8), a[t] = λ·a[t − 1] + x[t] with λ =
 * 1 − 1/τ. a is 0 before step 0.
 *
 * Arguments of `run`: input (Float32Array, or with `spikes` Uint8Array); trace, the one before
 * this run, which is updated. Result: trace, the one behind the last step, without the time axis.
 * Setting: `step`, the number of the run's first step; at 0, the default, the trace before is not
 * read.
 */
export const trace = operation<TraceOptions, TraceTypes>(
  'trace',
  ['input', 'tau', 'spikes'],
  (o, options) => {
    const { b, op } = o
    const extent = extentOf(`${op}.input`, options.input)
    const lambda = 1 - 1 / (neuronOf(op, options).tau as number)
    const spiking = checkBoolean(`${op}.spikes`, options.spikes, false)
    const out = floatTensor(b, { name: 'trace', updated: true }, still(extent))
    const { fields, units } = passOver(extent, out.stored, extent.T)
    const [x, read] = spiking ? spikesAsFloats(o, extent) : floats(o, extent)
    b.emit(record, units, { ...fields, in: read, out: out.buffer, lambda, steps: extent.T })
    return { inputs: [x, out], outputs: [out], control: stepSetting(op, LAST_STEP) }
  },
)

/** Options of `ops.traceGradient`. */
export interface TraceGradientOptions {
  /** [B, T, C, H, W] or [B, T, C]. */
  readonly input: readonly number[]
  /** As of `ops.trace`. */
  readonly tau?: number
}

/** What `ops.traceGradient` can compute. */
export type TraceGradientResults = {
  /** D, of delta's shape. */
  readonly inputGradient: Float32Array
  /** λ·D[1], without T: the gradient that meets the trace from before the run. */
  readonly before: Float32Array
}

/**
 * Gradients δ that meet traces, as gradients D that meet the spikes themselves, so that kernels on
 * spikes compute Σ δ[t] ⊗ a[t]:
 *
 *     Σ over t of δ[t] ⊗ a[t] = Σ over t of D[t] ⊗ x[t] + λ·D[1] ⊗ a[0]
 *     D[t] = δ[t] + λ·D[t + 1]
 *
 * Argument of `run`: delta, δ. Result: what `outputs` names, `inputGradient` by default.
 */
export const traceGradient = selecting<
  TraceGradientOptions,
  TraceGradientResults,
  Selecting<
    TimedInput,
    [delta: Float32Array],
    TraceGradientResults,
    {
      /** The gradients δ that meet traces, [B][H][W][T][C]. */
      readonly delta: Float32Array
      /** The gradients D, whatever is asked for. */
      readonly inputGradient: Float32Array
    },
    readonly ['inputGradient']
  >
>(
  'traceGradient',
  ['input', 'tau'],
  ['inputGradient', 'before'],
  ['inputGradient'],
  ({ b, op }, options, outputs) => {
    const extent = extentOf(`${op}.input`, options.input, 'always')
    const lambda = 1 - 1 / (neuronOf(op, options).tau as number)
    const delta = floatTensor(b, { name: 'delta' }, extent)
    const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
    const before = outputs.has('before')
      ? floatTensor(b, { name: 'before' }, still(extent))
      : undefined
    const { fields, units } = passOver(extent, delta.stored, extent.T)
    b.emit(gradientRecord, units, {
      ...fields,
      delta: delta.buffer,
      out: inputGradient.buffer,
      before: before?.buffer,
      lambda,
      steps: extent.T,
    })
    const made = { inputGradient, before }
    return {
      inputs: [delta],
      outputs: [...outputs].map((name) => made[name] as OpTensor),
      others: outputs.has('inputGradient') ? [] : [inputGradient],
    }
  },
)
