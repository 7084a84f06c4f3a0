/** Sums of tensors, each through a mean over windows or not; average pooling is one of one term. */

import { Control } from '../../../assembly/opcodes.js'
import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { emitMaterialise } from '../../plan/materialise.js'
import type { Pool, Term } from '../../plan/tensors.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { type Extent, extentOf, showShape, still } from '../shapes.js'
import { groupTensor } from '../special.js'
import {
  floatTensor,
  type OpTensor,
  type SpikesTensor,
  spikesTensor,
  type Views,
} from '../tensor.js'
import { asFloat, asNorm, asSpikes, denseRows } from '../terms.js'

import type { Totals } from '../totals.js'

import type {
  ActivityInput,
  Asks,
  ImageInput,
  InputOf,
  Only,
  OpTypes,
  Option,
  Ranked,
  TermRules,
} from '../types.js'

import {
  imageOf,
  type TermWindow,
  termWindow,
  type WindowOptions,
  windowOptions,
} from '../windows.js'

/** One term of `ops.add`. */
export interface AddTerm extends TermWindow {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** Spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
  /**
   * Floats through the affine map of a BatchNorm, whose `scale` and `shift` are arguments: true of
   * all steps, 'steps' of each. Default false.
   */
  readonly affine?: boolean | 'steps'
  /**
   * Floats stored with their own channels and found through a pointer, as a model's input is; one
   * term at most. Default false.
   */
  readonly image?: boolean
}

/** Options of `ops.add`. */
export interface AddOptions {
  /** At least one. A `kernelSize` means the mean over windows, as `avgPool2d` takes it. */
  readonly terms: readonly AddTerm[]
  /** The time mean of the sum. Default false. */
  readonly mean?: boolean
}

/** Arrays of the terms: of each its input, behind it with `affine` scale and shift. */
export type TermArguments<Terms> = Terms extends readonly [infer Term, ...infer Rest]
  ? [
      input: InputOf<Term>,
      ...map: Only<Asks<Term, 'affine'>, [scale: Float32Array, shift: Float32Array]>,
      ...rest: TermArguments<Rest>,
    ]
  : Terms extends readonly []
    ? []
    : (Float32Array | Uint8Array)[]

/** Numbers of the terms that a list is known to have. */
export type Places<Terms> = Extract<keyof Terms, `${number}`>
/** Of these, the terms whose option asks for something. */
export type PlacesThat<Terms, K extends string> = {
  [P in Places<Terms>]: Asks<Terms[P], K> extends false ? never : P
}[Places<Terms>]

/** The plan's own memory: input0, scale0, shift0, input1 … */
export type AddMemory<Terms> = {
  /** The sum, [B][H][W][T][C]; with `mean` T is 1. */
  readonly output: Float32Array
} & { readonly [P in Places<Terms> as `input${P}`]: InputOf<Terms[P]> } & {
  readonly [P in PlacesThat<Terms, 'affine'> as `scale${P}` | `shift${P}`]: Float32Array
} & (Terms extends readonly [unknown, ...unknown[]]
    ? unknown
    : {
        /** The first term, and others by their numbers. */
        readonly [name: `input${number}`]: Float32Array | Uint8Array
      })

/** `ops.add`: arguments are those of its terms. */
export interface AddTypes extends OpTypes {
  /** At least one term; shapes have the right rank. */
  readonly rules: TermRules<this['options'], 'terms', AddTerm, ActivityInput>
  /** For each term its input, behind it with `affine` scale and shift. */
  readonly args: TermArguments<Option<this['options'], 'terms', []>>
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** The sum. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: AddMemory<Option<this['options'], 'terms', []>>
}

const termOptions = ['input', 'spikes', 'scale', 'affine', 'image', ...windowOptions] as const

/** A term with its tensors. */
interface Planning {
  readonly term: Term
  readonly input: Extent
  readonly output: Extent
  readonly tensors: readonly OpTensor[]
  /** Spikes whose counts the kernel reads. */
  readonly counted?: SpikesTensor
  readonly image?: OpTensor
}

/** Names of a term's tensors. */
type NameOf = (role: string) => string

interface Read {
  readonly extent: Extent
  readonly pool: Pool
  readonly scale: number
  readonly mean: boolean
}

function spikesOf(o: OpBuilder, nameOf: NameOf, { extent, pool, scale, mean }: Read) {
  const x = spikesTensor(o.b, o.op, { name: nameOf('input') }, extent)
  const term: Term = { tensor: asSpikes(x, extent), pool, scale }
  return { term, tensors: [x], counted: mean ? x : undefined }
}

function floatsOf(o: OpBuilder, nameOf: NameOf, read: Read, { affine, image }: AddTerm) {
  const { b } = o
  const { extent, pool, scale } = read
  const x = floatTensor(b, { name: nameOf('input') }, extent, image ? extent.C : undefined)
  const tensor = asFloat(x, extent, image)
  if (!affine) {
    const term: Term = { tensor, pool, scale }
    return { term, tensors: [x], image: image ? x : undefined }
  }
  const byStep = affine === 'steps'
  const [a, c] = ['scale', 'shift'].map((role) =>
    groupTensor(b, { name: nameOf(role) }, extent, byStep),
  )
  const norm = asNorm(tensor, a, c, byStep ? extent.T : 1)
  const term: Term = { tensor, norm, pool, scale }
  return { term, tensors: [x, a, c] }
}

function planTerm(
  o: OpBuilder,
  where: string,
  nameOf: NameOf,
  given: AddTerm,
  mean: boolean,
): Planning {
  checkOptions(where, given, termOptions)
  const { scale: factor, kernelSize, stride, padding, affine = false } = given
  const spikes = checkBoolean(`${where}.spikes`, given.spikes, false)
  const image = checkBoolean(`${where}.image`, given.image, false)
  expect(
    typeof affine === 'boolean' || affine === 'steps',
    () => `${where}.affine must be true, false or 'steps', got ${describe(affine)}`,
  )
  expect(
    !(spikes && (affine || image)) && !(affine && image),
    () => `${where} can be only one of spikes, affine and image`,
  )
  const spatial = kernelSize === undefined ? 'maybe' : 'always'
  const extent = extentOf(`${where}.input`, given.input, 'maybe', spatial)
  const window = { scale: factor, kernelSize, stride, padding }
  const { scale, pool, output } = termWindow(where, window, extent)
  const read = { extent, pool, mean, scale }
  const made = spikes ? spikesOf(o, nameOf, read) : floatsOf(o, nameOf, read, given)
  return { ...made, input: extent, output }
}

/** The extent that all terms have, T included if one has it. */
function commonExtent(op: string, terms: readonly Planning[]): Extent {
  const timed = terms.find(({ output }) => output.timed) ?? terms[0]
  const common = timed.output
  for (const { output, term } of terms) {
    expect(
      showShape(still(output).shape) === showShape(still(common).shape) &&
        (!output.timed || output.T === common.T),
      () =>
        `${op}: terms must have one shape, got ${showShape(common.shape)} and ` +
        showShape(output.shape),
    )
    expect(
      output.T === common.T || term.tensor.kind === 'float',
      () =>
        `${op}: spikes must have the ${common.T} time steps of the other terms, got the shape ` +
        showShape(output.shape),
    )
  }
  return common
}

const countAll =
  (spikes: readonly SpikesTensor[]) =>
  (views: Views, totals: Totals): void => {
    for (const one of spikes) one.count(views, totals)
  }

/** Plans a sum; `numbered`: names carry the number of their term. */
export function planSum(
  o: OpBuilder,
  given: readonly AddTerm[],
  mean: boolean,
  whereOf: (i: number) => string,
  numbered = true,
): Planned {
  const { b, op } = o
  const terms = Array.from(given, (of, i) =>
    planTerm(o, whereOf(i), (role) => (numbered ? `${role}${i}` : role), of, mean),
  )
  const images = terms.flatMap(({ image }) => image ?? [])
  expect(images.length <= 1, () => `${op}: one term at most can be an image`)
  const extent = commonExtent(op, terms)
  const out = floatTensor(b, { name: 'output' }, mean ? still(extent) : extent)
  const { B, T } = extent
  const sum = { shape: imageOf(extent), terms: terms.map(({ term }) => term) }
  emitMaterialise(b, sum, B, mean ? 1 : T, T, mean, out.buffer, out.stored, denseRows)
  const [image] = images
  const counted = terms.flatMap(({ counted: spikes }) => spikes ?? [])
  return {
    inputs: terms.flatMap(({ tensors }) => tensors),
    outputs: [out],
    start: image && ((block) => block.address(Control.Input, image)),
    ...(counted.length > 0 && { before: countAll(counted) }),
  }
}

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
 * Arguments of `run`: for each term its input, behind it with `affine` scale and shift. The plan's
 * own memory: input0, scale0, shift0, input1 …. Result: [B, C, H, W] or [B, C], or that behind T if
 * a term has it.
 */
export const add = operation<AddOptions, AddTypes>(
  'add',
  ['terms', 'mean'],
  (o, { terms, mean }) => {
    const { op } = o
    expect(
      Array.isArray(terms) && terms.length > 0,
      () => `${op}.terms must be a list of at least one term, got ${describe(terms)}`,
    )
    return planSum(o, terms, checkBoolean(`${op}.mean`, mean, false), (i) => `${op}.terms[${i}]`)
  },
)

/** Options of `ops.avgPool2d`. */
export interface AvgPool2dOptions extends WindowOptions {
  /** [B, C, H, W], or that behind T. */
  readonly input: readonly number[]
  /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
  readonly spikes?: boolean
  /** The time mean as well. Default false. */
  readonly mean?: boolean
}

/** The plan's own memory. */
export type AvgPool2dMemory<O> = {
  /** Floats [B][H][W][T][C], or masks of spikes. */
  readonly input: InputOf<O>
  /** Means over windows, [B][H][W][T][C]; with `mean` T is 1. */
  readonly output: Float32Array
}

/** `ops.avgPool2d`: on floats or spikes. */
export interface AvgPool2dTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], ImageInput>
  /** Floats or spikes. */
  readonly args: [input: InputOf<this['options']>]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** The means. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: AvgPool2dMemory<this['options']>
}

/**
 * Average pooling, written out. In a network mostly nothing runs for it: who reads its output takes
 * the means (`pool` of `ops.conv2d` and `ops.linear`).
 *
 *     output[b, t, c, i, j] = 1/(kernelH·kernelW) · Σ over p, q of
 *                             input[b, t, c, i·stride + p − padding, j·stride + q − padding]
 *
 * Padded zeros count, as is PyTorch's default. Argument of `run`: input, a Float32Array or with
 * `spikes` a Uint8Array. Result: [B, C, outH, outW], or that behind T.
 */
export const avgPool2d = operation<AvgPool2dOptions, AvgPool2dTypes>(
  'avgPool2d',
  ['input', 'spikes', 'mean', ...windowOptions],
  (o, { mean, ...term }) => {
    const { op } = o
    expect(term.kernelSize !== undefined, () => `${op}.kernelSize is missing`)
    // Options that all ops have are not a term's.
    const { input, spikes, kernelSize, stride, padding } = term
    const windows = { kernelSize, stride, padding }
    const isMean = checkBoolean(`${op}.mean`, mean, false)
    return planSum(o, [{ input, spikes, ...windows }], isMean, () => op, false)
  },
)
