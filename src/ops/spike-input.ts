/** Spikes, or their counts, as the kernels of convolutions and linear layers read them. */

import { fail } from '../errors.js'
import { emitMaterialise } from '../plan/materialise.js'
import { type Expression, noPool, type SpikeInput, type SpikeTensor } from '../plan/tensors.js'
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
import { asSpikes } from './terms.js'
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

/** Spikes while records are emitted. */
export interface SpikeReader {
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
  fail(
    `${what} must hold counts of spikes in ${timeSteps} steps, got ` +
      counts.find((count) => count > timeSteps),
  )
}

/** @param countSteps the arguments are counts of spikes in so many steps, [B, C, H, W] */
export function readSpikes(
  { b, op, made }: OpBuilder,
  { g, source: extent, pool, input }: ConvSizes,
  many: number | undefined,
  countSteps?: number,
): SpikeReader {
  const tensors = namesOf(many).map((name) => made[name])
  const sources = tensors.map((tensor): SpikeTensor => {
    const { name, stored, buffer } = tensor
    const sums = { buffer: b.buffer(`${name} spikes`, 4, 'statistics'), units: 1 }
    // A kernel reads one of both.
    return { ...asSpikes({ name, stored, buffer, counts: tensor }, extent), sums }
  })
  const scale = pool === noPool ? 1 : 1 / (pool.kernel[0] * pool.kernel[1])
  const terms = sources.map((tensor) => ({ tensor, pool, scale }))
  const expression: Expression = { shape: imageOf(input), terms }
  const refuse = (tensor: OpTensor, views: Views, most: number): void => {
    if (countSteps && most > countSteps)
      refuseCounts(`${op}: ${tensor.name}`, tensor, views, countSteps)
  }
  return {
    spikes: { sources, pool, scale },
    expression,
    check(views, totals) {
      for (const tensor of tensors)
        refuse(tensor, views, totals.most(tensor.buffer, ownCount(tensor)))
    },
    count(views, totals) {
      for (const [i, tensor] of tensors.entries()) {
        const { buffer } = tensor
        const { sum, most } = countSteps
          ? totals.bytes(buffer, ownCount(tensor))
          : { sum: totals.bits(buffer, ownCount(tensor)), most: 0 }
        refuse(tensor, views, most)
        const sums = sources[i].sums as NonNullable<SpikeTensor['sums']>
        views(sums.buffer, 'int32', 1)[0] = sum
      }
    },
    write(name, steps, totalSteps) {
      const out = b.buffer(name, g.images * g.inH * g.inW * steps * g.inC * 4)
      const mean = totalSteps > 0
      // No float is among the terms.
      const floats = (): never => {
        throw new Error(`${op}: floats among spikes`)
      }
      const all = mean ? totalSteps : steps
      emitMaterialise(b, expression, g.images, steps, all, mean, out, g.inC, floats)
      return out
    },
  }
}
