/**
 * Multiplication by constants: one is a factor of the terms, applied by the layer that reads them.
 */

import { checkArguments, describe, fail } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { layerOf, noMore, type OfKind } from '../nn/kind.js'
import { finite } from '../nn/numbers.js'
import { show, sizeOf } from '../nn/value.js'
import { handBack } from '../plan/gradients.js'
import { defineLayer } from '../plan/layer-plan.js'
import { type Pass, term } from '../plan/pass.js'
import { emitScaled, factorsOf } from '../plan/scaled.js'
import type { Expression } from '../plan/tensors.js'
import { floatsOf, materialise } from '../plan/write-out.js'

/** What `scale` makes. */
export interface Scale extends OfKind<'scale'> {
  /** What numbers are multiplied by: one for all, one for each channel, or one for each neuron. */
  readonly factor: number | readonly number[]
}

const isList = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) ||
  value instanceof Float32Array ||
  value instanceof Float64Array ||
  value instanceof Int32Array

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
    if (factors.length <= 0) fail('scale.factor must not be empty')
    const wrong = factors.findIndex((value) => !finite(value))
    if (wrong >= 0)
      fail(
        `scale.factor must hold finite float32 numbers, got ${describe(factors[wrong])} ` +
          `at index ${wrong}`,
      )
    return layerOf(scaleKind, { factor: factors })
  }
  if (!(finite(factor) && Math.fround(factor) !== 0))
    fail(
      `scale.factor must be a finite float32 number other than 0, or an array of finite ones, ` +
        `got ${describe(factor)}`,
    )
  return layerOf(scaleKind, { factor })
}

const scaleKind = defineLayer<Scale>('scale', {
  again: ({ factor, ...rest }) => scale(factor, ...noMore('scale', rest)),
  output({ factor }, x, where) {
    const [c] = x.shape
    const all = sizeOf(x.shape)
    const fits = (n: number): boolean => n === all || (!x.flat && n === c)
    if (typeof factor !== 'number' && !fits(factor.length))
      fail(
        `${where}: has ${(factor as readonly number[]).length} factors; the input ${show(x)} ` +
          (x.flat || all === c
            ? `needs ${all}`
            : `needs ${c}, one for each channel, or ${all}, one for each neuron`),
      )
    return [x.shape, x.flat]
  },
  lower(pass, node, { factor }, x) {
    if (typeof factor !== 'number') return byFactors(pass, node, factor, x)
    // A normalised term's factor cannot be folded into the affine map of whoever reads it: write it
    // out.
    const terms = x.terms.some((t) => t.norm) ? [term(materialise(pass, node, x))] : x.terms
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, scale: t.scale * factor })) }
  },
})

function byFactors(
  pass: Pass,
  node: GraphNode,
  list: readonly number[],
  x: Expression,
): Expression {
  const { b, images } = pass
  const input = floatsOf(pass, node, x)
  const { stored, shape, steps } = input
  const output = pass.floatTensor(node.name, node.shape, steps)
  const job = { images, shape, stored, ...factorsOf(list, shape, stored) }
  pass.make(output, { layers: 0, byImages: true }, () =>
    emitScaled(b, { ...job, images: pass.images, steps, in: input.buffer, out: output.buffer }),
  )
  handBack(pass, node, output, input, true, (delta, out, steps) =>
    emitScaled(b, { ...job, steps, in: delta, out }),
  )
  return { shape: node.shape, terms: [term(output)] }
}
