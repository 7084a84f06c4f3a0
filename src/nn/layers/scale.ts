/** Multiplication by constants. */

import { checkArguments, checkOptions, describe, expect } from '../../errors.js'
import { show, sizeOf } from '../value.js'
import type { LayerKind } from './kind.js'

/** What `scale` makes. */
export interface Scale {
  /** Tells this layer from others. */
  readonly kind: 'scale'
  /** What numbers are multiplied by: one for all, one for each channel, or one for each neuron. */
  readonly factor: number | readonly number[]
}

const isList = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) ||
  value instanceof Float32Array ||
  value instanceof Float64Array ||
  value instanceof Int32Array

const isFloat = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(Math.fround(value))

/**
 * Multiplies by constants, any shape: by one number; by one for each channel (an array of C); or by
 * one for each neuron (an array of C·H·W in PyTorch's order [C][H][W]). The constants do not learn.
 * The networks of OTTT (Xiao et al., NeurIPS 2022) scale their spikes by 2.74; NIR's Scale has an
 * array.
 *
 * One number costs nothing: the layer behind applies it. An array gives numbers: no spikes for
 * method 'ottt' to trace.
 * @param factor finite float32 numbers; a single one must not be 0
 * @throws SpikewasmError for other numbers, and when the network is compiled for an array of
 *   another length
 */
export function scale(factor: number | ArrayLike<number>, ...more: []): Scale {
  checkArguments('scale', more)
  if (isList(factor)) {
    const factors = Array.from(factor)
    expect(factors.length > 0, () => 'scale.factor must not be empty')
    const wrong = factors.findIndex((value) => !isFloat(value))
    expect(
      wrong < 0,
      () =>
        `scale.factor must hold finite float32 numbers, got ${describe(factors[wrong])} ` +
        `at index ${wrong}`,
    )
    return { kind: 'scale', factor: factors }
  }
  expect(
    isFloat(factor) && Math.fround(factor) !== 0,
    () =>
      `scale.factor must be a finite float32 number other than 0, or an array of finite ones, ` +
      `got ${describe(factor)}`,
  )
  return { kind: 'scale', factor }
}

export const scaleKind: LayerKind<Scale> = {
  again({ factor, ...rest }) {
    checkOptions('scale', rest, [])
    return scale(factor)
  },
  output({ factor }, x, where) {
    const [c] = x.shape
    const all = sizeOf(x.shape)
    const fits = (n: number): boolean => n === all || (!x.flat && n === c)
    expect(
      typeof factor === 'number' || fits(factor.length),
      () =>
        `${where}: has ${(factor as readonly number[]).length} factors; the input ${show(x)} ` +
        (x.flat || all === c
          ? `needs ${all}`
          : `needs ${c}, one for each channel, or ${all}, one for each neuron`),
    )
    return [x.shape, x.flat]
  },
}
