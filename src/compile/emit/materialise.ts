/** Sums of tensors: written out as floats, or read as they are. */

import { TermKind } from '../../../assembly/opcodes.js'
import { materialise, type TermFields } from '../../kernels/records/activity.js'
import type { Buffer } from '../../kernels/records/words.js'
import { budgets, inUnits } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import * as tensors from '../tensors.js'

/**
 * Writes an expression out as floats [B][H][W][steps][stored]; `mean`: its time mean, one row per
 * pixel.
 */
export function emitMaterialise(
  b: ProgramBuilder,
  expression: tensors.Expression,
  images: number,
  steps: number,
  totalSteps: number,
  mean: boolean,
  out: Buffer,
  channels: number,
  input: (tensor: tensors.FloatTensor) => tensors.DenseInput,
  /** Images that its sources hold. */
  allImages = images,
): void {
  const [, height, width] = expression.shape
  const { units, pixelsPerUnit } = inUnits(images * height * width, channels)
  const { terms } = expression
  const sizes = { images, height, width, channels, steps, pixelsPerUnit }
  b.emit(materialise, units, {
    out,
    ...sizes,
    terms: terms.map((term) => termFields(term, allImages, mean, input)),
    termCount: terms.length,
    mean,
    totalSteps,
    mostCounted: budgets.wordCounts,
  })
}

function termFields(
  term: tensors.Term,
  images: number,
  mean: boolean,
  input: (tensor: tensors.FloatTensor) => tensors.DenseInput,
): TermFields {
  const { tensor, norm, pool, scale } = term
  const [, sourceH, sourceW] = tensor.shape
  const shared = { scale, sourceH, sourceW, ...tensors.windowWords(pool) }
  if (tensor.kind === 'spikes') {
    const counts = mean ? tensor.counts : undefined
    return {
      ...shared,
      kind: TermKind.Spikes,
      // A mean reads counts alone: masks need not outlive the forward pass for it.
      address: counts ? undefined : tensor.masks,
      counts,
      planeBytes: images * sourceH * sourceW * tensor.stored,
    }
  }
  const read = input(tensor)
  const { address, pixelBytes, stepBytes, loopBytes, meanSteps: steps } = read
  const indirect = tensors.indirectWord(read)
  const places = { address, indirect, pixelBytes, stepBytes, loopBytes: loopBytes || undefined }
  return {
    ...shared,
    kind: TermKind.Float,
    channels: tensor.stored,
    ...places,
    steps,
    scaleVector: norm?.scale,
    shiftVector: norm?.shift,
    groupBytes: norm && norm.groups > 1 ? tensor.stored * 4 : 0,
  }
}

/**
 * A single unscaled, unpooled float tensor: what a dense kernel can read without writing anything
 * out.
 */
export function plainFloat({ terms }: tensors.Expression): tensors.FloatTensor | undefined {
  const [{ tensor, norm, scale, pool }, ...others] = terms
  const isPlain = others.length === 0 && !norm && scale === 1 && tensors.isIdentity(pool)
  return isPlain && tensor.kind === 'float' ? tensor : undefined
}

/** Why an expression is no input of the event-driven kernel as it is; undefined where it is one. */
export function whyNoSpikes({ terms }: tensors.Expression): string | undefined {
  const [first] = terms
  if (terms.some(({ tensor }) => tensor.kind !== 'spikes')) return 'it reads floats'
  if (!terms.every(({ pool }) => tensors.samePool(pool, first.pool)))
    return 'it reads a sum of terms that are pooled differently'
  const alike = terms.every(({ scale }) => scale === first.scale)
  return alike ? undefined : 'it reads a sum of terms with different factors'
}

/**
 * The spike tensors of an expression that the event-driven kernel can read as they are: same shape,
 * pooling and scale; undefined when it is something else.
 */
export function spikeSources(expression: tensors.Expression): tensors.SpikeInput | undefined {
  if (whyNoSpikes(expression)) return undefined
  const [{ pool, scale }] = expression.terms
  return {
    sources: expression.terms.map(({ tensor }) => tensor as tensors.SpikeTensor),
    pool,
    scale,
  }
}
