/** Dropout: the same neurons are silent at every step, forward and backward. */

import type { Dropout } from '../../nn/layers/index.js'
import { inUnits } from '../budgets.js'
import { giveTensorGradient, gradientRows, overGradient, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { term } from '../pass.js'
import { dropoutFloats, dropout as dropoutRecord } from '../records/dropout.js'
import { isIdentity } from '../tensors.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

export const dropout: LayerPlan<Dropout> = {
  lower(pass, node, layer, x) {
    if (!pass.training || layer.p === 0) return { ...x, shape: node.shape }
    const { b, images } = pass
    const [only] = x.terms
    // One layer's spikes stay spikes; anything else is written out.
    const spikes =
      x.terms.length === 1 && only.tensor.kind === 'spikes' && isIdentity(only.pool)
        ? only.tensor
        : undefined
    const plain = plainFloat(x)
    const input = spikes ?? (plain && !plain.input ? plain : materialise(pass, node, x))
    const [, h, w] = input.shape
    const pixels = images * h * w
    const output =
      input.kind === 'spikes'
        ? pass.spikeTensor(node.name, input.shape, input.lambda)
        : pass.floatTensor(node.name, input.shape, input.steps)
    const { units, pixelsPerUnit } = inUnits(
      pixels,
      input.stored * (input.kind === 'spikes' ? 1 : input.steps),
    )
    const shared = {
      pixels,
      channels: input.stored,
      pixelsPerUnit,
      probability: layer.p,
      stream: pass.nextStream(),
    }
    if (input.kind === 'spikes' && output.kind === 'spikes')
      b.emit(dropoutRecord, units, {
        ...shared,
        in: input.masks,
        inCounts: input.counts as Buffer,
        inPlaneBytes: pixels * input.stored,
        out: output.masks,
        counts: output.counts as Buffer,
        planeBytes: pixels * input.stored,
        steps: pass.callSteps,
      })
    else if (input.kind === 'float' && output.kind === 'float')
      pass.make(output, { layers: 0, byImages: false }, () =>
        b.emit(dropoutFloats, units, {
          ...shared,
          in: input.buffer as Buffer,
          out: output.buffer,
          steps: input.steps,
        }),
      )

    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const steps = output.kind === 'float' ? gradientRows(pass, output) : pass.gradientSteps
      const delta = takeGradient(pass, output, steps)
      const name = `${node.name} input gradient`
      const out = overGradient(pass, delta, {
        name,
        shape: input.shape,
        steps,
        stored: input.stored,
      })
      b.emit(dropoutFloats, units, { ...shared, in: delta, out, steps })
      giveTensorGradient(input, out, steps)
    })
    return { shape: node.shape, terms: [term(output, (spikes ? only.scale : 1) / (1 - layer.p))] }
  },
}
