/** Dropout of spikes and of floats, and its gradient. */

import { Control } from '../../../assembly/opcodes.js'
import { checkBoolean, checkInteger, checkOptions, expect } from '../../errors.js'
import { dropout as layer } from '../../layers/index.js'
import { dropoutFloats, dropout as record } from '../../plan/records/dropout.js'
import type { ControlBlock, OpBuilder, Planned, Settings } from '../builder.js'
import { operation } from '../operation.js'
import { passOver } from '../passes.js'
import {
  type CountsOfSpikes,
  type OutputsOf,
  type Selected,
  type SomeOutputs,
  selecting,
} from '../selecting.js'
import { type Extent, extentOf } from '../shapes.js'
import { floatTensor, type OpTensor, spikesTensor } from '../tensor.js'
import type { ActivityInput, Asks, Fixed, InputOf, OpTypes, Ranked, With } from '../types.js'

interface SharedOptions {
  /** Probability that a neuron is silenced, 0…1, 1 excluded. Default 0.5. */
  readonly p?: number
  /** Which stream of random numbers it draws from; a network's n-th dropout has n. Default 1. */
  readonly stream?: number
}

/** Options of `ops.dropout`. */
export interface DropoutOptions extends SharedOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** The input holds spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
  readonly spikes?: boolean
}

/** Options of `ops.dropoutBackward`. */
export interface DropoutBackwardOptions extends SharedOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
}

/** Numbers of one run. */
export interface DropoutSettings {
  /**
   * Seed of the random numbers, 0…2³² − 1. Default 0. Runs without settings have that of the run
   * before.
   */
  readonly seed?: number
}

const seedSetting =
  (op: string) =>
  (block: ControlBlock, settings: Settings): void => {
    checkOptions(`${op}.run`, settings, ['seed'])
    const { seed = 0 } = settings
    checkInteger(`${op}.run: seed`, seed as number, 0, 2 ** 32 - 1)
    block.word(Control.Seed, seed as number)
  }

function draw(op: string, { p, stream = 1 }: SharedOptions) {
  const { p: probability } = layer(p)
  checkInteger(`${op}.stream`, stream, 0, 2 ** 31 - 1)
  return { probability, stream }
}

function onFloats(
  { b, op }: OpBuilder,
  extent: Extent,
  options: SharedOptions,
  [from, to]: readonly [string, string],
): Planned {
  const random = draw(op, options)
  const x = floatTensor(b, { name: from }, extent)
  const y = floatTensor(b, { name: to }, extent)
  const { fields, units } = passOver(extent, x.stored, extent.T)
  const [input, out] = [x.buffer, y.buffer]
  b.emit(dropoutFloats, units, { ...fields, ...random, in: input, out, steps: extent.T })
  return { inputs: [x], outputs: [y], control: seedSetting(op) }
}

/** What `ops.dropout` can compute. */
export type DropoutResults<O = unknown> = {
  /** What is left, of the input's shape: bytes with `spikes`. */
  readonly output: InputOf<O>
  /** Of spikes: those of each neuron that are left over all steps, without T. */
  readonly counts: Uint8Array
}
type Name = keyof DropoutResults

/** The plan's own memory besides the results. */
export type DropoutMemory<O> = {
  /** Floats [B][H][W][T][C], or masks of spikes. */
  readonly input: InputOf<O>
  /** The result, whatever is asked for. */
  readonly output: InputOf<O>
} & With<
  Asks<O, 'spikes'>,
  {
    /** Spikes of each neuron that are left over all steps. */
    readonly counts: Uint8Array
  }
>

/** `ops.dropout`: on floats or spikes. */
export interface DropoutTypes extends OpTypes {
  /** Shapes have the right rank; counts are of spikes. */
  readonly rules: Ranked<this['options'], ActivityInput> &
    SomeOutputs<this['options']> &
    CountsOfSpikes<this['options']>
  /** Floats or spikes. */
  readonly args: [input: InputOf<this['options']>]
  /** None. */
  readonly updated: []
  /** The seed. */
  readonly settings: DropoutSettings
  /** What `outputs` names. */
  readonly result: Selected<
    DropoutResults<this['options']>,
    OutputsOf<this['options'], readonly ['output']>
  >
  /** The plan's own memory by name. */
  readonly memory: DropoutMemory<this['options']>
}

function onSpikes(
  { b, op }: OpBuilder,
  extent: Extent,
  options: DropoutOptions,
  outputs: ReadonlySet<Name>,
): Planned {
  const random = draw(op, options)
  const x = spikesTensor(b, op, { name: 'input' }, extent)
  const output = spikesTensor(b, op, { name: 'output' }, extent)
  const counts: OpTensor = { ...output.counts, name: 'counts' }
  const { fields, units } = passOver(extent, x.stored, 1)
  const planeBytes = fields.pixels * x.stored
  b.emit(record, units, {
    ...fields,
    ...random,
    in: x.buffer,
    inCounts: x.counts.buffer,
    inPlaneBytes: planeBytes,
    out: output.buffer,
    counts: counts.buffer,
    planeBytes,
    steps: extent.T,
  })
  const made: Readonly<Record<Name, OpTensor>> = { output, counts }
  const rest = (['output', 'counts'] as const).filter((name) => !outputs.has(name))
  return {
    inputs: [x],
    outputs: [...outputs].map((name) => made[name]),
    others: rest.map((name) => made[name]),
    before: x.count,
    control: seedSetting(op),
  }
}

/**
 * Dropout: output[t] = m · input[t], where m is 0 with probability p and else 1, the same at all
 * time steps. m depends on seed, stream and the place of the neuron. As in a network the factor
 * 1/(1 − p) is left to who reads the result (`scale`), so that spikes stay spikes.
 *
 * Argument of `run`: input (Float32Array, or with `spikes` Uint8Array). Setting: `seed`, default 0.
 * Result: what `outputs` names, the output by default.
 */
export const dropout = selecting<DropoutOptions, DropoutResults, DropoutTypes>(
  'dropout',
  ['input', 'p', 'stream', 'spikes'],
  ['output', 'counts'],
  ['output'],
  (o, options, outputs) => {
    const extent = extentOf(`${o.op}.input`, options.input)
    if (checkBoolean(`${o.op}.spikes`, options.spikes, false))
      return onSpikes(o, extent, options, outputs)
    expect(
      !outputs.has('counts'),
      () => `${o.op}.outputs: 'counts' are of spikes; set spikes to true`,
    )
    return onFloats(o, extent, options, ['input', 'output'])
  },
)

/**
 * The gradient of `ops.dropout`, of spikes and of floats: m · delta[t], with the m of the same
 * seed, stream and p. A delta of time means has no T. The factor 1/(1 − p) is left to who hands it
 * over.
 *
 * Argument of `run`: delta, the gradient of the output. Setting: `seed`, default 0. Result: of
 * delta's shape.
 */
export const dropoutBackward = operation<
  DropoutBackwardOptions,
  Fixed<
    ActivityInput,
    [delta: Float32Array],
    Float32Array,
    {
      /** The output's gradient, [B][H][W][T][C]. */
      readonly delta: Float32Array
      /** The result, as `delta`. */
      readonly inputGradient: Float32Array
    },
    [],
    DropoutSettings
  >
>('dropoutBackward', ['input', 'p', 'stream'], (o, options) =>
  onFloats(o, extentOf(`${o.op}.input`, options.input), options, ['delta', 'inputGradient']),
)
