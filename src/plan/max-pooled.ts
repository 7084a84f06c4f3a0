/** Max pooling, of one layer's spikes or of currents. */

import type { GraphNode } from '../graph/trace.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from './gradients.js'
import { plainFloat } from './materialise.js'
import {
  type Choice,
  emitMaxPool,
  emitMaxPoolBackward,
  emitMaxPoolFloats,
  type MaxPool,
} from './max-pool.js'
import { type Pass, term } from './pass.js'
import type { Window } from './pooled.js'
import {
  type Expression,
  type FloatTensor,
  isIdentity,
  type SpikeTensor,
  usedWindow,
} from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** Windows, and of what rates the layer behind learns (`MaxPoolRate`). */
export type MaxPooling = Window & { readonly rate?: 'pooled' | 'official' }

export function maxPooled(
  pass: Pass,
  node: GraphNode,
  layer: MaxPooling,
  x: Expression,
): Expression {
  // One layer's spikes stay spikes; anything else is pooled as the sum that it is.
  const [{ tensor, pool, scale }] = x.terms
  if (x.terms.length > 1 || tensor.kind === 'float' || !isIdentity(pool) || scale <= 0)
    return poolFloats(pass, node, layer, x)
  const { b, context, images } = pass
  const { stored } = tensor
  const output = pass.spikeTensor(node.name, node.shape, tensor.lambda)
  const pixels = images * node.shape[1] * node.shape[2]
  const perStep = context.method.presynaptic !== 'mean'
  const choice = pass.training
    ? b.buffer(`${node.name} choice`, pixels * stored * (perStep ? pass.gradientSteps : 1), 'kept')
    : undefined
  const windows = { window: usedWindow(x.shape, layer), images, stored, from: tensor, to: node }
  emitMaxPool(b, { ...windows, steps: pass.callSteps }, tensor, output, {
    choice,
    perStep,
    loop: context.outer,
    countsOfRates: layer.rate === 'official' && pass.training && !perStep,
  })
  if (choice)
    pass.backward(node, () =>
      route(pass, node, tensor, output, windows, { buffer: choice, perStep }, pass.gradientSteps),
    )
  return { shape: node.shape, terms: [term(output, scale)] }
}

/**
 * Of currents: where time means are differentiated, the gradient goes where the mean is largest.
 */
function poolFloats(pass: Pass, node: GraphNode, layer: Window, x: Expression): Expression {
  const { b, context, images, training } = pass
  const plain = plainFloat(x)
  const tensor = plain && !plain.input ? plain : materialise(pass, node, x)
  const { steps, stored } = tensor
  const mean = context.method.presynaptic === 'mean'
  const output = pass.floatTensor(node.name, node.shape, steps)
  const pixels = images * node.shape[1] * node.shape[2]
  const choice = training
    ? b.buffer(`${node.name} choice`, pixels * stored * (mean ? 1 : steps), 'kept')
    : undefined
  const chooser =
    training && mean && (context.outer || steps > 1) ? pass.timeSum(node, tensor) : undefined
  const windows = { window: usedWindow(x.shape, layer), images, stored, from: tensor, to: node }
  pass.make(output, { layers: 0, byImages: false }, (again) =>
    emitMaxPoolFloats(
      b,
      { ...windows, steps },
      {
        in: tensor.buffer as Buffer,
        out: output.buffer,
        choice: again ? undefined : choice,
        chooser: again ? undefined : chooser,
      },
    ),
  )
  if (choice) {
    const chosen = { buffer: choice, perStep: !mean }
    pass.backward(node, () =>
      route(pass, node, tensor, output, windows, chosen, gradientRows(pass, tensor)),
    )
  }
  return { shape: node.shape, terms: [term(output)] }
}

/** Sends each gradient to the place that was chosen. */
function route<T extends FloatTensor | SpikeTensor>(
  pass: Pass,
  node: GraphNode,
  input: T,
  output: T,
  windows: Omit<MaxPool, 'steps'>,
  choice: Choice,
  steps: number,
): void {
  if (output.gradient.length === 0) return
  const delta = takeGradient(pass, output, steps)
  const out = gradientBuffer(pass, `${node.name} input gradient`, input.shape, steps, input.stored)
  const back = { ...windows, steps, from: output, to: input }
  emitMaxPoolBackward(pass.b, back, delta, choice, out)
  giveTensorGradient(input, out, steps)
}
