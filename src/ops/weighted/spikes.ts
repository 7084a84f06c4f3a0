/** Spikes, or their counts, as the kernels of convolutions and linear layers read them. */

import { checkInteger, SpikewasmError } from '../../errors.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { type Expression, noPool, type SpikeInput, type SpikeTensor } from '../../plan/tensors.js'
import type { Buffer } from '../../plan/words.js'
import type { OpBuilder } from '../builder.js'
import type { ConvSizes } from '../convolution.js'
import { bytesTensor, type OpTensor, ownCount, spikesTensor, type Views } from '../tensor.js'
import { asSpikes } from '../terms.js'
import type { Totals } from '../totals.js'
import { imageOf, type WindowOptions } from '../windows.js'

/** How an op reads spikes. */
export interface SpikeOptions {
  /**
   * Tensors of spikes that are added up, as behind a residual addition. Further ones are the
   * arguments `input2`, `input3` … behind `input`. Default 1.
   */
  readonly sources?: number
  /** Reads means over windows of the spikes, as behind `avgPool2d`. Default: the spikes. */
  readonly pool?: WindowOptions
}

export const spikeOptions = ['sources', 'pool'] as const

const MOST_SOURCES = 16

/** Spikes while an op is planned. */
export interface SpikeReader {
  /** The arguments. */
  readonly inputs: readonly OpTensor[]
  readonly spikes: SpikeInput
  /** The same as a sum that can be written out. */
  readonly expression: Expression
  /** Counts the spikes of a run, by which kernels are chosen; checks counts. */
  readonly count: (views: Views, totals: Totals) => void
  /** Refuses counts above the steps, where no kernel is chosen by them. */
  readonly check: (views: Views, totals: Totals) => void
  /**
   * Writes them out as floats [B][H][W][steps][C′] as a network does.
   *
   * @param totalSteps steps over which the means run; 0: each step
   */
  write(name: string, steps: number, totalSteps: number): Buffer
}

/** Lists have no room for more spikes than steps: they would be written beyond it. */
function refuseCounts(what: string, tensor: OpTensor, views: Views, timeSteps: number): never {
  const counts = views(tensor.buffer, 'uint8', ownCount(tensor))
  throw new SpikewasmError(
    `${what} must hold counts of spikes in ${timeSteps} steps, got ` +
      counts.find((count) => count > timeSteps),
  )
}

/** @param countSteps the arguments are counts of spikes in so many steps, [B, C, H, W] */
export function readSpikes(
  { b, op }: OpBuilder,
  { g, source: extent, pool, input }: ConvSizes,
  { sources: many = 1 }: SpikeOptions,
  countSteps?: number,
): SpikeReader {
  checkInteger(`${op}.sources`, many, 1, MOST_SOURCES)
  const names = Array.from({ length: many }, (_, i) => (i === 0 ? 'input' : `input${i + 1}`))
  const tensors = names.map((name) =>
    countSteps ? bytesTensor(b, { name }, extent) : spikesTensor(b, op, { name }, extent),
  )
  const sources = tensors.map((tensor, i): SpikeTensor => {
    const sums = { buffer: b.buffer(`${names[i]} spikes`, 4, 'statistics'), units: 1 }
    // A kernel reads one of both.
    return { ...asSpikes({ ...tensor, counts: tensor }, extent), sums }
  })
  const scale = pool === noPool ? 1 : 1 / (pool.kernel[0] * pool.kernel[1])
  const expression: Expression = {
    shape: imageOf(input),
    terms: sources.map((tensor) => ({ tensor, pool, scale })),
  }
  return {
    inputs: tensors,
    spikes: { sources, pool, scale },
    expression,
    check(views, totals) {
      if (countSteps)
        for (const tensor of tensors)
          if (totals.most(tensor.buffer, ownCount(tensor)) > countSteps)
            refuseCounts(`${op}: ${tensor.name}`, tensor, views, countSteps)
    },
    count(views, totals) {
      for (const [i, tensor] of tensors.entries()) {
        const { sum, most } = countSteps
          ? totals.bytes(tensor.buffer, ownCount(tensor))
          : { sum: totals.bits(tensor.buffer, ownCount(tensor)), most: 0 }
        if (countSteps && most > countSteps)
          refuseCounts(`${op}: ${tensor.name}`, tensor, views, countSteps)
        const sums = sources[i].sums as NonNullable<SpikeTensor['sums']>
        views(sums.buffer, 'int32', 1)[0] = sum
      }
    },
    write(name, steps, totalSteps) {
      const out = b.buffer(name, g.images * g.inH * g.inW * steps * g.inC * 4)
      const mean = totalSteps > 0
      const all = mean ? totalSteps : steps
      // No float is among the terms.
      const floats = (): never => {
        throw new Error(`${op}: floats among spikes`)
      }
      emitMaterialise(b, expression, g.images, steps, all, mean, out, g.inC, floats)
      return out
    },
  }
}
