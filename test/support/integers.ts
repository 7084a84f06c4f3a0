/** Weights of whole numbers as a plain program in float64 makes them. */

import * as assert from 'uvu/assert'
import type { Model, StateDict } from '../../src/index.js'

/** The largest whole number of each type. */
export const mostOf = { int8: 127, int6: 31 } as const

export type IntegerType = keyof typeof mostOf
export const integerTypes = Object.keys(mostOf) as IntegerType[]

/** The next number of 17 significant bits that is no smaller; below x if `most` times it is ∞. */
function scaleOf(x: number, most: number): number {
  if (x === 0) return 0
  const unit = 2 ** (Math.floor(Math.log2(x)) - 16)
  const above = Math.fround(Math.ceil(x / unit) * unit)
  return Math.fround(above * most) < Infinity ? above : Math.floor(x / unit) * unit
}

/** Nearest integer, halves to even. */
function nearest(x: number): number {
  const below = Math.floor(x)
  if (x - below !== 0.5) return Math.round(x)
  return below % 2 === 0 ? below : below + 1
}

export interface Quantised {
  readonly values: number[]
  /** One for each output. */
  readonly scales: number[]
  /** How near a quotient is to a half, at which it would be another integer. */
  readonly margin: number
}

/** The whole numbers of a weight [out, …], and their scales. */
export function quantised(weight: ArrayLike<number>, out: number, most: number): Quantised {
  const fanIn = weight.length / out
  const all = Array.from(weight)
  const values: number[] = []
  const scales: number[] = []
  let margin = 0.5
  for (let n = 0; n < out; n++) {
    const row = all.slice(n * fanIn, (n + 1) * fanIn)
    const scale = scaleOf(row.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / most, most)
    scales.push(scale)
    for (const w of row) {
      const quotient = scale === 0 ? 0 : Math.fround(w / scale)
      // A byte has no −0.
      values.push(nearest(quotient) + 0)
      margin = Math.min(margin, Math.abs(quotient - Math.floor(quotient) - 0.5))
    }
  }
  return { values, scales, margin }
}

/** The numbers that a quantised weight stands for. */
export function products(weight: ArrayLike<number>, out: number, most: number): Float64Array {
  const { values, scales } = quantised(weight, out, most)
  const fanIn = values.length / out
  return Float64Array.from(values, (q, i) => q * scales[Math.floor(i / fanIn)])
}

/** A state whose weights of these names are what their whole numbers stand for. */
export function rounded(state: StateDict, names: readonly string[], most: number): StateDict {
  const result = { ...state }
  for (const name of names) {
    const { shape, data } = state[name]
    result[name] = { shape, data: Float32Array.from(products(data, shape[0], most)) }
  }
  return result
}

/**
 * A state whose weights of these names have scales that are powers of two, and biases that are
 * multiples of them: sums of products are exact in float32, in any order.
 */
export function exactScales(state: StateDict, names: readonly string[], most: number): StateDict {
  const found = structuredClone(state)
  for (const name of names) {
    const { shape, data } = found[name]
    const bias = found[name.replace(/weight$/, 'bias')]
    const fanIn = data.length / shape[0]
    for (let n = 0; n < shape[0]; n++) {
      const row = data.subarray(n * fanIn, (n + 1) * fanIn)
      const largest = row.reduce((m, w) => Math.max(m, Math.abs(w)), 0)
      const scale = 2 ** Math.ceil(Math.log2(largest / most))
      row[n % fanIn] = most * scale
      if (bias) bias.data[n] = scale * Math.round(bias.data[n] / scale)
    }
  }
  return found
}

/** Checks that a model computes with the whole numbers of its present parameters. */
export async function expectPresent(what: string, model: Model): Promise<void> {
  const found = await model.quantised()
  const state = model.stateDict()
  const most = mostOf[model.weightType as IntegerType]
  for (const [name, { shape, values, scales }] of Object.entries(found)) {
    assert.equal(shape, state[name].shape, `${what}: ${name}`)
    const wanted = quantised(state[name].data, shape[0], most)
    assert.equal([...scales], wanted.scales, `${what}: scales of ${name}`)
    assert.equal([...values], wanted.values, `${what}: ${name}`)
  }
}
