/** Sums of tensors: written out as floats, or read as they are. */

import { TermKind } from '../../assembly/opcodes.js'
import { budgets, inUnits } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { materialise, type TermFields } from './records/activity.js'
import {
  type DenseInput,
  type Expression,
  type FloatTensor,
  noPool,
  type SpikeInput,
  type SpikeTensor,
  samePool,
  type Term,
  windowWords,
} from './tensors.js'
import type { Buffer } from './words.js'

/**
 * Writes an expression out as floats [B][H][W][steps][stored]; `mean`: its time mean, one row per
 * pixel.
 */
export function emitMaterialise(
  b: ProgramBuilder,
  expression: Expression,
  images: number,
  steps: number,
  totalSteps: number,
  mean: boolean,
  out: Buffer,
  stored: number,
  input: (tensor: FloatTensor) => DenseInput,
  /** Images that its sources hold. */
  allImages = images,
): void {
  const [, h, w] = expression.shape
  const pixels = images * h * w
  const { units, pixelsPerUnit } = inUnits(pixels, stored)
  b.emit(materialise, units, {
    out,
    images,
    height: h,
    width: w,
    channels: stored,
    steps,
    pixelsPerUnit,
    terms: expression.terms.map((term) => termFields(term, allImages, mean, input)),
    termCount: expression.terms.length,
    mean,
    totalSteps,
    mostCounted: budgets.wordCounts,
  })
}

function termFields(
  term: Term,
  images: number,
  mean: boolean,
  input: (tensor: FloatTensor) => DenseInput,
): TermFields {
  const { tensor, norm, pool, scale } = term
  const shared = {
    scale,
    sourceH: tensor.shape[1],
    sourceW: tensor.shape[2],
    ...windowWords(pool),
  }
  if (tensor.kind === 'spikes')
    return {
      ...shared,
      kind: TermKind.Spikes,
      // A mean reads counts alone: masks need not outlive the forward pass for it.
      address: mean ? undefined : tensor.masks,
      counts: mean ? tensor.counts : undefined,
      planeBytes: images * tensor.shape[1] * tensor.shape[2] * tensor.stored,
    }
  const { address, indirect, pixelBytes, stepBytes, loopBytes, meanSteps } = input(tensor)
  return {
    ...shared,
    kind: TermKind.Float,
    address,
    indirect,
    channels: tensor.stored,
    pixelBytes,
    stepBytes,
    loopBytes: loopBytes || undefined,
    steps: meanSteps,
    scaleVector: norm?.scale,
    shiftVector: norm?.shift,
    groupBytes: norm && norm.groups > 1 ? tensor.stored * 4 : 0,
  }
}

/**
 * A single unscaled, unpooled float tensor: what a dense kernel can read without writing anything
 * out.
 */
export function plainFloat(expression: Expression): FloatTensor | undefined {
  const [term] = expression.terms
  if (
    expression.terms.length !== 1 ||
    term.tensor.kind !== 'float' ||
    term.norm ||
    term.scale !== 1 ||
    !samePool(term.pool, noPool)
  )
    return undefined
  return term.tensor
}

/**
 * The spike tensors of an expression that the event-driven kernel can read as they are: same shape,
 * pooling and scale; undefined when it is something else.
 */
export function spikeSources(expression: Expression): SpikeInput | undefined {
  const [first] = expression.terms
  const sources: SpikeTensor[] = []
  for (const { tensor, pool, scale } of expression.terms) {
    if (tensor.kind !== 'spikes' || !samePool(pool, first.pool) || scale !== first.scale)
      return undefined
    sources.push(tensor)
  }
  return { sources, pool: first.pool, scale: first.scale }
}
