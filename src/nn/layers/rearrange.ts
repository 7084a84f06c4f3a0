/** The same numbers at other places: parts of a value, other orders, other shapes. */

import { Plane } from '../../../assembly/opcodes.js'
import { describe, fail } from '../../base/errors.js'
import { handBack } from '../../compile/emit/gradients.js'
import { spikesOrFloats } from '../../compile/emit/write-out.js'
import { defineLayer, type Pass, term } from '../../compile/pass.js'
import type { Expression, SpikeTensor, StoredImages } from '../../compile/tensors.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { rearrange } from '../../kernels/records/values.js'
import { type Layer, layerOf, noMore, type OfKind } from '../../network/kind.js'
import { type GraphNode, sourceOf } from '../../network/trace.js'
import {
  axisOf,
  type InputShape,
  imageShape,
  type Shape,
  show,
  sizeOf,
  sizesOf,
  type Value,
} from '../../network/value.js'

/** What `slice` makes. */
export interface Slice extends OfKind<'slice'> {
  /** The first number; negative ones count from the end. */
  readonly from: number
  /** The number behind the last one, alike. */
  readonly to: number
  /** PyTorch's number of what is counted: 1 the channels. */
  readonly dim: number
}

/** What `permute` makes. */
export interface Permute extends OfKind<'permute'> {
  /** PyTorch's numbers of the sizes, without the batch, in their new order. */
  readonly dims: readonly number[]
}

/** What `reshape` makes. */
export interface Reshape extends OfKind<'reshape'> {
  /** Sizes of the output; −1 stands for what is left. */
  readonly shape: readonly number[]
}

/** What `expand` makes. */
export interface Expand extends OfKind<'expand'> {
  /** Sizes of the output; −1 stands for the input's. */
  readonly shape: readonly number[]
}

/**
 * Numbers `from` … `to` − 1 along one size, as JavaScript's `slice`: channels of an image, steps of
 * a series. Spikes stay spikes.
 * @param from an integer; negative ones count from the end
 * @param to default: the end
 * @param dim PyTorch's, which counts the batch as 0; default 1, the channels
 * @throws SpikewasmError for other numbers, and when the network is compiled and nothing is left
 */
export function slice(from: number, to = Number.POSITIVE_INFINITY, dim = 1, ...more: []): Slice {
  for (const [name, n] of Object.entries({ from, to, dim }))
    if (!(Number.isSafeInteger(n) || (name === 'to' && n === Number.POSITIVE_INFINITY)))
      fail(`slice.${name} must be an integer, got ${describe(n)}`)
  return layerOf(sliceKind, { from, to, dim }, more)
}

/**
 * The sizes in another order, as PyTorch's `permute`: `permute([2, 1])` makes a series [C, L]
 * one of [L, C]. Spikes stay spikes.
 * @param dims PyTorch's number of each size, 1 the channels; negative ones count from the end. The
 *   batch, 0, stays first: it may be named there or left out
 * @throws SpikewasmError for a list of other numbers, and when the network is compiled unless it
 *   names each size of the input once
 */
export function permute(dims: readonly number[], ...more: []): Permute {
  if (!(Array.isArray(dims) && dims.every((dim) => Number.isSafeInteger(dim))))
    fail(`permute.dims must be a list of integers, got ${describe(dims)}`)
  return layerOf(permuteKind, { dims: [...dims] }, more)
}

/**
 * The same numbers, in PyTorch's order, as features [F], a series [C, L] or an image [C, H, W].
 * Spikes stay spikes.
 * @param shape sizes of the output; one may be −1: what is left
 * @throws SpikewasmError for other sizes, and when the network is compiled and they don't fit
 */
export function reshape(shape: readonly number[], ...more: []): Reshape {
  return layerOf(reshapeKind, { shape: checkSizes('reshape', shape, 1) }, more)
}

/**
 * Repeats numbers along sizes of 1, to as many as asked for, as PyTorch's `expand`. A single
 * number becomes a value of any sizes. Spikes stay spikes.
 * @param shape sizes of the output; −1 leaves one as it is
 * @throws SpikewasmError for other sizes, and when the network is compiled and they don't fit
 */
export function expand(shape: readonly number[], ...more: []): Expand {
  return layerOf(expandKind, { shape: checkSizes('expand', shape, 3) }, more)
}

/** @param most how many sizes may be −1 */
function checkSizes(name: string, shape: readonly number[], most: number): number[] {
  const isSize = (n: unknown): boolean =>
    Number.isSafeInteger(n) && ((n as number) >= 1 || n === -1)
  const fits = Array.isArray(shape) && shape.length >= 1 && shape.length <= 3
  if (!(fits && shape.every(isSize) && shape.filter((n) => n === -1).length <= most))
    fail(
      `${name}.shape must be [features], [channels, length] or [channels, height, width] of ` +
        `integers ≥ 1, of which ${most === 1 ? 'one' : 'each'} may be −1, got ${describe(shape)}`,
    )
  return [...shape]
}

/** What a layer makes of a value. */
export interface View extends Pick<Value, 'shape' | 'flat' | 'series'> {
  /** Its (c, y, x) is number offset + Σ stride · place of the input, in PyTorch's order. */
  readonly strides: Shape
  readonly offset?: number
}

type Viewed = Omit<View, 'strides' | 'offset'>

/** How far numbers of a value lie apart in PyTorch's order. */
const stridesOf = ({ shape: [, h, w], flat }: Viewed): Shape => (flat ? [1, 1, 1] : [h * w, w, 1])

/** Sizes as channels, height and width. */
const straight = (x: Viewed): Shape => (x.flat ? [sizeOf(x.shape), 1, 1] : x.shape)

/** A kind of layer that puts numbers elsewhere; `keys`: its fields as its function takes them. */
const viewing = <L extends Layer & OfKind<Layer['kind']>>(
  name: L['kind'],
  make: (...of: never[]) => L,
  keys: readonly (keyof L)[],
  view: (layer: L, x: Viewed, where: string) => View,
) =>
  defineLayer<L>(name, {
    again(fields) {
      const rest = Object.entries(fields).filter(([key]) => !keys.includes(key as keyof L))
      const own = keys.map((key) => (fields as L)[key])
      return make(...([...own, ...noMore(name, Object.fromEntries(rest))] as never[]))
    },
    output(layer, x, where) {
      const { shape, flat, series } = view(layer, x, where)
      return [shape, flat, series]
    },
    lower(pass, node, layer, x) {
      const { strides, offset } = view(layer, sourceOf(pass.options.graph, node), node.name)
      return rearranged(pass, node, x, { strides, offset })
    },
  })

export function sliceOf({ from, to, dim }: Slice, x: Viewed, where: string): View {
  const axis = axisOf(where, x, dim)
  const sizes = straight(x)
  const at = (n: number): number => Math.min(sizes[axis], n < 0 ? Math.max(0, sizes[axis] + n) : n)
  const count = at(to) - at(from)
  if (!(count >= 1))
    fail(`${where}: nothing is left from ${from} to ${to} of dim ${dim} of ${show(x)}`)
  const [c, h, w] = sizes.map((n, i) => (i === axis ? count : n))
  const strides = stridesOf(x)
  return { ...x, shape: [c, h, w], strides, offset: at(from) * strides[axis] }
}

function permuteOf({ dims }: Permute, x: Viewed, where: string): View {
  const { length } = sizesOf(x)
  const isWhole = dims.length > length && dims[0] === 0
  const axes = dims.slice(isWhole ? 1 : 0).map((dim) => axisOf(where, x, dim))
  if (!(axes.length === length && new Set(axes).size === length))
    fail(
      `${where}: dims must name each of the ${length} sizes of ${show(x)} once, got ` +
        `[${dims.join(', ')}]`,
    )
  const order = length === 3 ? axes : [axes[0], 1, axes[1] ?? 2]
  const [shape, strides] = [straight(x), stridesOf(x)].map((of) => order.map((axis) => of[axis]))
  return { ...x, shape: shape as unknown as Shape, strides: strides as unknown as Shape }
}

function reshapeOf({ shape }: Reshape, x: Viewed, where: string): View {
  const all = sizeOf(x.shape)
  const known = shape.reduce((n, size) => (size === -1 ? n : n * size), 1)
  const sizes = shape.map((size) => (size === -1 ? all / known : size))
  if (!(Number.isInteger(all / known) && sizeOf(sizes) === all))
    fail(
      `${where}: [${shape.join(', ')}] must have as many numbers as ${show(x)}, which has ${all}`,
    )
  const made = ofSizes(sizes)
  return { ...made, strides: stridesOf(made) }
}

function expandOf({ shape }: Expand, x: Viewed, where: string): View {
  const sizes = sizesOf(x)
  const wanted = shape.map((n, i) => (n === -1 ? (sizes[i] ?? 1) : n))
  const isOne = sizeOf(sizes) === 1
  const isAs = sizes.length === wanted.length
  if (!(isOne || (isAs && sizes.every((n, i) => n === 1 || n === wanted[i]))))
    fail(
      `${where}: sizes of 1 alone become more, and ${show(x)} cannot become ` +
        `[${shape.join(', ')}]; reshape(…) puts sizes of 1 where they are missing`,
    )
  const strides = stridesOf(x)
  const [c, h, w] = straight(x).map((n, i) => (n === 1 ? 0 : strides[i]))
  return { ...ofSizes(wanted), strides: [c, h, w] }
}

const ofSizes = (sizes: readonly number[]): Viewed => ({
  shape: imageShape(sizes as unknown as InputShape),
  flat: sizes.length === 1,
  series: sizes.length === 2,
})

const sliceKind = viewing<Slice>('slice', slice, ['from', 'to', 'dim'], sliceOf)
const permuteKind = viewing<Permute>('permute', permute, ['dims'], permuteOf)
const reshapeKind = viewing<Reshape>('reshape', reshape, ['shape'], reshapeOf)
const expandKind = viewing<Expand>('expand', expand, ['shape'], expandOf)

type Places = Pick<View, 'strides' | 'offset'>

function rearranged(pass: Pass, node: GraphNode, x: Expression, places: Places): Expression {
  const { input, scale } = spikesOrFloats(pass, node, x)
  const { images, callSteps } = pass
  const output =
    input.kind === 'spikes'
      ? pass.spikeTensor(node.name, node.shape, input.lambda)
      : pass.floatTensor(node.name, node.shape, input.steps)
  const job = { input, output, ...places }
  if (input.kind === 'spikes' && output.kind === 'spikes') {
    const { counts } = pass.countsSpikes ? input : { counts: undefined }
    emitRearrangeSpikes(pass, { ...job, steps: callSteps }, { ...input, counts }, output)
  } else if (input.kind === 'float' && output.kind === 'float')
    pass.make(output, { layers: 0, byImages: true }, () => {
      const places = { in: input.buffer, out: output.buffer }
      emitRearrange(pass, { ...job, steps: input.steps, ...places })
    })
  handBack(pass, node, output, input, false, (delta, out, steps) =>
    emitRearrange({ b: pass.b, images }, { ...job, steps, in: delta, out, back: true }),
  )
  return { shape: node.shape, terms: [term(output, scale)] }
}

type Sized = Pick<StoredImages, 'shape' | 'stored'>

/** The value whose numbers go elsewhere, and what becomes of it. */
interface Rearranged extends Places {
  readonly input: Sized
  readonly output: Sized
  readonly steps: number
}

export function emitRearrange(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  { input, output, strides, offset = 0, ...fields }: Rearranged & RearrangePlaces,
): void {
  const [channels, height, width] = output.shape
  const [channelStride, rowStride, pixelStride] = strides
  const here = { pixels: height * width, width, channels, stored: output.stored }
  const other = { otherPixels: input.shape[1] * input.shape[2], otherStored: input.stored }
  const linear = { channelStride, rowStride, pixelStride, offset }
  b.emit(rearrange, images, { ...fields, ...here, ...other, ...linear })
}

type RearrangePlaces = Pick<FieldsOf<typeof rearrange>, 'in' | 'out' | 'back' | 'bytes'>

type Spikes = Pick<SpikeTensor, 'masks' | 'counts'>

/** The same of spikes: their planes are images of bytes, and so are their counts. */
export function emitRearrangeSpikes(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  job: Rearranged,
  from: Spikes,
  to: Spikes,
): void {
  const bytes = { ...job, steps: 1, bytes: true }
  const planes = { b, images: images * Math.ceil(job.steps / Plane.Steps) }
  emitRearrange(planes, { ...bytes, in: from.masks, out: to.masks })
  if (from.counts && to.counts)
    emitRearrange({ b, images }, { ...bytes, in: from.counts, out: to.counts })
}
