/** Ops of values that are made of others: products, softmax, parts and other orders. */

import { fail } from '../../base/errors.js'
import { kindOf } from '../../network/kind.js'
import { axisOf, type Shape, type Value } from '../../network/value.js'
import * as products from '../../nn/layers/attention.js'
import * as layers from '../../nn/layers/index.js'
import { emitRearrange, emitRearrangeSpikes, sliceOf } from '../../nn/layers/rearrange.js'
import { back, gives, op, shows, takes, through } from '../op.js'
import * as is from '../options.js'
import { type Extent, imageOf, imagesOf, resized, showShape, still, withSteps } from '../shapes.js'
import * as tensors from '../tensor.js'

const valued = (extent: Extent, series = false): Value => ({
  shape: imageOf(extent),
  flat: extent.shape.length < 4,
  series,
  node: 1,
})

const numbersOf = (extent: Extent, { buffer }: tensors.OpTensor): products.Numbers => ({
  ...imagesOf(extent),
  buffer: buffer as products.Numbers['buffer'],
})

/** Steps of a product, whose factors may be the same at all of them. */
function stepsOf(op: string, { a, b }: Readonly<Record<'a' | 'b', Extent>>, C: Shape): Extent {
  const [T, timed] = [Math.max(a.T, b.T), a.timed || b.timed]
  const [left, right] = [a, b].map(({ shape }) => showShape(shape))
  if (!(a.B === b.B && [a, b].every((of) => of.T === T || !of.timed)))
    fail(`${op}: a and b must have the same samples and time steps, got ${left} and ${right}`)
  const extent = resized(a, { C: C[0], H: C[1], W: C[2] })
  return timed ? withSteps(extent, T) : extent
}

/**
 * Products of numbers. A size of 1 stands for as many as the other factor has, and a factor without
 * T is the same at every step:
 *
 *     output[b, t, c, y, x] = a[b, t, c, y, x] · b[b, t, c, y, x]
 *
 * With `output`, the sum over the sizes that this shape has as 1, and over the steps if it has no
 * T: so the gradient of a factor is the product of delta and the other one.
 */
export const mul = op('mul', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    a: is.activity,
    /** The same, with sizes that are those of `a`, or 1 in one of both. */
    b: is.activity,
    /** Shape of the output. Default: the larger one of each size. */
    output: is.option((name, shape?: readonly number[]) =>
      shape === undefined ? undefined : is.activity.check(name, shape),
    ),
  },
  derive({ a, b, output }, { op }) {
    const layer = { kind: 'mul' } as const
    const [shape] = kindOf(layer).output(layer, valued(a), op, valued(b))
    const whole = stepsOf(op, { a, b }, shape)
    const to = output ?? whole
    const fits = imageOf(to).every((n, i) => n === 1 || n === shape[i])
    if (!(fits && to.B === a.B && (to.T === whole.T || !to.timed)))
      fail(
        `${op}.output must have sizes of ${showShape(whole.shape)}, 1, or no T, got ` +
          showShape(to.shape),
      )
    if (to.C < shape[0] && a.C !== b.C)
      fail(`${op}.output can sum over channels that both factors have, got ${a.C} and ${b.C}`)
    return { shape, to }
  },
  tensors: ({ a, b, to }) => ({
    /** A factor. */
    a: takes(tensors.floats(a)),
    /** The other one. */
    b: takes(tensors.floats(b)),
    /** Their products, or sums of them. */
    output: gives(tensors.floats(to)),
  }),
  emit({ b }, _, { a: left, b: right, shape, to }, { a, b: other, output }) {
    const all = [numbersOf(left, a), numbersOf(right, other), numbersOf(to, output)] as const
    products.emitMultiply({ b, images: left.B }, shape, ...all)
  },
})

/**
 * Matrix products of samples, steps and heads: rows are channels, columns pixels of one row.
 *
 *     output[b, t, h·M + m, 0, n] = Σ over k of a[b, t, h·M + m, 0, k] · b[b, t, h·K + k, 0, n]
 *
 * with each matrix transposed where asked for. A factor without T is the same at every step.
 */
export const bmm = op('bmm', {
  options: {
    /** [B, C, 1, N], or that behind T. */
    a: is.image,
    /** The same. */
    b: is.image,
    /** Whether each matrix of `a` is transposed first. Default false. */
    transposeA: is.flag(),
    /** Whether each of `b` is. Default false. */
    transposeB: is.flag(),
    /** Matrices one below the other, in the channels of both. Default 1. */
    heads: is.integerIf(1, 2 ** 16, 1),
    /** The output has no T and is the sum over the steps: a gradient. Default false. */
    sum: is.flag(),
  },
  derive({ a, b, transposeA, transposeB, heads, sum }, { op }) {
    const layer = products.matmul({ transposeA, transposeB, heads })
    const [shape] = kindOf(layer).output(layer, valued(a, true), op, valued(b, true))
    const to = stepsOf(op, { a, b }, shape)
    return { to: sum ? still(to) : to }
  },
  tensors: ({ a, b, to }) => ({
    /** The left matrices. */
    a: takes(tensors.floats(a)),
    /** The right ones. */
    b: takes(tensors.floats(b)),
    /** [B, heads · M, 1, N], or that behind T. */
    output: gives(tensors.floats(to)),
  }),
  emit({ b }, _, { a: left, b: right, to, heads, transposeA, transposeB }, { a, b: by, output }) {
    const [x, y] = [numbersOf(left, a), numbersOf(right, by)]
    const out = numbersOf(to, output)
    products.emitMatrixProduct({ b, images: left.B }, heads, [x, transposeA], [y, transposeB], out)
  },
})

/**
 * output = e^input / Σ e^input along one size. Its gradient is output · (delta − Σ output · delta):
 * products and sums of `ops.mul`.
 */
export const softmax = op('softmax', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    /** The size that is summed over, T not counted: 1 the channels, … Default −1, the last. */
    dim: is.option((_, dim?: number) => layers.softmax(dim).dim),
  },
  derive: ({ input, dim }, { op }) => ({ axis: axisOf(op, valued(input), dim) }),
  tensors: ({ input }) => through(tensors.floats(input)),
  emit: ({ b }, { output }, { input, axis }, { input: x }) =>
    products.emitSoftmax({ b, images: input.B }, axis, numbersOf(input, x), output),
})

const part = {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  input: is.activity,
  /** The first number along `dim`; negative ones count from the end. */
  from: is.needed<number>(),
  /** The number behind the last one. Default: the end. */
  to: is.given<number>(),
  /** The size, T not counted: 1 the channels, … Default 1. */
  dim: is.given<number>(),
}

/** What is left, and its record. */
function partOf({ input, from, to, dim }: is.Checked<typeof part>, op: string) {
  const { shape, strides, offset } = sliceOf(layers.slice(from, to, dim), valued(input), op)
  const output = resized(input, { C: shape[0], H: shape[1], W: shape[2] })
  const [x, y] = [input, output].map(imagesOf)
  return { output, job: { strides, offset, input: x, output: y, steps: input.T } }
}

/**
 * output = the numbers from … to − 1 of input along one size. A network's `permute` and `reshape`
 * run by the same kernel.
 */
export const slice = op('slice', {
  options: {
    ...part,
    /** The input holds spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
    spikes: is.flag(),
  },
  derive: (of, { op }) => partOf(of, op),
  tensors: ({ input, output, spikes }) => ({
    ...through(tensors.activities(input, spikes), tensors.activities(output, spikes)),
    /** For spikes: those of each neuron over all steps. */
    outputCounts: spikes && shows(tensors.countsOf('output')),
  }),
  emit({ b }, { input: from, output: out }, { input, output, job, spikes }, made) {
    const to = { b, images: input.B }
    if (!spikes) return emitRearrange(to, { ...job, in: from, out })
    const [x, y] = [made.input, made.output] as tensors.SpikesTensor[]
    emitRearrangeSpikes(to, job, tensors.asSpikes(x, input), tensors.asSpikes(y, output))
    return { before: x.count }
  },
})

/** The gradient of `ops.slice`: delta at its place, zeros elsewhere. */
export const sliceBackward = op('sliceBackward', {
  options: part,
  derive: (of, { op }) => partOf(of, op),
  tensors: ({ input, output }) => back(output, input),
  emit: ({ b }, { delta, inputGradient: out }, { input, job }) =>
    emitRearrange({ b, images: input.B }, { ...job, in: delta, out, back: true }),
})
