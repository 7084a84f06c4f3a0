/** Weights of whole numbers, described a second time; and parameters of which all sums are exact. */
import * as assert from 'uvu/assert'
import type { Model, StateDict } from '../../src/index.js'

export const mostOf = { int8: 127, int6: 31 } as const

/** The next number of 17 significant bits, upwards. */
function roundedUp(x: number): number {
  if (x === 0) return 0
  const unit = 2 ** (Math.floor(Math.log2(x)) - 16)
  return Math.ceil(x / unit) * unit
}

/** To the nearest whole number, halves to even. */
function nearest(x: number): number {
  const low = Math.floor(x)
  if (x - low !== 0.5) return Math.round(x)
  return low % 2 === 0 ? low : low + 1
}

const rowsOf = (data: Float32Array, count: number): Float32Array[] =>
  Array.from({ length: count }, (_, n) =>
    data.subarray((n * data.length) / count, ((n + 1) * data.length) / count),
  )

const largest = (row: Float32Array): number =>
  row.reduce((most, w) => Math.max(most, Math.abs(w)), 0)

/** Whole numbers and scales of a weight [out, …]. */
export function quantised({ shape, data }: StateDict[string], most: number) {
  const scales = rowsOf(data, shape[0]).map((row) => roundedUp(largest(row) / most))
  const values = rowsOf(data, shape[0]).flatMap((row, n) =>
    Array.from(row, (w) => (scales[n] === 0 ? 0 : nearest(Math.fround(w / scales[n])))),
  )
  return { values: Int8Array.from(values), scales: Float32Array.from(scales) }
}

/** A state dict with the products of some of its weights, the floats that they stand for. */
export function productsOf(state: StateDict, names: readonly string[], most: number): StateDict {
  const product = (name: string): StateDict[string] => {
    const { shape, data } = state[name]
    const { values, scales } = quantised(state[name], most)
    const fanIn = data.length / shape[0]
    return { shape, data: Float32Array.from(values, (q, i) => q * scales[Math.floor(i / fanIn)]) }
  }
  return { ...state, ...Object.fromEntries(names.map((name) => [name, product(name)])) }
}

/**
 * Parameters whose scales are powers of two, and biases their multiples: sums of products are exact
 * in float32, so that a network of floats adds up the same numbers. The weights are no products.
 */
export function exact(state: StateDict, names: readonly string[], most: number): StateDict {
  const found = structuredClone(state)
  for (const name of names) {
    const { shape, data } = found[name]
    const bias = found[name.replace(/weight$/, 'bias')]
    for (const [n, row] of rowsOf(data, shape[0]).entries()) {
      const scale = 2 ** Math.ceil(Math.log2(largest(row) / most))
      row[n % row.length] = most * scale
      if (bias) bias.data[n] = scale * Math.round(bias.data[n] / scale)
    }
  }
  return found
}

/** Checks that a model computes with the whole numbers of its present parameters. */
export async function expectPresent(what: string, model: Model): Promise<void> {
  const found = await model.quantised()
  const state = model.stateDict()
  const most = mostOf[model.weightType as keyof typeof mostOf]
  for (const [name, { shape, values, scales }] of Object.entries(found)) {
    assert.equal(shape, state[name].shape, `${what}: ${name}`)
    const wanted = quantised(state[name], most)
    assert.equal(scales, wanted.scales, `${what}: scales of ${name}`)
    assert.equal(values, wanted.values, `${what}: ${name}`)
  }
}
