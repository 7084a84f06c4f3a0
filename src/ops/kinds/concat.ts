/** Channels of several tensors in a row, and the way back. */

import { checkBoolean, describe, expect } from '../../errors.js'
import { emitJoin, emitJoinSpikes, emitSplit, partsOf } from '../../layers/joins.js'
import type { OpBuilder } from '../builder.js'
import { operation } from '../operation.js'
import { type Extent, extentOf, shapeLike, showShape } from '../shapes.js'
import { floatTensor, spikesTensor } from '../tensor.js'
import type { InputOf, OpTypes } from '../types.js'
import { imageOf } from '../windows.js'

/** Options of `ops.split`. */
export interface SplitOptions {
  /**
   * Shapes of the parts: [B, C, H, W] or [B, C], or one of these behind T. They differ in C alone.
   */
  readonly inputs: readonly (readonly number[])[]
}

/** Options of `ops.concat`. */
export interface ConcatOptions extends SplitOptions {
  /** The inputs hold spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
  readonly spikes?: boolean
}

function extents({ op }: OpBuilder, inputs: SplitOptions['inputs']) {
  expect(
    Array.isArray(inputs) && inputs.length >= 2,
    () => `${op}.inputs must be a list of two or more shapes, got ${describe(inputs)}`,
  )
  const parts = inputs.map((shape, i) => extentOf(`${op}.inputs[${i}]`, shape))
  const [first] = parts
  for (const part of parts)
    expect(
      shapeLike(part, { C: 1 }).join() === shapeLike(first, { C: 1 }).join(),
      () =>
        `${op}.inputs must be alike but for their channels, got ${showShape(first.shape)} and ` +
        showShape(part.shape),
    )
  const C = parts.reduce((sum, part) => sum + part.C, 0)
  const whole: Extent = { ...first, C, shape: shapeLike(first, { C }) }
  return { parts, whole }
}

/** `ops.concat`: of floats or spikes. */
export interface ConcatTypes extends OpTypes {
  /** Whatever runs find. */
  readonly rules: unknown
  /** Floats or spikes, as many as `inputs`. */
  readonly args: readonly InputOf<this['options']>[]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** Floats or spikes. */
  readonly result: InputOf<this['options']>
  /** The plan's own memory: input0, input1 … and output. */
  readonly memory: Readonly<Record<string, Float32Array | Uint8Array>>
}

/**
 * Channels of several tensors one behind the other, as `torch.cat(inputs, 1)`.
 *
 * Arguments of `run`: the inputs, in order. Result: the whole.
 */
export const concat = operation<ConcatOptions, ConcatTypes>(
  'concat',
  ['inputs', 'spikes'],
  (o, { inputs, spikes }) => {
    const { b, op } = o
    const { parts, whole } = extents(o, inputs)
    const to = { images: whole.B, shape: imageOf(whole), steps: whole.T }
    if (!checkBoolean(`${op}.spikes`, spikes, false)) {
      const tensors = parts.map((part, i) => floatTensor(b, { name: `input${i}` }, part))
      const output = floatTensor(b, { name: 'output' }, whole)
      const given = tensors.map(({ buffer, stored }, i) => ({
        buffer,
        stored,
        shape: imageOf(parts[i]),
        steps: whole.T,
      }))
      emitJoin(b, { ...to, stored: output.stored, out: output.buffer }, partsOf(given, false))
      return { inputs: tensors, outputs: [output] }
    }
    const tensors = parts.map((part, i) => spikesTensor(b, op, { name: `input${i}` }, part))
    const output = spikesTensor(b, op, { name: 'output' }, whole)
    const given = tensors.map(({ buffer, counts, stored }, i) => ({
      masks: buffer,
      counts: counts.buffer,
      stored,
      shape: imageOf(parts[i]),
    }))
    const places = { masks: output.buffer, counts: output.counts.buffer }
    emitJoinSpikes(b, { ...to, ...places, stored: output.stored }, partsOf(given, false))
    return {
      inputs: tensors,
      outputs: [output],
      others: [output.counts],
      before: (views, totals) => {
        for (const tensor of tensors) tensor.count(views, totals)
      },
    }
  },
)

/** `ops.split`: as many results as shapes. */
export interface SplitTypes extends OpTypes {
  /** Whatever runs find. */
  readonly rules: unknown
  /** The whole. */
  readonly args: [input: Float32Array]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** By name: output0, output1 … */
  readonly result: Readonly<Record<string, Float32Array>>
  /** The plan's own memory: input, output0, output1 … */
  readonly memory: Readonly<Record<string, Float32Array>>
}

/**
 * The parts of what `ops.concat` has put together; the gradients of its inputs.
 *
 * Argument of `run`: the whole. Results: output0, output1 …, of the shapes `inputs`.
 */
export const split = operation<SplitOptions, SplitTypes>('split', ['inputs'], (o, { inputs }) => {
  const { b } = o
  const { parts, whole } = extents(o, inputs)
  const input = floatTensor(b, { name: 'input' }, whole)
  const outputs = parts.map((part, i) => floatTensor(b, { name: `output${i}` }, part))
  const from = { images: whole.B, shape: imageOf(whole), stored: input.stored, steps: whole.T }
  const shapes = outputs.map(({ stored }, i) => ({ stored, shape: imageOf(parts[i]) }))
  for (const [i, part] of partsOf(shapes, false).entries())
    emitSplit(b, { ...from, in: input.buffer }, part, outputs[i].buffer)
  return { inputs: [input], outputs }
})
