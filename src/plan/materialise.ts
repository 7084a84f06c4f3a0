/** Sums of tensors: written out as floats, or read as they are. */

import { MaterialiseWord, Op, TermWord } from '../../assembly/opcodes.js'
import type { ProgramBuilder } from './program.js'
import {
  type DenseInput,
  type Expression,
  type FloatTensor,
  noPool,
  type Pool,
  type SpikeTensor,
  samePool,
  type Term,
} from './tensors.js'
import { type Buffer, f32, ref, type Words } from './words.js'

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
): void {
  const [, h, w] = expression.shape
  const pixels = images * h * w
  const perUnit = Math.max(1, Math.min(pixels, Math.ceil(8192 / stored)))
  b.emitWords(Op.Materialise, Math.ceil(pixels / perUnit), {
    [MaterialiseWord.Out]: ref(out),
    [MaterialiseWord.Images]: images,
    [MaterialiseWord.H]: h,
    [MaterialiseWord.W]: w,
    [MaterialiseWord.C]: stored,
    [MaterialiseWord.T]: steps,
    [MaterialiseWord.PixelsPerUnit]: perUnit,
    [MaterialiseWord.Terms]: {
      table: expression.terms.map((term) => termWords(term, images, mean, input)),
      entryBytes: TermWord.Bytes,
    },
    [MaterialiseWord.TermCount]: expression.terms.length,
    [MaterialiseWord.Mean]: mean ? 1 : 0,
    [MaterialiseWord.TotalSteps]: totalSteps,
  })
}

function termWords(
  term: Term,
  images: number,
  mean: boolean,
  input: (tensor: FloatTensor) => DenseInput,
): Words {
  const { tensor, norm, pool } = term
  const shared: Words = {
    [TermWord.Scale]: f32(term.scale),
    [TermWord.SourceH]: tensor.shape[1],
    [TermWord.SourceW]: tensor.shape[2],
    [TermWord.KernelH]: pool.kernel[0],
    [TermWord.KernelW]: pool.kernel[1],
    [TermWord.StrideH]: pool.stride[0],
    [TermWord.StrideW]: pool.stride[1],
    [TermWord.PadH]: pool.padding[0],
    [TermWord.PadW]: pool.padding[1],
    [TermWord.Channels]: tensor.stored,
  }
  if (tensor.kind === 'spikes')
    return {
      ...shared,
      [TermWord.Kind]: 1,
      // A mean reads counts alone: masks need not outlive the forward pass for it.
      [TermWord.Address]: mean ? 0 : ref(tensor.masks),
      [TermWord.Counts]: mean ? ref(tensor.counts) : 0,
      [TermWord.PlaneBytes]: images * tensor.shape[1] * tensor.shape[2] * tensor.stored,
    }
  const { address, indirect, pixelBytes, stepBytes, loopBytes, meanSteps } = input(tensor)
  return {
    ...shared,
    [TermWord.Kind]: 0,
    [TermWord.Address]: address,
    [TermWord.Indirect]: indirect ? 1 : 0,
    [TermWord.PixelBytes]: pixelBytes,
    [TermWord.StepBytes]: stepBytes || loopBytes,
    [TermWord.Steps]: meanSteps,
    [TermWord.ScaleVector]: norm ? ref(norm.scale) : 0,
    [TermWord.ShiftVector]: norm ? ref(norm.shift) : 0,
    [TermWord.GroupBytes]: norm && norm.groups > 1 ? tensor.stored * 4 : 0,
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
export function spikeSources(
  expression: Expression,
): { sources: SpikeTensor[]; pool: Pool; scale: number } | undefined {
  const [first] = expression.terms
  const sources: SpikeTensor[] = []
  for (const { tensor, pool, scale } of expression.terms) {
    if (tensor.kind !== 'spikes' || !samePool(pool, first.pool) || scale !== first.scale)
      return undefined
    sources.push(tensor)
  }
  return { sources, pool: first.pool, scale: first.scale }
}
