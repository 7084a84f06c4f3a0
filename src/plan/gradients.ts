/**
 * Gradients on their way back: what readers hand to a tensor is collected, added up when the
 * tensor's own turn comes, and handed on.
 */

import { ContributionWord, NeuronBackWord, Op, PoolWord } from '../../assembly/opcodes.js'
import { storedChannels } from './layout.js'
import { type Pass, perUnit } from './pass.js'
import {
  type Contribution,
  type Expression,
  type FloatTensor,
  gradientOf,
  isIdentity,
  noPool,
  type Shape,
  type SpikeTensor,
} from './tensors.js'
import { type Buffer, f32, ref, type Words } from './words.js'

/** Anything that gradients are handed to. */
type Target = {
  readonly name: string
  readonly shape: Shape
  readonly stored: number
  readonly gradient: readonly Contribution[]
}

/** Rows per pixel of a float tensor's gradient. */
export const gradientRows = (pass: Pass, tensor: FloatTensor): number =>
  pass.context.method.rows === 'steps' ? tensor.steps : 1

export function gradientBuffer(
  pass: Pass,
  name: string,
  shape: Shape,
  steps: number,
  stored = storedChannels(shape[0]),
): Buffer {
  return pass.b.buffer(name, pass.images * shape[1] * shape[2] * steps * stored * 4)
}

export function contributionTable(contributions: readonly Contribution[], stored: number): Words {
  return {
    [NeuronBackWord.Contributions]: {
      table: contributions.map((c) => ({
        [ContributionWord.Address]: ref(c.buffer),
        [ContributionWord.OutH]: c.outH,
        [ContributionWord.OutW]: c.outW,
        [ContributionWord.KernelH]: c.pool.kernel[0],
        [ContributionWord.KernelW]: c.pool.kernel[1],
        [ContributionWord.StrideH]: c.pool.stride[0],
        [ContributionWord.StrideW]: c.pool.stride[1],
        [ContributionWord.PadH]: c.pool.padding[0],
        [ContributionWord.PadW]: c.pool.padding[1],
        [ContributionWord.Scale]: f32(c.scale),
        [ContributionWord.StepBytes]: c.steps > 1 ? stored * 4 : 0,
        [ContributionWord.PixelBytes]: c.steps * stored * 4,
      })),
      entryBytes: ContributionWord.Bytes,
    },
    [NeuronBackWord.ContributionCount]: contributions.length,
  }
}

/** Sum of what came in, times a factor per neuron. */
export function sumGradient(
  pass: Pass,
  op: Op,
  name: string,
  to: Omit<Target, 'name'>,
  steps: number,
  factor?: Buffer,
): Buffer {
  const { shape, stored, gradient } = to
  const out = gradientBuffer(pass, name, shape, steps, stored)
  const pixels = pass.images * shape[1] * shape[2]
  const pixelsPerUnit = perUnit(pixels, stored * steps)
  pass.b.emitWords(op, Math.ceil(pixels / pixelsPerUnit), {
    [NeuronBackWord.Out]: ref(out),
    [NeuronBackWord.Factor]: factor ? ref(factor) : 0,
    ...contributionTable(gradient, stored),
    [NeuronBackWord.Pixels]: pixels,
    [NeuronBackWord.H]: shape[1],
    [NeuronBackWord.W]: shape[2],
    [NeuronBackWord.C]: stored,
    [NeuronBackWord.PixelsPerUnit]: pixelsPerUnit,
    [NeuronBackWord.T]: steps,
  })
  return out
}

/**
 * One buffer that holds a tensor's gradient with `steps` rows per pixel: the single contribution
 * itself where that is possible.
 */
export function takeGradient(pass: Pass, to: Target, steps: number): Buffer {
  const { name, shape, stored, gradient } = to
  const [first] = gradient
  if (gradient.length === 1 && isIdentity(first.pool) && first.scale === 1 && first.steps === steps)
    return first.buffer
  if (steps === 1 && gradient.some((c) => c.steps > 1)) {
    // Gradients at each step are summed over time; those with one row are sums over time already.
    const each = gradient.filter((c) => c.steps > 1)
    const rows = each[0].steps
    const atEachStep = takeGradient(pass, { ...to, gradient: each }, rows)
    const buffer = gradientTimeSum(
      pass,
      `${name} gradient over time`,
      atEachStep,
      shape,
      rows,
      stored,
    )
    const summed: Contribution = {
      buffer,
      steps: 1,
      outH: shape[1],
      outW: shape[2],
      pool: noPool,
      scale: 1,
    }
    return takeGradient(
      pass,
      { ...to, gradient: [...gradient.filter((c) => c.steps === 1), summed] },
      1,
    )
  }
  return sumGradient(pass, Op.GradientSum, `${name} gradient`, to, steps)
}

/** Σ over the steps of a gradient. */
export function gradientTimeSum(
  pass: Pass,
  name: string,
  input: Buffer,
  shape: Shape,
  rows: number,
  stored: number,
  persistent = false,
): Buffer {
  const pixels = pass.images * shape[1] * shape[2]
  const out = pass.b.buffer(name, pixels * stored * 4, 'scratch', persistent)
  const pixelsPerUnit = perUnit(pixels, stored * rows)
  pass.b.emitWords(Op.TimeSum, Math.ceil(pixels / pixelsPerUnit), {
    [PoolWord.Out]: ref(out),
    [PoolWord.In]: ref(input),
    [PoolWord.T]: rows,
    [PoolWord.Images]: pass.images,
    [PoolWord.H]: shape[1],
    [PoolWord.W]: shape[2],
    [PoolWord.C]: stored,
    [PoolWord.PixelsPerUnit]: pixelsPerUnit,
  })
  return out
}

/** Hands the gradient of an expression on to its terms. */
export function giveGradient(to: Expression, buffer: Buffer, steps: number): void {
  for (const term of to.terms) {
    if (term.tensor.kind === 'float' && term.tensor.input) continue
    gradientOf(term).push({
      buffer,
      steps,
      outH: to.shape[1],
      outW: to.shape[2],
      pool: term.pool,
      scale: term.scale,
    })
  }
}

/** Hands a gradient to a tensor itself. */
export function giveTensorGradient(
  to: FloatTensor | SpikeTensor,
  buffer: Buffer,
  steps: number,
  scale = 1,
): void {
  to.gradient.push({ buffer, steps, outH: to.shape[1], outW: to.shape[2], pool: noPool, scale })
}
