/** Delays: spikes stay spikes, all else is written out. */

import { expect } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import type { Delay } from '../../nn/layers/index.js'
import { delaysOf, emitDelay, emitDelaySpikes, historyBytes, longestOf } from '../delay.js'
import { giveTensorGradient, gradientBuffer, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { quoteMethodsWith } from '../methods.js'
import { type Pass, term } from '../pass.js'
import { emitScaled, factorsOf } from '../scaled.js'
import { type FloatTensor, isIdentity, type SpikeTensor } from '../tensors.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

export const delay: LayerPlan<Delay> = {
  lower(pass, node, { steps: delays }, x) {
    const { b, context, images, callSteps: steps } = pass
    const { neuron } = context.method
    const most = longestOf(delays)
    if (most === 0) return { ...x, shape: node.shape }
    expect(
      !pass.training || neuron !== 'surrogate',
      () =>
        `${node.name} (delay): method '${pass.options.method}' learns at each step from that ` +
        `step alone and cannot train through a delay; use ` +
        quoteMethodsWith((traits) => traits.neuron !== 'surrogate'),
    )
    const [only] = x.terms
    const spikes =
      x.terms.length === 1 && only.tensor.kind === 'spikes' && isIdentity(only.pool)
        ? only.tensor
        : undefined
    const plain = plainFloat(x)
    const input = spikes ?? (plain && !plain.input ? plain : materialise(pass, node, x))
    const { shape, stored } = input
    const pixels = images * shape[1] * shape[2]
    const bytes = pixels * stored * historyBytes(most, spikes !== undefined)
    const history = context.outer
      ? pass.carried(`${node.name} steps before`, bytes, 'kept')
      : undefined
    const job = { images, shape, stored, steps, history, ...delaysOf(delays, stored) }
    const output =
      input.kind === 'spikes'
        ? pass.spikeTensor(node.name, shape, input.lambda)
        : pass.floatTensor(node.name, shape, steps)
    if (input.kind === 'spikes' && output.kind === 'spikes')
      emitDelaySpikes(b, {
        ...job,
        in: input.masks,
        out: output.masks,
        counts: output.counts,
        inPlaneBytes: pixels * stored,
      })
    else if (input.kind === 'float' && output.kind === 'float') {
      const emit = (): void =>
        emitDelay(b, {
          ...job,
          inRows: input.steps,
          in: input.buffer as Buffer,
          out: output.buffer as Buffer,
        })
      if (history) emit()
      else
        pass.make(output as FloatTensor & { buffer: Buffer }, { layers: 0, byImages: false }, emit)
    }
    pass.backward(node, () => back(pass, node, delays, input, output))
    return { shape: node.shape, terms: [term(output, spikes ? only.scale : 1)] }
  },
}

/** Gradients of steps come earlier; that of a time mean is a share, of the steps that arrive. */
function back(
  pass: Pass,
  node: GraphNode,
  delays: Delay['steps'],
  input: FloatTensor | SpikeTensor,
  output: FloatTensor | SpikeTensor,
): void {
  if (output.gradient.length === 0) return
  const { b, images, options } = pass
  const { shape, stored } = input
  const steps = pass.gradientSteps
  const delta = takeGradient(pass, output, steps)
  const out = gradientBuffer(pass, `${node.name} input gradient`, shape, steps, stored)
  if (pass.context.method.rows === 'steps') {
    const job = { images, shape, stored, steps, inRows: steps, back: true }
    emitDelay(b, { ...job, in: delta, out, ...delaysOf(delays, stored) })
  } else {
    const { timeSteps } = options
    const shares = Array.from({ length: shape[0] }, (_, c) => {
      const by = typeof delays === 'number' ? delays : delays[c]
      return Math.max(0, timeSteps - by) / timeSteps
    })
    const factors = factorsOf(shares, [shape[0], 1, 1], stored)
    emitScaled(b, { images, shape, stored, steps, in: delta, out, ...factors })
  }
  giveTensorGradient(input, out, steps)
}
