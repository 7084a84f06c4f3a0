/** Sizes of one convolution: what every strategy is chosen by and made from. */

import type { OfKind, Pair } from '../../nn/kind.js'
import type { Convolution } from '../../nn/weights.js'
import { blockWidth, type Grouping, storedChannels, weightRows } from '../layout.js'
import type { ProgramBuilder } from '../program.js'
import { convShape, type SizeName } from '../records/conv.js'
import type { AnyFields, Fields, RecordKind, Schema } from '../records/schema.js'
import { type Shape, usedStrides } from '../tensors.js'

type Sizes = Readonly<Record<SizeName, number>>

/**
 * A convolution, or a linear layer: one whose kernel covers its whole input. Channels are as
 * stored, except that the model's input keeps its own. `blockWidth`: output channels of a block of
 * the weight, 4, 8, 16 or 32.
 */
export interface Geometry extends Omit<Sizes, 'steps' | 'kRows'> {
  /** Images that masks hold, where it is more. */
  readonly allImages?: number
  /** Where channels are convolved by groups. */
  readonly grouping?: Grouping
}

/** What a weight belongs to; convolutions of series are given as those of images. */
export type WeightedLayer =
  | (OfKind<'conv2d'> & Convolution<Pair>)
  | (OfKind<'linear'> & { readonly inFeatures: number; readonly standardise: boolean })

/** What sizes follow from. */
type Sized =
  | ({ readonly kind: 'conv2d' } & Omit<Convolution<Pair>, 'bias' | 'standardise' | 'init'>)
  | { readonly kind: 'linear' }

/**
 * The parts of a layer's channels; undefined where there is one.
 *
 * @param inC channels of the input as stored.
 */
export function groupingOf(layer: Sized, inC: number): Grouping | undefined {
  if (layer.kind === 'linear' || layer.groups === 1) return undefined
  const { groups, inChannels, outChannels } = layer
  const groupIn = inChannels / groups
  const groupOut = outChannels / groups
  const single = groupIn === 1 && groupOut === 1
  return { groups, groupIn, groupOut, depthwise: single && inC === storedChannels(outChannels) }
}

/** @param inC channels of the input as stored. */
export function geometryOf(
  layer: Sized,
  input: Shape,
  inC: number,
  [outC, outH, outW]: Shape,
  images: number,
): Geometry {
  const [, inH, inW] = input
  const isConv = layer.kind === 'conv2d'
  const [kernelH, kernelW] = isConv ? layer.kernelSize : [inH, inW]
  const [padH, padW] = isConv ? layer.padding : [0, 0]
  const [strideH, strideW] = isConv ? usedStrides(input, [padH, padW], layer.stride) : [1, 1]
  const grouping = groupingOf(layer, inC)
  const sizes = { images, inH, inW, inC, outH, outW, outC: storedChannels(outC) }
  const window = { kernelH, kernelW, strideH, strideW, padH, padW }
  return { ...sizes, blockWidth: blockWidth(outC), ...window, ...(grouping && { grouping }) }
}

export const tapsOf = (g: Geometry): number => g.kernelH * g.kernelW
/** Inputs of one output pixel. */
export const inputsOf = (g: Geometry): number => tapsOf(g) * g.inC
/** Output pixels of all images. */
export const pixelsOf = (g: Geometry): number => g.images * g.outH * g.outW
export const kRowsOf = (g: Geometry): number => weightRows(tapsOf(g), g.inC)
/** Bytes of one image with one row per pixel. */
export const inputBytes = (g: Geometry): number => g.inH * g.inW * g.inC * 4
export const outputBytes = (g: Geometry): number => g.outH * g.outW * g.outC * 4

/**
 * A linear layer over an image as one over features, which is how it lies in memory when there is
 * one row per pixel: the kernels then see one tap instead of H·W.
 *
 * @param pixelBytes bytes between the input's pixels, whose channels must follow each other.
 */
export function flat(g: Geometry, steps: number, pixelBytes = g.inC * 4): Geometry {
  const isWhole = g.kernelH === g.inH && g.kernelW === g.inW && g.padH === 0 && g.padW === 0
  if (!(isWhole && g.outH * g.outW === 1) || steps > 1 || pixelBytes !== g.inC * 4) return g
  return { ...g, inC: inputsOf(g), inH: 1, inW: 1, kernelH: 1, kernelW: 1 }
}

/**
 * As few groups as the budget allows, with sizes that differ by one image at most; groups of one
 * image may exceed it. The first is as large as any. A group is a pass: it bounds the memory of
 * what only lives within a pass.
 */
export function splitImages(images: number, imageBytes: number, budgetBytes: number) {
  const most = Math.max(1, Math.floor(budgetBytes / imageBytes))
  const count = Math.ceil(images / most)
  const start = (group: number): number => Math.ceil((images * group) / count)
  return Array.from({ length: count }, (_, group) => ({
    firstImage: start(group),
    images: start(group + 1) - start(group),
  }))
}

/** The sizes that a kind of record names. */
export function sizesOf<S extends Schema>(
  { schema }: RecordKind<S>,
  g: Geometry,
  steps = 1,
): Pick<Sizes, Extract<keyof S, SizeName>> {
  const named: Record<string, number> = {}
  const sizeOf = (name: SizeName): number =>
    name === 'kRows' ? kRowsOf(g) : name === 'steps' ? steps : g[name]
  for (const name in convShape) if (name in schema) named[name] = sizeOf(name as SizeName)
  return named as Sizes
}

type Job = { readonly g: Geometry; readonly steps: number }

/**
 * Adds a record of a job: sizes of its convolution, and what of the job and of `more` has the name
 * of a field. What `more` says comes first.
 */
export function emitSized<S extends Schema, J extends Job>(
  b: ProgramBuilder,
  job: J & Partial<Fields<S>>,
  kind: RecordKind<S>,
  units: number,
  more: Omit<Fields<S>, SizeName | keyof J> & Partial<Fields<S>> & { unitGroups?: number },
): void {
  const fields: Record<string, unknown> = sizesOf(kind, job.g, job.steps)
  const [own, shared] = [more, job] as unknown as [AnyFields, AnyFields]
  for (const name in own) if (name in kind.schema) fields[name] = own[name]
  for (const name in kind.schema) if (!(name in fields)) fields[name] = shared[name]
  b.emit(kind, units, fields as Fields<S>, { groups: more.unitGroups })
}
