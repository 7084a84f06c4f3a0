/** Tensors of an op: as the caller sees them, and as they lie in the plan's memory. */

import { type ParameterLayout, pack, placesOf, storedChannels, unpack } from '../plan/layout.js'
import type { ProgramBuilder } from '../plan/program.js'
import type { Buffer } from '../plan/words.js'
import { roundUp } from '../round-up.js'
import {
  bytesFromEngine,
  bytesToEngine,
  checkSpikes,
  fromEngine,
  fromMasks,
  toEngine,
  toMasks,
} from './reorder.js'
import { type Extent, sizeOf, still } from './shapes.js'
import type { Totals } from './totals.js'

/** Arrays that ops take, return and show. */
export type Values = Float32Array | Uint8Array | Int8Array | Int32Array
/** What the numbers of such an array are. */
export type ValueType = 'float32' | 'uint8' | 'int8' | 'int32'

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

/** A tensor while an op is planned. */
export interface OpTensor extends TensorInfo {
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
  unpack(views: Views): Values
}

/** Elements of the plan's own array. */
export const ownCount = ({ sizes }: TensorInfo): number => sizeOf(sizes)

export interface Naming {
  readonly name: string
  readonly updated?: boolean
  /** Bytes of its buffer, where something lies behind it. */
  readonly bytes?: number
}

const bytesOf: Readonly<Record<ValueType, number>> = { float32: 4, int32: 4, uint8: 1, int8: 1 }

/** Buffers of an op's tensors live as long as its plan. */
const bufferOf = (b: ProgramBuilder, name: string, type: ValueType, count: number): Buffer =>
  b.buffer(name, count * bytesOf[type], 'input')

/** Floats [B][T][C][H][W] ↔ [B][H][W][T][C′]. `stored`: C′. */
export function floatTensor(
  b: ProgramBuilder,
  naming: Naming,
  extent: Extent,
  stored = storedChannels(extent.C),
): OpTensor {
  const { T, B, C, H, W, shape } = extent
  const sizes = [B, H, W, T, stored]
  const { bytes = sizeOf(sizes) * 4, ...named } = naming
  const buffer = b.buffer(naming.name, bytes, 'input')
  const own = (views: Views): Float32Array =>
    views(buffer, 'float32', sizeOf(sizes)) as Float32Array
  // Both orders are the same.
  const isPlain = T === 1 && H * W === 1 && stored === C
  return {
    ...named,
    type: 'float32',
    shape,
    order: '[B][H][W][T][C]',
    sizes,
    buffer,
    stored,
    pack(values, views) {
      if (isPlain) own(views).set(values)
      else toEngine(extent, stored, values as Float32Array, own(views))
    },
    unpack: (views) => (isPlain ? own(views).slice() : fromEngine(extent, stored, own(views))),
  }
}

/** All that lies in a tensor's buffer of so many bytes, in rows of its own size. */
export function behind(tensor: OpTensor, name: string, bytes: number): OpTensor {
  const { buffer, sizes } = tensor
  const count = bytes / bytesOf.float32
  const all = [count / sizeOf(sizes), ...sizes]
  const own = (views: Views): Float32Array => views(buffer, 'float32', count) as Float32Array
  return {
    ...{ ...tensor, name, updated: false, shape: all, sizes: all },
    pack: (values, views) => own(views).set(values),
    unpack: (views) => own(views).slice(),
  }
}

/** Spikes: bytes 0 or 1 [B][T][C][H][W] ↔ masks [plane][B][H][W][C′], and their counts. */
export interface SpikesTensor extends OpTensor {
  /** The number of spikes of each neuron, bytes [B][H][W][C′]. */
  readonly counts: OpTensor
  /** Writes the counts of the masks, for kernels that read both. */
  count(views: Views, totals: Totals): void
}

/** @param op what messages begin with */
export function spikesTensor(
  b: ProgramBuilder,
  op: string,
  naming: Naming,
  extent: Extent,
): SpikesTensor {
  const { T, B, C, H, W, shape } = extent
  const stored = storedChannels(C)
  const sizes = [Math.ceil(T / 8), B, H, W, stored]
  const buffer = bufferOf(b, naming.name, 'uint8', sizeOf(sizes))
  const own = (views: Views): Uint8Array => views(buffer, 'uint8', sizeOf(sizes)) as Uint8Array
  const counts = bytesTensor(b, { name: `${naming.name}Counts` }, still(extent))
  return {
    ...naming,
    type: 'uint8',
    shape,
    order: '[T / 8][B][H][W][C], bit t mod 8 of a byte',
    sizes,
    buffer,
    stored,
    counts,
    count: (_, totals) => totals.counts(buffer, ownCount(counts), Math.ceil(T / 8), counts.buffer),
    check: (values) => checkSpikes(`${op}: ${naming.name}`, values as Uint8Array),
    pack: (values, views) => toMasks(extent, stored, values as Uint8Array, own(views)),
    unpack: (views) => fromMasks(extent, stored, own(views)),
  }
}

/** Bytes [B][C][H][W] ↔ [B][H][W][C′], such as counts of spikes. */
export function bytesTensor(
  b: ProgramBuilder,
  naming: Naming,
  extent: Extent,
  stored = storedChannels(extent.C),
): OpTensor {
  const { B, H, W, shape } = extent
  const sizes = [B, H, W, stored]
  const buffer = bufferOf(b, naming.name, 'uint8', sizeOf(sizes))
  const own = (views: Views): Uint8Array => views(buffer, 'uint8', sizeOf(sizes)) as Uint8Array
  return {
    ...naming,
    type: 'uint8',
    shape,
    order: '[B][H][W][C]',
    sizes,
    buffer,
    stored,
    pack: (values, views) => bytesToEngine(extent, stored, values as Uint8Array, own(views)),
    unpack: (views) => bytesFromEngine(extent, stored, own(views)),
  }
}

type Weights = Float32Array | Int8Array

/** A weight, or its gradient, by the layout that the kernels read. */
export function weightTensor(
  b: ProgramBuilder,
  naming: Naming,
  layout: ParameterLayout,
  type: 'float32' | 'int8' = 'float32',
): OpTensor {
  const { shape, stored, blocks } = layout
  const buffer = bufferOf(b, naming.name, type, stored)
  const own = (views: Views): Weights => views(buffer, type, stored) as Weights
  const [order, sizes] = blocks
    ? [
        `[N / ${blocks.width}][rows][${blocks.width}]`,
        [stored / blocks.blockRows / blocks.width, blocks.blockRows, blocks.width],
      ]
    : ['[stored]', [stored]]
  const unpackBytes = (stored: Weights): Int8Array => {
    const placeOf = placesOf(layout)
    return new Int8Array(sizeOf(shape)).map((_, i) => stored[placeOf(i)])
  }
  return {
    ...naming,
    type,
    shape,
    order,
    sizes,
    buffer,
    stored,
    pack: (values, views) => pack(layout, values, own(views)),
    unpack: (views) => {
      const stored = own(views)
      return stored instanceof Float32Array ? unpack(layout, stored) : unpackBytes(stored)
    },
  }
}

/**
 * Numbers that lie as they are, with room behind them: vectors over channels, and whatever has no
 * order of the engine's own.
 *
 * @param stored elements that kernels touch, at least those of the shape
 */
export function plainTensor(
  b: ProgramBuilder,
  naming: Naming,
  shape: readonly number[],
  type: ValueType = 'float32',
  stored = sizeOf(shape),
): OpTensor {
  const buffer = bufferOf(b, naming.name, type, roundUp(stored, 16))
  return tensorOfBuffer(buffer, naming, shape, type, stored)
}

/** The same of memory that is there; the last record that touches it must be an op's last. */
export function tensorOfBuffer(
  buffer: Buffer,
  naming: Naming,
  shape: readonly number[],
  type: ValueType = 'float32',
  stored = sizeOf(shape),
): OpTensor {
  const count = sizeOf(shape)
  const own = (views: Views): Values => views(buffer, type, stored)
  return {
    ...naming,
    type,
    shape,
    order: shape.map((_, i) => `[axis ${i}]`).join(''),
    sizes: stored === count ? shape : [stored],
    buffer,
    stored,
    pack: (values, views) => own(views).set(values),
    unpack: (views) => own(views).slice(0, count),
  }
}

/** A vector over C channels, padded with zeros as kernels read it. */
export const channelTensor = (b: ProgramBuilder, naming: Naming, channels: number): OpTensor =>
  plainTensor(b, naming, [channels], 'float32', storedChannels(channels))
