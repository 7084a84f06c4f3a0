/** Dropout: the same neurons are silent at every step, forward and backward. */

import { Op, PoolWord } from '../../../assembly/opcodes.js'
import type { Dropout } from '../../nn/layers/index.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { perUnit, term } from '../pass.js'
import { isIdentity } from '../tensors.js'
import { type Buffer, f32, ref, type Words } from '../words.js'
import type { LayerPlan } from './layer.js'
import { materialise } from './sum.js'

export const dropout: LayerPlan<Dropout> = {
  lower(pass, node, layer, x) {
    if (!pass.training || layer.p === 0) return { ...x, shape: node.shape }
    const { b, context, images } = pass
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
    const pixelsPerUnit = perUnit(
      pixels,
      input.stored * (input.kind === 'spikes' ? 1 : input.steps),
    )
    const units = Math.ceil(pixels / pixelsPerUnit)
    const words: Words = {
      [PoolWord.Images]: images,
      [PoolWord.H]: h,
      [PoolWord.W]: w,
      [PoolWord.C]: input.stored,
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Factor]: f32(layer.p),
      [PoolWord.Stream]: pass.nextStream(),
    }
    if (input.kind === 'spikes' && output.kind === 'spikes')
      b.emitWords(Op.Dropout, units, {
        ...words,
        [PoolWord.Out]: ref(output.masks),
        [PoolWord.OutCounts]: ref(output.counts),
        [PoolWord.In]: ref(input.masks),
        [PoolWord.InCounts]: ref(input.counts),
        [PoolWord.OutPlaneBytes]: pixels * input.stored,
        [PoolWord.InPlaneBytes]: pixels * input.stored,
        [PoolWord.T]: context.callSteps,
      })
    else if (input.kind === 'float' && output.kind === 'float')
      b.emitWords(Op.DropoutFloats, units, {
        ...words,
        [PoolWord.Out]: ref(output.buffer as Buffer),
        [PoolWord.In]: ref(input.buffer as Buffer),
        [PoolWord.T]: input.steps,
      })

    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const steps = output.kind === 'float' ? gradientRows(pass, output) : context.gradientSteps
      const delta = takeGradient(pass, output, steps)
      const out = gradientBuffer(
        pass,
        `${node.name} input gradient`,
        input.shape,
        steps,
        input.stored,
      )
      b.emitWords(Op.DropoutFloats, units, {
        ...words,
        [PoolWord.Out]: ref(out),
        [PoolWord.In]: ref(delta),
        [PoolWord.T]: steps,
      })
      giveTensorGradient(input, out, steps)
    })
    return { shape: node.shape, terms: [term(output, (spikes ? only.scale : 1) / (1 - layer.p))] }
  },
}
