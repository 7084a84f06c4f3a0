/** Tensors of an op: as the caller sees them, as they lie in memory, as the planner reads them. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'
import { emitMaterialise } from '../compile/emit/materialise.js'
import {
  type ParameterLayout,
  pack,
  packIntegers,
  storedChannels,
  unpack,
  unpackIntegers,
} from '../compile/layout.js'
import type { ProgramBuilder } from '../compile/program.js'
import * as plan from '../compile/tensors.js'
import type { Buffer } from '../kernels/records/words.js'
import { largestOf } from '../network/weights.js'
import * as reorder from './reorder.js'
import { type Extent, imageOf, sizeOf, still } from './shapes.js'

/** What the numbers of an array are. */
export type ValueType = 'float32' | 'uint8' | 'int8' | 'int32'
export const arrays = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
} as const satisfies Record<ValueType, unknown>
/** Names of the classes: to ask a class for its name takes a tenth of a small run. */
export const tags = Object.fromEntries(
  Object.entries(arrays).map(([type, { name }]) => [type, name]),
) as Readonly<Record<ValueType, string>>
/** Arrays that ops take, return and show. */
export type Values = Float32Array | Uint8Array | Int8Array | Int32Array

/** What a plan says about a tensor. */
export interface TensorInfo {
  /** As messages call it; the plan has its own array under this name. */
  readonly name: string
  /** Type of the arrays that `run` takes and returns, and of the plan's own. */
  readonly type: ValueType
  /** PyTorch's shape: of arrays that `run` takes and returns. */
  readonly shape: readonly number[]
  /** How the plan's own array lies: its axes from the outermost to the innermost. */
  readonly order: string
  /** Sizes of these axes. */
  readonly sizes: readonly number[]
}

/** Views of a plan's buffers. */
export type Views = (buffer: Buffer, type: ValueType, count: number) => Values

/** Totals of the first bytes of buffers, by the engine. */
export interface Totals {
  /** Their sum, and the largest. */
  bytes(buffer: Buffer, count: number): { readonly sum: number; readonly most: number }
  most(buffer: Buffer, count: number): number
  bits(buffer: Buffer, count: number): number
  /** Writes the spikes of each neuron, from masks [plane][neuron]. */
  counts(masks: Buffer, neurons: number, planes: number, counts: Buffer): void
}

/** A tensor while an op is planned. */
export interface OpTensor<A extends Values = Values> extends TensorInfo {
  readonly buffer: Buffer
  /** The op changes it: an array of the caller's is written back. */
  readonly updated?: boolean
  /** Channels as stored, where there are channels. */
  readonly stored: number
  /** Refuses numbers that it cannot hold. */
  readonly check?: (values: Values) => void
  /** Copies the caller's array, of the right type and length, into the plan's memory. */
  pack(values: Values, views: Views): void
  /** A new array in PyTorch's order. */
  unpack(views: Views): A
}

/** An op while its tensors are made. */
export interface Making {
  readonly b: ProgramBuilder
  /** As messages name it. */
  readonly op: string
  /** Tensors so far, by name. */
  readonly made: Readonly<Record<string, OpTensor>>
}

/** Makes a tensor, once its name is known. `A`: its arrays. */
export type Make<A extends Values> = (o: Making, naming: Naming) => OpTensor<A>

/** Elements of the plan's own array. */
export const ownCount = ({ sizes }: TensorInfo): number => sizeOf(sizes)

export type Naming = Pick<OpTensor, 'name' | 'updated'>

/** How a tensor lies, and how numbers come into its order and out of it; else they are copied. */
interface Lying<A> extends Omit<TensorInfo, 'name'>, Pick<OpTensor, 'stored' | 'check'> {
  readonly put?: (values: A, own: A) => void
  readonly get?: (own: A) => A
}

function placed<A extends Values>(
  { put, get, type, shape, order, sizes, stored, check }: Lying<A>,
  { name, updated }: Naming,
  buffer: Buffer,
): OpTensor<A> {
  const [room, count] = [sizeOf(sizes), sizeOf(shape)]
  const own = (views: Views): A => views(buffer, type, room) as A
  const copy = (all: A): A => all.slice(0, count) as A
  return {
    name,
    updated,
    type,
    shape,
    order,
    sizes,
    stored,
    check,
    buffer,
    pack: (values, views) => (put ? put(values as A, own(views)) : own(views).set(values)),
    unpack: (views) => (get ?? copy)(own(views)),
  }
}

/** Buffers of an op's tensors live as long as its plan. `room`: elements, where there are more. */
const make =
  <A extends Values>(lies: Lying<A>, room = sizeOf(lies.sizes)): Make<A> =>
  ({ b }, naming) =>
    placed(lies, naming, b.buffer(naming.name, room * arrays[lies.type].BYTES_PER_ELEMENT, 'input'))

/** Floats [B][T][C][H][W] ↔ [B][H][W][T][C′]. `stored`: C′. */
export function floats(
  extent: Extent,
  stored = storedChannels(extent.C),
  room?: number,
): Make<Float32Array> {
  const { T, B, C, H, W, shape } = extent
  // Else both orders are the same.
  const moves = T > 1 || H * W > 1 || stored > C
  const lies: Lying<Float32Array> = {
    type: 'float32',
    shape,
    order: '[B][H][W][T][C]',
    sizes: [B, H, W, T, stored],
    stored,
    put: moves ? (values, own) => reorder.toEngine(extent, stored, values, own) : undefined,
    get: moves ? (own) => reorder.fromEngine(extent, stored, own) : undefined,
  }
  return make(lies, room)
}

/** Bytes, or bits of them; `sizes`: without C′. */
function bytesIn(
  extent: Extent,
  asBits: boolean,
  lies: Pick<Lying<Uint8Array>, 'order' | 'sizes' | 'check'>,
): Make<Uint8Array> {
  const { shape, C } = extent
  const stored = storedChannels(C)
  return make({
    ...lies,
    type: 'uint8',
    shape,
    stored,
    sizes: [...lies.sizes, stored],
    put: (values, own) => reorder.bytesTo(asBits)(extent, stored, values, own),
    get: (own) => reorder.bytesFrom(asBits)(extent, stored, own),
  })
}

/** Spikes: bytes 0 or 1 [B][T][C][H][W] ↔ masks [plane][B][H][W][C′], and their counts. */
export interface SpikesTensor extends OpTensor<Uint8Array> {
  /** The number of spikes of each neuron, bytes [B][H][W][C′]. */
  readonly counts: OpTensor<Uint8Array>
  /** Writes the counts of the masks, for kernels that read both. */
  count(views: Views, totals: Totals): void
}

export const spikes =
  (extent: Extent): Make<Uint8Array> =>
  (o, naming): SpikesTensor => {
    const { T, B, H, W } = extent
    const planes = Math.ceil(T / 8)
    const masks = bytesIn(extent, true, {
      order: '[T / 8][B][H][W][C], bit t mod 8 of a byte',
      sizes: [planes, B, H, W],
      check: (values) => reorder.checkSpikes(`${o.op}: ${naming.name}`, values as Uint8Array),
    })(o, naming)
    const counts = bytes(still(extent))(o, { name: `${naming.name}Counts` })
    const count = (_: Views, totals: Totals): void =>
      totals.counts(masks.buffer, ownCount(counts), planes, counts.buffer)
    return { ...masks, counts, count }
  }

/** Spikes, or floats. */
export const activities = (extent: Extent, spiking: boolean): Make<Uint8Array | Float32Array> =>
  spiking ? spikes(extent) : floats(extent)

/** The counts beside the spikes of this name, which were made before. */
export const countsOf =
  (of: string): Make<Uint8Array> =>
  ({ made }, naming) => ({ ...(made[of] as SpikesTensor).counts, ...naming })

/** Bytes in the order of floats, such as choices at each step. */
export function stepBytes(extent: Extent, hasSteps = true): Make<Uint8Array> {
  const { T, B, H, W } = extent
  const order = `[B][H][W]${hasSteps ? '[T]' : ''}[C]`
  return bytesIn(extent, false, { order, sizes: [B, H, W, ...(hasSteps ? [T] : [])] })
}

/** Bytes [B][C][H][W] ↔ [B][H][W][C′], such as counts of spikes. */
export const bytes = (extent: Extent): Make<Uint8Array> => stepBytes(extent, false)

/** How a weight lies. */
function lyingWeight({ shape, stored, blocks }: ParameterLayout) {
  const { width = 1, blockRows = 1 } = blocks ?? {}
  return {
    shape,
    stored,
    order: blocks ? `[N / ${width}][rows][${width}]` : '[stored]',
    sizes: blocks ? [stored / blockRows / width, blockRows, width] : [stored],
  }
}

/** What a layer learns, or its gradient, in PyTorch's order and by the layout that kernels read. */
export const weights = (layout: ParameterLayout, room?: number): Make<Float32Array> =>
  make(
    {
      ...lyingWeight(layout),
      type: 'float32',
      put: (values, own) => pack(layout, values, own),
      get: (own) => unpack(layout, own),
    },
    room,
  )

/** A weight of whole numbers, of which kernels read two as a word. */
export const integerWeights =
  (layout: ParameterLayout, type: 'int8' | 'int6'): Make<Int8Array> =>
  (o, naming) => {
    const most = largestOf[type]
    const check = (values: Values): void => {
      const at = values.findIndex((value) => Math.abs(value) > most)
      if (at >= 0)
        fail(
          `${o.op}: ${naming.name} must hold −${most} … ${most} with weightType '${type}', got ` +
            `${values[at]} at index ${at}`,
        )
    }
    const { order, ...lies } = lyingWeight(layout)
    return make<Int8Array>({
      ...lies,
      type: 'int8',
      order: `${order}, channels in pairs`,
      check,
      put: (values, own) => packIntegers(layout, values, own, most),
      get: (own) => unpackIntegers(layout, own, most),
    })(o, naming)
  }

/** The same of what neurons learn. */
export const parameter = (layout: ParameterLayout): Make<Float32Array> =>
  layout.shape.length === 0 ? numbers([1]) : weights(layout, roundUp(layout.stored, 16))

const lyingPlain = (
  shape: readonly number[],
  type: ValueType = 'float32',
  stored = sizeOf(shape),
) => ({
  type,
  shape,
  stored,
  order: shape.map((_, i) => `[axis ${i}]`).join(''),
  sizes: stored === sizeOf(shape) ? shape : [stored],
})

/**
 * Numbers that lie as they are, with room behind them: vectors over channels, and whatever has no
 * order of the engine's own.
 *
 * @param stored elements that kernels touch, at least those of the shape
 */
export const numbers = (shape: readonly number[], stored?: number): Make<Float32Array> =>
  make(lyingPlain(shape, 'float32', stored), roundUp(stored ?? sizeOf(shape), 16))

export const integers = (shape: readonly number[]): Make<Int32Array> =>
  make(lyingPlain(shape, 'int32'), roundUp(sizeOf(shape), 16))

/** A vector over C channels, padded with zeros as kernels read it. */
export const channels = (count: number): Make<Float32Array> =>
  numbers([count], storedChannels(count))

/** The same, or one for each step where these have statistics of their own. */
export const groups = ({ T, C }: Extent, byStep: boolean): Make<Float32Array> =>
  byStep ? floats({ shape: [T, C], timed: true, T, B: 1, C, H: 1, W: 1 }) : channels(C)

/** For memory that is there; the last record that touches it must be an op's last. */
export const tensorOfBuffer = <A extends Values>(
  buffer: Buffer,
  naming: Naming,
  shape: readonly number[],
  type: ValueType = 'float32',
): OpTensor<A> => placed(lyingPlain(shape, type), naming, buffer)

/** All that lies in a tensor's buffer of so many floats, in rows of its own size. */
export function behind({ buffer, sizes, order }: OpTensor, name: string, count: number): OpTensor {
  const all = [count / sizeOf(sizes), ...sizes]
  return { ...tensorOfBuffer(buffer, { name, updated: false }, all), order }
}

/** Classes, each below `classes`: a kernel finds a logit by it. */
export interface ClassTensor<A extends Values = Values> extends OpTensor<A> {
  /** Checks what the plan's memory holds. */
  checkOwn(views: Views): void
}

/** A class of each place of a shape; `ignore` stands for none. @param of makes what holds them */
export const classes =
  <A extends Values>(
    of: (shape: readonly number[]) => Make<A>,
    shape: readonly number[],
    count: number,
    ignore?: number,
  ): Make<A> =>
  (o, naming): ClassTensor<A> => {
    const size = sizeOf(shape)
    const isClass = (x: number): boolean =>
      x === ignore || (Number.isInteger(x) && x >= 0 && x < count)
    const check = (values: Values): void => {
      let at = 0
      while (at < size && isClass(values[at])) at++
      if (at !== size)
        fail(
          `${o.op}: ${naming.name} must hold classes from 0 to ${count - 1}` +
            `${ignore === undefined ? '' : ` or ${ignore}`}, got ${values[at]} at index ${at}`,
        )
    }
    const tensor = of(shape)(o, naming)
    return { ...tensor, check, checkOwn: (views) => check(views(tensor.buffer, tensor.type, size)) }
  }

/** A word of the control block. */
export const word =
  <A extends Values>(at: Control, type: 'float32' | 'int32'): Make<A> =>
  (_, naming) => {
    const block = { purpose: 'statistics', persistent: true, first: 0, last: 0 } as const
    const buffer = { ...block, name: naming.name, bytes: 4, address: at }
    return tensorOfBuffer(buffer, naming, [1], type)
  }

/** Where records say that a number was not finite. */
export const nonFinite = word<Int32Array>(Control.NonFinite, 'int32')

/** @param input the model's input, which `Control.Input` points to */
export const asFloat = (
  { name, stored, buffer }: OpTensor,
  extent: Extent,
  input = false,
): plan.FloatTensor => ({
  kind: 'float',
  name,
  shape: imageOf(extent),
  stored,
  buffer,
  steps: extent.T,
  input,
  gradient: [],
})

/** What is read of spikes: masks and counts. */
type Spikes = Pick<SpikesTensor, 'name' | 'stored' | 'buffer'> & {
  readonly counts: Pick<OpTensor, 'buffer'>
}

export const asSpikes = (tensor: Spikes, extent: Extent): plan.SpikeTensor => ({
  kind: 'spikes',
  name: tensor.name,
  shape: imageOf(extent),
  stored: tensor.stored,
  masks: tensor.buffer,
  counts: tensor.counts.buffer,
  lambda: 0,
  gradient: [],
})

/** Writes spikes as floats, or their means over so many steps. */
export function emitSpikeFloats(
  b: ProgramBuilder,
  spikes: Spikes,
  extent: Extent,
  totalSteps: number,
  out: Buffer,
  mean: boolean,
): void {
  const { B, T } = extent
  const terms = [{ tensor: asSpikes(spikes, extent), pool: plan.noPool, scale: 1 }]
  const sum = { shape: imageOf(extent), terms }
  emitMaterialise(b, sum, B, T, totalSteps, mean, out, spikes.stored, denseRows)
}

/** How kernels read a float tensor. */
export function denseRows({ buffer, input, stored, steps }: plan.FloatTensor): plan.DenseInput {
  if (!buffer) throw new Error('an op has no input of its own')
  const rows = plan.rowsOf(buffer, stored, steps)
  return input ? { ...rows, address: Control.Input, indirect: true } : rows
}
