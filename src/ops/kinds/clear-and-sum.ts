/** Zeros, and sums. */

import { sumScalars } from '../../plan/records/sums.js'
import { emitClear } from '../../plan/update.js'
import { roundUp } from '../../round-up.js'
import { operation } from '../operation.js'
import { anyShape, sizeOf } from '../shapes.js'
import { plainTensor } from '../tensor.js'
import type { Fixed } from '../types.js'

/** Options of `ops.clear` and `ops.sum`. */
export interface ShapeOptions {
  /** Any shape. */
  readonly shape: readonly number[]
}

/** The plan's own memory. */
export type ClearMemory = {
  /** What becomes 0: the numbers of `shape` in order. */
  readonly values: Float32Array
}

/** The plan's own memory. */
export type SumMemory = {
  /** What is added up: the numbers of `shape` in order. */
  readonly values: Float32Array
  /** The sum: one number. */
  readonly output: Float32Array
}

/** Floats of a vector. */
const LANES = 4

/**
 * Zeros, as gradients begin that are added up: values ← 0. Argument of `run`: values (updated).
 * Result: values.
 */
export const clear = operation<
  ShapeOptions,
  Fixed<unknown, [], Float32Array, ClearMemory, [values: Float32Array]>
>('clear', ['shape'], ({ b, op }, { shape }) => {
  anyShape(`${op}.shape`, shape)
  const stored = roundUp(sizeOf(shape), LANES)
  const values = plainTensor(b, { name: 'values', updated: true }, [...shape], 'float32', stored)
  emitClear(b, values.buffer, stored)
  return { inputs: [values], outputs: [values] }
})

/**
 * A sum, in order and in float64: output = Σ values. In a network it adds up the gradient of a
 * learnable τ. Argument of `run`: values. Result: [1].
 */
export const sum = operation<
  ShapeOptions,
  Fixed<unknown, [values: Float32Array], Float32Array, SumMemory>
>('sum', ['shape'], ({ b, op }, { shape }) => {
  anyShape(`${op}.shape`, shape)
  const values = plainTensor(b, { name: 'values' }, [...shape])
  const output = plainTensor(b, { name: 'output' }, [1])
  b.emit(sumScalars, 1, { in: values.buffer, out: output.buffer, count: sizeOf(shape) })
  return { inputs: [values], outputs: [output] }
})
