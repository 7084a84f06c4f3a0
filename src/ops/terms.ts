/** Tensors of ops as the planner reads them. */

import { Control } from '../../assembly/opcodes.js'
import { emitMaterialise } from '../plan/materialise.js'
import type { ProgramBuilder } from '../plan/program.js'
import * as plan from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import { type Extent, imageOf } from './shapes.js'
import type { OpTensor, SpikesTensor } from './tensor.js'

/** @param input the model's input, which `Control.Input` points to */
export const asFloat = (tensor: OpTensor, extent: Extent, input = false): plan.FloatTensor => ({
  kind: 'float',
  name: tensor.name,
  shape: imageOf(extent),
  stored: tensor.stored,
  steps: extent.T,
  input,
  buffer: tensor.buffer,
  gradient: [],
})

/** What is read of spikes: masks and counts. */
type Spikes = Pick<SpikesTensor, 'name' | 'stored' | 'buffer'> & {
  readonly counts: Pick<OpTensor, 'buffer'>
}

export const asSpikes = (tensor: Spikes, extent: Extent): plan.SpikeTensor => ({
  kind: 'spikes',
  name: tensor.name,
  shape: imageOf(extent),
  stored: tensor.stored,
  masks: tensor.buffer,
  counts: tensor.counts.buffer,
  lambda: 0,
  gradient: [],
})

/** Writes spikes as floats, or their means over so many steps. */
export function emitSpikeFloats(
  b: ProgramBuilder,
  spikes: Spikes,
  extent: Extent,
  totalSteps: number,
  out: Buffer,
  mean: boolean,
): void {
  const { B, T } = extent
  const terms = [{ tensor: asSpikes(spikes, extent), pool: plan.noPool, scale: 1 }]
  const sum = { shape: imageOf(extent), terms }
  emitMaterialise(b, sum, B, T, totalSteps, mean, out, spikes.stored, denseRows)
}

/** How kernels read a float tensor. */
export function denseRows({ buffer, input, stored, steps }: plan.FloatTensor): plan.DenseInput {
  if (!buffer) throw new Error('an op has no input of its own')
  const rows = plan.rowsOf(buffer, stored, steps)
  return input ? { ...rows, address: Control.Input, indirect: true } : rows
}
