/** Sums of tensors and of gradients; channels of several tensors in a row. */

import { Control } from '../../../assembly/opcodes.js'
import { describe, fail } from '../../base/errors.js'
import { emitGradientSum } from '../../compile/emit/gradients.js'
import { emitMaterialise } from '../../compile/emit/materialise.js'
import type { Norm } from '../../compile/tensors.js'
import type { Buffer } from '../../kernels/records/words.js'
import { emitMatrixProduct, type Numbers } from '../../nn/layers/attention.js'
import { emitJoin, emitJoinSpikes, emitSplit, partsOf } from '../../nn/layers/joins.js'
import type { OpBuilder, Planned } from '../builder.js'
import * as windows from '../convolution.js'
import { all, gives, op, type Planning, shows, takes } from '../op.js'
import * as is from '../options.js'
import * as shapes from '../shapes.js'
import * as tensors from '../tensor.js'

const addTerm = {
  ...windows.termOf,
  /** [B, C], [B, C, H, W], or one of these behind T. */
  input: is.needed<readonly number[]>(),
  /** Spikes, bytes of 0 and 1. Default false: floats. */
  spikes: is.flag(),
  /**
   * Floats through the affine map of a BatchNorm, whose `scale` and `shift` are arguments: true of
   * all steps, 'steps' of each. Default false.
   */
  affine: is.byStep,
  /**
   * Floats stored with their own channels and found through a pointer, as a model's input is; one
   * term at most. Default false.
   */
  image: is.flag(),
}
/**
 * One term of `ops.add`.
 * @interface
 */
export type AddTerm = is.OptionsIn<typeof addTerm>

function checkTerm(where: string, given: AddTerm) {
  const { input: shape, spikes, affine, image, ...window } = is.checkAll(where, addTerm, given)
  if ((spikes && (affine || image)) || (affine && image))
    fail(`${where} can be only one of spikes, affine and image`)
  const spatial = window.kernelSize === undefined ? 'maybe' : 'always'
  const input = shapes.extentOf(`${where}.input`, shape, 'maybe', spatial)
  return { input, spikes, affine, image, ...windows.termWindow(where, window, input) }
}

/** A term that was checked. `output`: behind its windows. */
type TermPlan = ReturnType<typeof checkTerm>

/** Arguments of the terms: of each its input, behind it with `affine` scale and shift. */
function termTensors(
  terms: readonly TermPlan[],
): Record<`${'input' | 'scale' | 'shift'}${number}`, Planning<Float32Array | Uint8Array>> {
  const each = terms.flatMap(({ input, spikes, affine, image }, i) => {
    const map = affine && takes(tensors.groups(input, affine === 'steps'))
    return [
      [
        `input${i}`,
        takes(image ? tensors.floats(input, input.C) : tensors.activities(input, spikes)),
      ] as const,
      ...(map ? (['scale', 'shift'] as const).map((role) => [`${role}${i}`, map] as const) : []),
    ]
  })
  return Object.fromEntries(each)
}

/** The extent that all terms have, T included if one has it. */
function commonExtent(
  op: string,
  terms: readonly Pick<TermPlan, 'output' | 'spikes'>[],
): shapes.Extent {
  const { output: common } = terms.find(({ output }) => output.timed) ?? terms[0]
  const stillOf = (extent: shapes.Extent): string => shapes.showShape(shapes.still(extent).shape)
  for (const { output, spikes } of terms) {
    const [wanted, got] = [common, output].map(({ shape }) => shapes.showShape(shape))
    if (stillOf(output) !== stillOf(common) || (output.timed && output.T !== common.T))
      fail(`${op}: terms must have one shape, got ${wanted} and ${got}`)
    if (output.T !== common.T && spikes)
      fail(
        `${op}: spikes must have the ${common.T} time steps of the other terms, got the shape ` +
          got,
      )
  }
  return common
}

/** Emits a sum; `numbered`: names of tensors carry the number of their term. */
export function emitSum(
  { b, op, made }: OpBuilder,
  plans: readonly (Omit<TermPlan, 'affine' | 'image'> & Partial<TermPlan>)[],
  mean: boolean,
  numbered = true,
): Partial<Planned> {
  const { B, T, ...extent } = commonExtent(op, plans)
  const tensorOf = (role: string, i: number) => made[windows.named(role, i, numbered)]
  const terms = plans.map(({ input, pool, scale, spikes, affine, image }, i) => {
    const x = tensorOf('input', i)
    if (spikes) return { tensor: tensors.asSpikes(x as tensors.SpikesTensor, input), pool, scale }
    const tensor = tensors.asFloat(x, input, image)
    if (!affine) return { tensor, pool, scale }
    const [map, shift] = ['scale', 'shift'].map((role) => tensorOf(role, i).buffer)
    const norm: Norm = {
      name: tensor.name,
      tensor,
      groups: affine === 'steps' ? input.T : 1,
      scale: map,
      shift,
      gradient: [],
      claimMean: () => undefined,
      averageUnread() {},
    }
    return { tensor, norm, pool, scale }
  })
  const { buffer, stored } = made.output
  const sum = { shape: shapes.imageOf({ B, T, ...extent }), terms }
  emitMaterialise(b, sum, B, mean ? 1 : T, T, mean, buffer, stored, tensors.denseRows)
  const image = plans.findIndex((plan) => plan.image)
  const spikes = plans.flatMap((plan, i) => (plan.spikes && mean ? tensorOf('input', i) : []))
  return {
    start: (block) => image >= 0 && block.address(Control.Input, tensorOf('input', image)),
    before: spikes.length > 0 ? counting(spikes) : undefined,
  }
}

/** Counts the spikes of arguments, for kernels that read both. */
const counting =
  (all: readonly tensors.OpTensor[]): Planned['before'] =>
  (views, totals) => {
    for (const one of all as readonly tensors.SpikesTensor[]) one.count(views, totals)
  }

/** A list of at least one. */
const listOf = <Term>() =>
  is.option((name, terms: readonly Term[]): readonly Term[] => {
    if (!Array.isArray(terms) || terms.length === 0)
      fail(`${name} must be a list of at least one term, got ${describe(terms)}`)
    return Array.from(terms)
  })

/**
 * A sum of tensors, written out as floats, as a layer of a network does that cannot read its terms
 * as they are:
 *
 *     output[b, t, c, i, j] = Σ over terms of scale · mean of value[b, t, c] over its window (i, j)
 *     value = the floats, or map scale · floats + map shift (`affine`), or the spikes
 *
 * A term of floats without T is the same at every step. With `mean` the output is the mean over the
 * steps, without T: the presynaptic rate of rate-based backpropagation.
 *
 * Arguments of `run`: for each term its input, behind it with `affine` scale and shift; the plan
 * has them as input0, scale0, shift0, input1 ….
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * // Spikes of two steps, and twice a current that is the same at both.
 * const terms = [{ input: [1, 2, 3], spikes: true }, { input: [1, 3], scale: 2 }]
 * const spikes = Uint8Array.of(1, 0, 0, 1, 1, 0)
 * const current = Float32Array.of(10, 20, 30)
 * console.log(...ops.add({ terms }, spikes, current)) // 21 40 60 21 41 60
 * console.log(...ops.add({ terms, mean: true }, spikes, current)) // 21 40.5 60
 * ```
 */
export const add = op('add', {
  options: {
    /** At least one. A `kernelSize` means the mean over windows, as `avgPool2d` takes it. */
    terms: listOf<AddTerm>(),
    /** The time mean of the sum. Default false. */
    mean: is.flag(),
  },
  derive({ terms }, { op }) {
    const all = terms.map((term, i) => checkTerm(`${op}.terms[${i}]`, term))
    const images = all.filter(({ image }) => image)
    if (!(images.length <= 1)) fail(`${op}: one term at most can be an image`)
    return { all, extent: commonExtent(op, all) }
  },
  tensors: ({ all, extent, mean }) =>
    Object.assign(termTensors(all), {
      /** [B, C, H, W] or [B, C], or that behind T if a term has it. */
      output: gives(tensors.floats(mean ? shapes.still(extent) : extent)),
    }),
  emit: (o, _, { all, mean }) => emitSum(o, all, mean),
})

/**
 * The gradient of a tensor that several layers read, from what each of them hands back:
 *
 *     inputGradient[b, t, c, y, x] = Σ over terms of scale/(kernelH·kernelW) ·
 *                                Σ of delta[b, t, c, i, j] over the windows that hold (y, x)
 *
 * A term that is `still` hands back one gradient for all steps.
 *
 * Arguments of `run`: the terms' gradients, [B, C, outH, outW] or [B, C], or that behind T; the
 * plan has them as delta0, delta1 ….
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * // One reader sees the tensor as it is, one its mean over all four pixels.
 * const sum = ops.gradientSum.plan({ input: [1, 1, 2, 2], terms: [{}, { kernelSize: 2 }] })
 * console.log(...sum.run(Float32Array.of(1, 2, 3, 4), Float32Array.of(40))) // 11 12 13 14
 * ```
 */
export const gradientSum = op('gradientSum', {
  options: {
    /** Shape of the tensor: [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    /** At least one. A `kernelSize` means that the reader saw means over windows. */
    terms: listOf<windows.GradientTerm>(),
  },
  derive: ({ input, terms }, { op }) => ({
    all: terms.map((term, i) => windows.arrival(`${op}.terms[${i}]`, input, term)),
  }),
  tensors: ({ input, all }) =>
    Object.assign(windows.arriving(all, true), {
      /** The sum. */
      inputGradient: gives(tensors.floats(input)),
    }),
  emit({ b, made }, { inputGradient }, { input, all }) {
    const to = { ...shapes.imagesOf(input), gradient: windows.contributions(all, true, made) }
    emitGradientSum({ b, images: input.B }, to, input.T, inputGradient)
  },
})

/** Tensors that differ in their channels alone. */
const alike = is.option((name, inputs: readonly (readonly number[])[]) => {
  if (!(Array.isArray(inputs) && inputs.length >= 2))
    fail(`${name} must be a list of two or more shapes, got ${describe(inputs)}`)
  const parts = inputs.map((shape, i) => shapes.extentOf(`${name}[${i}]`, shape))
  const others = (part: shapes.Extent): string => shapes.resized(part, { C: 1 }).shape.join()
  const other = parts.find((part) => others(part) !== others(parts[0]))
  if (other) {
    const [first, shape] = [parts[0], other].map((part) => shapes.showShape(part.shape))
    fail(`${name} must be alike but for their channels, got ${first} and ${shape}`)
  }
  return parts as readonly shapes.Extent[]
})

/** All channels one behind the other. */
const wholeOf = (parts: readonly shapes.Extent[]): shapes.Extent =>
  shapes.resized(parts[0], { C: parts.reduce((sum, part) => sum + part.C, 0) })

/**
 * Channels of several tensors one behind the other, as `torch.cat(inputs, 1)`.
 *
 * Arguments of `run`: the inputs, in order; the plan has them as input0, input1 ….
 */
export const concat = op('concat', {
  options: {
    /**
     * Shapes of the parts: [B, C, H, W] or [B, C], or one of these behind T. They differ in C
     * alone.
     */
    inputs: alike,
    /** The inputs hold spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
    spikes: is.flag(),
  },
  tensors: ({ inputs, spikes }) =>
    Object.assign(
      windows.numbered('input', inputs, (part) => takes(tensors.activities(part, spikes))),
      {
        /** The whole, of the inputs' type. */
        output: gives(tensors.activities(wholeOf(inputs), spikes)),
        /** For spikes: those of each neuron over all steps. */
        outputCounts: spikes && shows(tensors.countsOf('output')),
      },
    ),
  emit({ b, made }, { output: out, outputCounts: counts }, { inputs, spikes }) {
    const to = { ...shapes.imagesOf(wholeOf(inputs)), out, masks: out, counts }
    const each = inputs.map((_, i) => made[`input${i}`] as tensors.SpikesTensor)
    const given = each.map(({ buffer, counts }, i) => {
      return { ...shapes.imagesOf(inputs[i]), buffer, masks: buffer, counts: counts?.buffer }
    })
    if (!spikes) return emitJoin(b, to, partsOf(given, false))
    emitJoinSpikes(b, to, partsOf(given, false))
    return { before: counting(each) }
  },
})

/**
 * The parts of what `ops.concat` has put together; the gradients of its inputs.
 *
 * Results: output0, output1 …, of the shapes `inputs`.
 */
export const split = op('split', {
  options: {
    /** Shapes of the parts, as of `concat`. */
    inputs: alike,
  },
  returns: all<Readonly<Record<string, Float32Array>>>(),
  tensors: ({ inputs }) => ({
    /** The whole. */
    input: takes(tensors.floats(wholeOf(inputs))),
    ...windows.numbered('output', inputs, (part) => gives(tensors.floats(part))),
  }),
  emit({ b, made }, { input }, { inputs }) {
    const from = { ...shapes.imagesOf(wholeOf(inputs)), in: input }
    const outputs = inputs.map((part, i) => {
      const { buffer } = made[`output${i}`]
      return { ...shapes.imagesOf(part), buffer }
    })
    for (const part of partsOf(outputs, false)) emitSplit(b, from, part, part.buffer)
  },
})

function product(op: string, a: readonly number[], b: readonly number[], by: 'NN' | 'NT' | 'TN') {
  shapes.checkShape(`${op}.a`, a, by === 'TN' ? 'K M' : 'M K')
  shapes.checkShape(`${op}.b`, b, by === 'NT' ? 'N K' : 'K N')
  const [M, K] = by === 'TN' ? [a[1], a[0]] : a
  const [depth, N] = by === 'NT' ? [b[1], b[0]] : b
  const [left, right] = [a, b].map(shapes.showShape)
  if (depth !== K) fail(`${op}: a ${left} has K = ${K}, but b ${right} has K = ${depth}`)
  shapes.checkShape(`${op}: the output`, [M, N], 'M N')
  return { M, N, K }
}

/** A matrix by rows, which are pixels to the kernel, and its columns channels. */
const byRows = ([rows, columns]: readonly number[], buffer: Buffer): Numbers => ({
  shape: [columns, 1, rows],
  stored: columns,
  steps: 1,
  buffer,
})

/**
 * The product of two matrices, in float32:
 *
 *     output[m, n] = Σ over k of a[m, k] · b[k, n]
 *
 * with b[n, k] for 'NT' and a[k, m] for 'TN'. Convolutions and linear layers pack their own panels
 * for the same tiles of sums; products of values in a network are those of `ops.bmm`.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const a = Float32Array.of(1, 2, 3, 4, 5, 6) // 2×3
 * console.log(...ops.matmul({ a: [2, 3], b: [2, 3], transpose: 'NT' }, a, a)) // 14 32 32 77
 * ```
 */
export const matmul = op('matmul', {
  options: {
    /** [M, K]; [K, M] with 'TN'. */
    a: is.needed<readonly number[]>(),
    /** [K, N]; [N, K] with 'NT'. */
    b: is.needed<readonly number[]>(),
    /** Which matrix is read transposed: none, the second or the first. Default 'NN'. */
    transpose: is.oneOf(['NN', 'NT', 'TN']),
  },
  derive: ({ a, b, transpose }, { op }) => product(op, a, b, transpose),
  tensors: ({ a, b, M, N }) => ({
    /** The left matrix, row by row. */
    a: takes(tensors.numbers([...a])),
    /** The right matrix, row by row. */
    b: takes(tensors.numbers([...b])),
    /** [M, N] */
    output: gives(tensors.numbers([M, N])),
  }),
  emit({ b: builder }, at, { a, b, M, N, transpose }) {
    const [left, right] = [byRows(b, at.b), byRows(a, at.a)]
    const factors = [
      [left, transpose === 'NT'],
      [right, transpose === 'TN'],
    ] as const
    emitMatrixProduct({ b: builder, images: 1 }, 1, ...factors, byRows([M, N], at.output))
  },
})
