/** The presynaptic trace of a layer's input (OTTT). */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { quoteMethodsWith } from './methods.js'
import { type Pass, perUnit } from './pass.js'
import { trace } from './records/sums.js'
import type { Expression } from './tensors.js'
import type { Buffer } from './words.js'

/**
 * Emits out = λ·out + input at each step; none for the first layer, which reads the raw frame.
 *
 * @param inC channels of the input as stored.
 */
export function emitTrace(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  inC: number,
): Buffer | undefined {
  const { b, images, options } = pass
  const without = (): string => quoteMethodsWith(({ presynaptic }) => presynaptic === 'now')
  const [, h, w] = input.shape
  const spikes = input.terms.flatMap(({ tensor }) => (tensor.kind === 'spikes' ? [tensor] : []))
  if (input.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return undefined
  expect(
    spikes.length === input.terms.length,
    () =>
      `${node.name} (${node.kind}): method '${options.method}' traces the spikes that a ` +
      `layer reads, this one reads currents; put a neuron layer before it or use ${without()}`,
  )
  const [{ lambda }] = spikes
  expect(
    spikes.every((tensor) => tensor.lambda === lambda),
    () =>
      `${node.name} (${node.kind}): method '${options.method}' needs one tau for all ` +
      `neurons whose spikes a layer adds up; give them the same tau or use ${without()}`,
  )
  const pixels = images * h * w
  const now = b.buffer(`${node.name} presynaptic spikes`, pixels * inC * 4)
  pass.write(input, 1, false, now, inC)
  const out = b.buffer(`${node.name} trace`, pixels * inC * 4, 'kept', true)
  const pixelsPerUnit = perUnit(pixels, inC)
  b.emit(trace, Math.ceil(pixels / pixelsPerUnit), {
    in: now,
    out,
    pixels,
    channels: inC,
    pixelsPerUnit,
    lambda,
  })
  return out
}
