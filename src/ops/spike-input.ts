/** Spikes, or their counts, as the kernels of convolutions and linear layers read them. */

import { fail } from '../errors.js'
import { emitMaterialise } from '../plan/materialise.js'
import { type Expression, noPool, type SpikeTensor } from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import type { OpBuilder } from './builder.js'
import type { ConvSizes } from './convolution.js'
import { type Planning, takes } from './op.js'
import { given, integerIf } from './options.js'
import { type Extent, imageOf } from './shapes.js'
import {
  type Make,
  type OpTensor,
  ownCount,
  type Totals,
  type Values,
  type Views,
} from './tensor.js'
import { asSpikes, denseRows } from './terms.js'
import type { WindowOptions } from './windows.js'

const MOST_SOURCES = 16

/** How an op reads spikes. */
export const spikeOptions = {
  /**
   * Tensors of spikes that are added up, as behind a residual addition. Further ones are the
   * arguments `input2`, `input3` … behind `input`. Default 1.
   */
  sources: integerIf(1, MOST_SOURCES, undefined),
  /** Reads means over windows of the spikes, as behind `avgPool2d`. Default: the spikes. */
  pool: given<WindowOptions>(),
}

const namesOf = (sources = 1): string[] =>
  Array.from({ length: sources }, (_, i) => (i === 0 ? 'input' : `input${i + 1}`))

/** The input, and further sources behind it. */
export const inputs = <A extends Values>(
  sources: number | undefined,
  extent: Extent,
  make: (extent: Extent) => Make<A>,
): Record<'input' | `input${number}`, Planning<A>> =>
  Object.fromEntries(namesOf(sources).map((name) => [name, takes(make(extent))])) as Record<
    string,
    Planning<A>
  >

/**
 * Spikes while records are emitted.
 *
 * @param countSteps the arguments are counts of spikes in so many steps, [B, C, H, W]
 */
export function readSpikes(
  { b, op, made }: OpBuilder,
  { g, source: extent, pool, input }: ConvSizes,
  many: number | undefined,
  countSteps?: number,
) {
  const tensors = namesOf(many).map((name) => made[name])
  const sums = tensors.map(({ name }) => b.buffer(`${name} spikes`, 4, 'statistics'))
  const sources = tensors.map((tensor, i): SpikeTensor => {
    const { name, stored, buffer } = tensor
    const all = { buffer: sums[i], units: 1 }
    // A kernel reads one of both.
    return { ...asSpikes({ name, stored, buffer, counts: tensor }, extent), sums: all }
  })
  const scale = pool === noPool ? 1 : 1 / (pool.kernel[0] * pool.kernel[1])
  const terms = sources.map((tensor) => ({ tensor, pool, scale }))
  const expression: Expression = { shape: imageOf(input), terms }
  /** Lists have no room for more spikes than steps: they would be written beyond it. */
  const refuse = (tensor: OpTensor, views: Views, most: number): void => {
    if (!countSteps || most <= countSteps) return
    const counts = views(tensor.buffer, 'uint8', ownCount(tensor))
    fail(
      `${op}: ${tensor.name} must hold counts of spikes in ${countSteps} steps, got ` +
        counts.find((count) => count > countSteps),
    )
  }
  return {
    spikes: { sources, pool, scale },
    /** The same as a sum that can be written out. */
    expression,
    /** Refuses counts above the steps, where no kernel is chosen by them. */
    check(views: Views, totals: Totals) {
      for (const tensor of tensors)
        refuse(tensor, views, totals.most(tensor.buffer, ownCount(tensor)))
    },
    /** Counts the spikes of a run, by which kernels are chosen; checks counts. */
    count(views: Views, totals: Totals) {
      for (const [i, tensor] of tensors.entries()) {
        const of = [tensor.buffer, ownCount(tensor)] as const
        const { sum, most } = countSteps
          ? totals.bytes(...of)
          : { sum: totals.bits(...of), most: 0 }
        refuse(tensor, views, most)
        views(sums[i], 'int32', 1)[0] = sum
      }
    },
    /**
     * Writes them out as floats [B][H][W][steps][C′] as a network does.
     *
     * @param totalSteps steps over which the means run; 0: each step
     */
    write(name: string, steps: number, totalSteps: number): Buffer {
      const out = b.buffer(name, g.images * g.inH * g.inW * steps * g.inC * 4)
      const all = totalSteps || steps
      const mean = totalSteps > 0
      emitMaterialise(b, expression, g.images, steps, all, mean, out, g.inC, denseRows)
      return out
    },
  }
}

export type SpikeReader = ReturnType<typeof readSpikes>
