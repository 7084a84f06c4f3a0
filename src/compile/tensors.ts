/**
 * What flows between layers while a plan is made: stored tensors, and sums of them that are not
 * written out unless somebody needs it.
 */

import { type Buffer, type Reference, ref } from '../kernels/records/words.js'
import type { Pair } from '../network/kind.js'
import type { Shape } from '../network/value.js'
import type { Windows } from '../network/window.js'

export type { Shape }

/** A window that slides over a tensor; kernel 1, stride 1, padding 0 is none. */
export type Pool = Windows

/**
 * Strides over an image as kernels get them: at most its padded size. From there on a window has
 * one place whatever the stride, and a smaller number fits their words.
 */
export const usedStrides = (
  [, h, w]: Shape,
  [padH, padW]: Pair,
  [strideH, strideW]: Pair,
): Pair => [Math.min(strideH, h + 2 * padH), Math.min(strideW, w + 2 * padW)]

/** Windows of a layer with such strides. */
export function usedWindow(image: Shape, { kernelSize, stride, padding }: Windows): Windows {
  return { kernelSize, stride: usedStrides(image, padding, stride), padding }
}

export const noPool: Pool = { kernelSize: [1, 1], stride: [1, 1], padding: [0, 0] }

/** The words of records for a window. */
export const windowWords = ({ kernelSize, stride, padding }: Pool) => ({
  kernelH: kernelSize[0],
  kernelW: kernelSize[1],
  strideH: stride[0],
  strideW: stride[1],
  padH: padding[0],
  padW: padding[1],
})

export const isIdentity = (pool: Pool): boolean => samePool(pool, noPool)

export function samePool(a: Pool, b: Pool): boolean {
  const same = (m: Pair, n: Pair): boolean => m[0] === n[0] && m[1] === n[1]
  return same(a.kernelSize, b.kernelSize) && same(a.stride, b.stride) && same(a.padding, b.padding)
}

/**
 * A gradient that a consumer hands back, seen through the pooling that the consumer saw the tensor
 * through.
 */
export interface Contribution {
  /** [B][OutH][OutW][steps][C] */
  readonly buffer: Buffer
  readonly steps: number
  readonly outH: number
  readonly outW: number
  readonly pool: Pool
  readonly scale: number
}

/** Sums by units, one behind the other. */
export interface UnitSums {
  readonly buffer: Buffer
  readonly units: number
}

/** A sum of pooled spikes: scale · Σ over sources. */
export interface SpikeInput {
  readonly sources: readonly SpikeTensor[]
  readonly pool: Pool
  readonly scale: number
  /**
   * Where the sources are levels of a sum (assembly/spikes/sorted.ts): how many of their bytes have
   * a spike in a group of four steps.
   */
  readonly entries?: UnitSums
}

/** What all tensors are: one image of `shape`, and what its readers hand back. */
interface Tensor {
  readonly name: string
  readonly shape: Shape
  /** Channels as stored. */
  readonly stored: number
  readonly gradient: Contribution[]
}

/** Images of a shape, of so many channels as stored. */
export interface StoredImages extends Pick<Tensor, 'shape' | 'stored'> {
  readonly images: number
}

/** A float tensor [B][H][W][steps][stored]; steps is 1 when it is the same at every step. */
export interface FloatTensor extends Tensor {
  readonly kind: 'float'
  readonly steps: number
  /** The model's input: read through a pointer. */
  readonly input: boolean
  /** Bytes from where the pointer says to it, of one of several inputs. */
  readonly offset?: number
  /** Gradients of an input with padded channels; absent where nobody wants an input's gradient. */
  readonly padded?: Contribution[]
  readonly buffer?: Buffer
  /**
   * Partial sums for a BatchNorm, [units][4][stored], when the tensor's kernel has written them.
   */
  readonly moments?: UnitSums
}

/** Spikes: masks [plane][B][H][W][stored] and counts [B][H][W][stored]. */
export interface SpikeTensor extends Tensor {
  readonly kind: 'spikes'
  readonly masks: Buffer
  /** Absent where steps are too many for a byte: `Pass.spikeSums` has them then. */
  readonly counts?: Buffer
  /** Sums of its spikes by units, when neurons made it: what kernels are chosen by. */
  readonly sums?: UnitSums
  /** Leak of the neurons that made them, for traces. */
  readonly lambda: number
}

/** A normalisation whose affine map is applied by whoever reads it. */
export interface Norm {
  readonly name: string
  readonly tensor: FloatTensor
  /** Statistics for each step of a call apart (1: over all steps). */
  readonly groups: number
  readonly scale: Buffer
  readonly shift: Buffer
  /** Absent, as `invStd`, where nobody asks for x̂. */
  readonly mean?: Buffer
  readonly invStd?: Buffer
  /**
   * Where the time mean of x̂ goes, which the backward pass may need: for the first neurons that
   * ask, which then write it.
   */
  claimMean(): Buffer | undefined
  /** Called by a reader that is not a neuron: has x̂ averaged if nobody has claimed it. */
  averageUnread(): void
  readonly gradient: Contribution[]
}

/** scale · pooled (tensor, or its normalised values). */
export interface Term {
  readonly tensor: FloatTensor | SpikeTensor
  readonly norm?: Norm
  readonly pool: Pool
  readonly scale: number
}

/** A sum of terms of one shape. */
export interface Expression {
  readonly terms: readonly Term[]
  readonly shape: Shape
}

/** Whether a gradient that is handed to a tensor is of use. */
export const wantsGradient = ({ tensor }: Term): boolean =>
  tensor.kind === 'spikes' || !tensor.input || tensor.padded !== undefined

/** Where a gradient of a term goes. */
export const gradientOf = (term: Term): Contribution[] => (term.norm ?? term.tensor).gradient

/** Where a dense kernel reads its input. */
export interface DenseInput {
  readonly address: Reference | number
  /** The address is of a word that holds it. */
  readonly indirect: boolean
  /** Bytes behind what that word says; default 0. */
  readonly offset?: number
  readonly pixelBytes: number
  readonly stepBytes: number
  /** Bytes between steps of a loop over t outside. */
  readonly loopBytes: number
  /** Steps over which a time mean runs. */
  readonly meanSteps: number
  /** Factor of what is read, for the weight's gradient; default 1. */
  readonly scale?: number
}

/** The word of a record: one more than the bytes behind what the address's word says. */
export const indirectWord = ({ indirect, offset = 0 }: DenseInput): boolean | number =>
  indirect && offset > 0 ? 1 + offset : indirect

/** A buffer with rows for each pixel: one, or one of each step. */
export const rowsOf = (buffer: Buffer, channels: number, steps = 1): DenseInput => ({
  address: ref(buffer),
  indirect: false,
  pixelBytes: steps * channels * 4,
  stepBytes: steps > 1 ? channels * 4 : 0,
  loopBytes: 0,
  meanSteps: steps,
})
