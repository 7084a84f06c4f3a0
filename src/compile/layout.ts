/**
 * How tensors are stored. Activations: [B][H][W][T][C'], channels padded to C' so that they come in
 * whole vectors and weight blocks; the input keeps its channels as they are. Weights:
 * [N'/block][kRows][block], row k = (ky·kernelW + kx)·C' + c, at least one zero row at the end;
 * those of convolutions by groups are stored by groups, depthwise by taps.
 */

import { roundUp } from '../base/numbers.js'
import { sizeOf } from '../network/value.js'

/** Output channels of one block of a weight: the widest of 32, 16, 8, 4 that wastes little. */
export function blockWidth(channels: number): number {
  if (channels <= 4) return 4
  if (channels <= 8) return 8
  if (channels <= 16) return 16
  return roundUp(channels, 32) <= 1.15 * roundUp(channels, 16) ? 32 : 16
}

/** Channels as stored. */
export const storedChannels = (channels: number): number => roundUp(channels, blockWidth(channels))

/** Rows of a weight block: one or more zero rows behind the last tap. */
export const weightRows = (taps: number, storedInput: number): number =>
  roundUp(taps * storedInput + 1, 4)

/** A weight as stored: blocks of columns, in each taps of rows, then rows of zeros. */
export interface Blocks {
  /** Columns that hold numbers; the last block may have fewer than its width. */
  readonly columns: number
  readonly width: number
  readonly taps: number
  /** Rows of a tap that hold numbers, and rows stored. */
  readonly inRows: number
  readonly inC: number
  /** Rows of a block. */
  readonly blockRows: number
}

/**
 * Where the numbers of a weight lie: number [n][k] of PyTorch's shape [out, …], k = input · taps +
 * tap, is floor(n / block) · blockStride + n mod block + input · inputStride + tap · tapStride.
 */
export interface Strides {
  readonly block: number
  readonly blockStride: number
  readonly inputStride: number
  readonly taps: number
  readonly tapStride: number
}

/** Sizes that a tensor's numbers count through, the last one fastest, and the stride of each. */
export type Axes = readonly (readonly [size: number, stride: number])[]

/** A parameter as PyTorch shapes it, and how its elements lie in the arena. */
export interface ParameterLayout {
  /** PyTorch's shape. */
  readonly shape: readonly number[]
  /** Floats stored. */
  readonly stored: number
  /** How the stored numbers lie; undefined for vectors. */
  readonly blocks?: Blocks
  /** The same by element; undefined for vectors, which lie as they are. */
  readonly strides?: Strides
  /** How the numbers of neurons lie; undefined for vectors and for weights in blocks. */
  readonly axes?: Axes
}

/**
 * A weight [out, in, kh, kw] (or [out, in·kh·kw] of a linear layer over a flattened image) in
 * blocks, or by groups.
 */
export function weightLayout(
  shape: readonly number[],
  out: number,
  inputs: number,
  taps: number,
  storedInput: number,
  grouping?: Grouping,
): ParameterLayout {
  if (grouping) return groupedLayout(shape, taps, grouping)
  const width = blockWidth(out)
  const [blockRows, inC] = [weightRows(taps, storedInput), storedInput]
  const [blockStride, tapStride] = [blockRows * width, inC * width]
  return {
    shape,
    stored: storedChannels(out) * blockRows,
    blocks: { columns: out, width, taps, inRows: inputs, inC, blockRows },
    strides: { block: width, blockStride, inputStride: width, taps, tapStride },
  }
}

/** Channels in equal parts, each of which is convolved by itself. */
export interface Grouping {
  readonly groups: number
  /** Channels of one part, unpadded. */
  readonly groupIn: number
  readonly groupOut: number
  /** Each channel is a part, and as many are stored of the input as of the output. */
  readonly depthwise: boolean
}

/** Columns of a weight of one group as stored. */
export const groupColumns = (groupOut: number): number => roundUp(groupOut, 4)

/** Floats that are stored of one group's weights, or of all channels' depthwise. */
export const groupFloats = (taps: number, { groups, groupIn, groupOut, depthwise }: Grouping) =>
  taps * (depthwise ? storedChannels(groups) : groupIn * groupColumns(groupOut))

/**
 * A weight [groups·groupOut, groupIn, kh, kw] by groups: [groups][tap][groupIn][columns], zeros
 * behind groupOut; depthwise [tap][channels as stored].
 */
export function groupedLayout(
  shape: readonly number[],
  taps: number,
  grouping: Grouping,
): ParameterLayout {
  const { groups, groupIn, groupOut, depthwise } = grouping
  const size = { shape, stored: (depthwise ? 1 : groups) * groupFloats(taps, grouping) }
  if (depthwise) {
    const [channels] = shape
    const width = storedChannels(channels)
    const blocks = { columns: channels, width, taps, inRows: 1, inC: 1, blockRows: taps }
    const strides = { block: channels, blockStride: 0, inputStride: 0, taps, tapStride: width }
    return { ...size, blocks, strides }
  }
  const width = groupColumns(groupOut)
  const rows = { inRows: groupIn, inC: groupIn, blockRows: groups * taps * groupIn }
  const tapStride = groupIn * width
  return {
    ...size,
    blocks: { columns: groupOut, width, taps: groups * taps, ...rows },
    strides: {
      block: groupOut,
      blockStride: taps * tapStride,
      inputStride: width,
      taps,
      tapStride,
    },
  }
}

/** A vector over channels, or a scalar. */
export function vectorLayout(shape: readonly number[], channels: number): ParameterLayout {
  return { shape, stored: storedChannels(channels) }
}

/** Neurons of an image [C][H][W], stored as [H][W][C'], so many numbers apart. */
export function neuronAxes(
  [channels, height, width]: readonly [number, number, number],
  apart = 1,
): Axes {
  return [
    [channels, apart],
    [height * width, storedChannels(channels) * apart],
  ]
}

/** A number for each neuron of an image [C][H][W], stored as the images are, [H][W][C']. */
export function neuronLayout(
  shape: readonly number[],
  [channels, height, width]: readonly [number, number, number],
): ParameterLayout {
  const pixels = height * width
  if (pixels === 1) return vectorLayout(shape, channels)
  const axes = neuronAxes([channels, height, width])
  return { shape, stored: pixels * storedChannels(channels), axes }
}

/** Consecutive outputs of a weight. */
export interface Outputs {
  readonly first: number
  readonly count: number
}

/** Where the elements of a tensor lie, by their index in PyTorch's order. */
export function placesOf({
  shape,
  strides,
  axes,
}: Pick<ParameterLayout, 'shape' | 'strides' | 'axes'>): (element: number) => number {
  if (strides) {
    const { block, blockStride, inputStride, taps, tapStride } = strides
    const each = sizeOf(shape) / (shape[0] ?? 1)
    return (element) => {
      const [n, k] = [Math.floor(element / each), element % each]
      const column = Math.floor(n / block) * blockStride + (n % block)
      return column + Math.floor(k / taps) * inputStride + (k % taps) * tapStride
    }
  }
  if (!axes) return (element) => element
  return (element) => {
    let [place, rest] = [0, element]
    for (let i = axes.length - 1; i >= 0; i--) {
      const [size, stride] = axes[i]
      place += (rest % size) * stride
      rest = Math.floor(rest / size)
    }
    return place
  }
}

/** Copies between PyTorch's order and storage. A callback for each would take ten times as long. */
function copy(
  layout: ParameterLayout,
  values: { [element: number]: number },
  stored: Float32Array | Int8Array,
  isPacked: boolean,
  { first, count }: Outputs = { first: 0, count: layout.shape[0] },
): void {
  const { shape, strides } = layout
  if (!strides) {
    const placeOf = placesOf(layout)
    for (let i = sizeOf(shape) - 1; i >= 0; i--)
      if (isPacked) stored[placeOf(i)] = values[i]
      else values[i] = stored[placeOf(i)]
    return
  }
  const { block, blockStride, inputStride, taps, tapStride } = strides
  const inputs = sizeOf(shape.slice(1)) / taps
  let element = 0
  for (let n = first; n < first + count; n++)
    for (let input = 0; input < inputs; input++) {
      const at = Math.floor(n / block) * blockStride + (n % block) + input * inputStride
      for (let tap = 0; tap < taps; tap++)
        if (isPacked) stored[at + tap * tapStride] = values[element++]
        else values[element++] = stored[at + tap * tapStride]
    }
}

/**
 * Copies PyTorch's order into storage.
 *
 * @param part whose values these are: of a weight, outputs from `first` on; default all
 */
export function pack(
  layout: ParameterLayout,
  values: ArrayLike<number>,
  stored: Float32Array | Int8Array,
  part?: Outputs,
): void {
  copy(layout, values, stored, true, part)
}

/** A weight's whole numbers as the engine stores them, from PyTorch's order: see `pairUp`. */
export function packIntegers(
  layout: ParameterLayout,
  values: ArrayLike<number>,
  stored: Int8Array,
  most: number,
): void {
  stored.fill(0)
  pack(layout, values, stored)
  pairUp(stored, layout, most)
}

/** Those in PyTorch's order. */
export function unpackIntegers(
  layout: ParameterLayout,
  stored: Int8Array,
  most: number,
): Int8Array {
  const values = new Int8Array(sizeOf(layout.shape))
  const rows = stored.slice()
  pairUp(rows, layout, most, true)
  copy(layout, values, rows, false)
  return values
}

/**
 * Rows of a weight's whole numbers become words of two, or, on the way back, words become rows, in
 * place. Word i of a row has numbers i and i + width / 2; most + 1 is added to the first, which
 * then has no sign. Why: assembly/spikes/byte-sums.ts.
 */
export function pairUp(
  rows: Int8Array,
  { blocks }: ParameterLayout,
  most: number,
  isBack = false,
): void {
  if (!blocks) return
  const { width } = blocks
  const row = new Int8Array(width)
  for (let at = 0; at < rows.length; at += width) {
    row.set(rows.subarray(at, at + width))
    for (let i = 0; i < width; i++) {
      const isFirst = i < width / 2
      const paired = isFirst ? 2 * i : 2 * i + 1 - width
      const offset = isFirst ? most + 1 : 0
      if (isBack) rows[at + i] = row[paired] - offset
      else rows[at + paired] = row[i] + offset
    }
  }
}

/** Copies storage into PyTorch's order. */
export function unpack(layout: ParameterLayout, stored: Float32Array): Float32Array {
  const values = new Float32Array(sizeOf(layout.shape))
  copy(layout, values, stored, false)
  return values
}
