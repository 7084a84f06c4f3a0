/** The gradient of the network's inputs, where `inputGradient` asks for it. */

import { fail } from '../../base/errors.js'
import { roundUp } from '../../base/numbers.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import type { GraphNode } from '../../network/trace.js'
import type { Context } from '../context.js'
import { storedChannels } from '../layout.js'
import { quoteMethodsWith } from '../methods.js'
import type { Pass } from '../pass.js'
import type { Contribution } from '../tensors.js'
import * as gradients from './gradients.js'
import { emitFloatSum } from './sums.js'
import { emitClear } from './update.js'

/** Kernels that read an input as it is hand back its channels, others padded ones. */
const widthsOf = ({ shape: [channels] }: Pick<GraphNode, 'shape'>): readonly number[] => [
  ...new Set([channels, storedChannels(channels)]),
]

/** Persistent, since calls of an online method add to it. */
function totalOf(context: Context, { index, shape }: GraphNode, stored: number, rows: number) {
  const { builder: b, images, inputTotals } = context
  const floats = roundUp(images * shape[1] * shape[2] * rows * stored, 4)
  const name = `input gradient of ${index}, ${stored} channels`
  const buffer = inputTotals.get(name) ?? b.buffer(name, floats * 4, 'gradients', true)
  inputTotals.set(name, buffer)
  return { buffer, floats }
}

/**
 * Emits what comes before the calls of an online method, which add up.
 * @throws SpikewasmError where each call would have the gradient of its own frames
 */
export function startInputGradients(context: Context): void {
  const { options, online, builder } = context
  if (!options.inputGradient || !online) return
  if (options.frames)
    fail(
      'compile.inputGradient with frames needs method ' +
        `${quoteMethodsWith(({ backward }) => backward === 'afterwards')}, got ` +
        `'${options.method}'; choose one of them, or leave inputGradient out`,
    )
  for (const node of options.graph.nodes.filter(({ kind }) => kind === 'input'))
    for (const stored of widthsOf(node)) {
      const { buffer, floats } = totalOf(context, node, stored, 1)
      emitClear(builder, buffer, floats)
    }
}

/** Emits the sums of what the readers of a call's inputs handed back. */
export function emitInputGradients(pass: Pass): void {
  const { context, b } = pass
  for (const { node, tensor, padded } of pass.inputs)
    for (const stored of widthsOf(node)) {
      const gradient = stored === tensor.stored ? tensor.gradient : padded
      if (gradient.length === 0) continue
      const rows = gradients.gradientRows(pass, tensor)
      const { buffer, floats } = totalOf(context, node, stored, rows)
      b.inLayer(node.index, () => {
        const partial = takeInput(pass, { ...tensor, stored, gradient }, rows, floats)
        const to = { out: ref(buffer), accumulate: context.online }
        emitFloatSum(b, floats, { partial, splits: 1, ...to })
      })
      pass.inputGradients.push({ node: node.index, buffer, rows, stored })
    }
}

/** Where channels are no whole vectors, floats are added one behind the other. */
function takeInput(pass: Pass, to: gradients.Target, rows: number, floats: number): Buffer {
  const { gradient, stored, name } = to
  if (stored % 4 === 0 || gradient.length === 1) return gradients.takeGradient(pass, to, rows)
  const out = pass.b.buffer(`${name} gradient`, floats * 4)
  const outW = floats / 4
  const all = gradient.map((of): Contribution => ({ ...of, steps: 1, outH: 1, outW }))
  const scope = { b: pass.b, images: 1 }
  gradients.emitGradientSum(scope, { shape: [4, 1, outW], stored: 4, gradient: all }, 1, out)
  return out
}
