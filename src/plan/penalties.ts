/** Penalties on firing rates: their value, and what they add to the gradient of spikes. */

import type { GraphNode } from '../graph/trace.js'
import type { RatePenalty } from '../loss/index.js'
import { inUnits } from './budgets.js'
import { giveTensorGradient } from './gradients.js'
import type { Pass } from './pass.js'
import type { ProgramBuilder } from './program.js'
import { ratePenalty } from './records/loss.js'
import type { Shape, SpikeTensor } from './tensors.js'
import { standardTraining } from './training.js'
import type { Buffer } from './words.js'

/** What a penalty's record is made from. */
export interface PenaltyRecord {
  readonly counts: Buffer
  readonly out: Buffer
  readonly partials: Buffer
  readonly images: number
  readonly shape: Shape
  readonly stored: number
  readonly steps: number
  readonly penalty: Pick<RatePenalty, 'norm' | 'target'>
  /** Factor of the gradient by the rates. */
  readonly scale: number
}

/** Units of a penalty: each has a sum of its own. */
export function penaltyUnits(images: number, [, height, width]: Shape, stored: number) {
  const pixels = images * height * width
  return { pixels, ...inUnits(pixels, stored) }
}

export function emitRatePenalty(b: ProgramBuilder, record: PenaltyRecord): void {
  const { images, shape, stored, penalty, steps, scale, ...places } = record
  const { units, ...sizes } = penaltyUnits(images, shape, stored)
  b.emit(ratePenalty, units, {
    ...places,
    ...sizes,
    stored,
    channels: shape[0],
    pixelsPerImage: shape[1] * shape[2],
    steps,
    target: penalty.target,
    scale,
    absolute: penalty.norm === 'L1',
  })
}

/** Hands the gradients of a layer's penalties to its spikes, behind those of their readers. */
export function givePenalties(pass: Pass, node: GraphNode, spikes: SpikeTensor): void {
  const { b, images, options } = pass
  const { training = standardTraining, timeSteps } = options
  const { shape, stored } = spikes
  const { units } = penaltyUnits(images, shape, stored)
  const neurons = shape[0] * shape[1] * shape[2]
  const over = pass.context.method.lossOver === 'images' ? 1 : timeSteps
  for (const [i, penalty] of training.penalties.entries()) {
    if (!penalty.layers.includes(node.name)) continue
    const out = pass.imageBuffer(
      `${node.name} gradient of penalty ${i}`,
      shape[1] * shape[2] * stored * 4,
    )
    const partials = b.buffer(`${node.name} penalty ${i}`, units * 8, 'statistics')
    const factor = penalty.weight / neurons
    const counts = spikes.counts as Buffer
    const record = { counts, out, partials, images, shape, stored, penalty }
    emitRatePenalty(b, { ...record, steps: timeSteps, scale: factor / over })
    // Of the time mean every step's spike has its share.
    giveTensorGradient(spikes, out, 1, 1 / pass.gradientSteps)
    pass.penalties.push({ name: node.name, partials, units, factor })
  }
}
