/**
 * Values that are joined. Nothing runs for sums unless they are long: who reads them reads all
 * their terms. Along their channels values are written one behind the other; single tensors of
 * spikes stay spikes.
 */

import { fail } from '../../base/errors.js'
import { giveTensorGradient, gradientBuffer, withGradient } from '../../compile/emit/gradients.js'
import { floatsOf, sum } from '../../compile/emit/write-out.js'
import { differingSizes, useForExits } from '../../compile/loss-kind.js'
import { type LayerPlan, type Pass, registerJoint, term } from '../../compile/pass.js'
import type { ProgramBuilder } from '../../compile/program.js'
import {
  type Expression,
  type FloatTensor,
  isIdentity,
  type Shape,
  type SpikeTensor,
} from '../../compile/tensors.js'
import { join, joinSpikes, type SpikePartFields, split } from '../../kernels/records/signals.js'
import type { Buffer } from '../../kernels/records/words.js'
import * as joins from '../../network/joins.js'
import type { Loss } from '../../network/optimizer.js'
import { type Graph, type GraphNode, registerJoins } from '../../network/trace.js'
import { custom } from '../loss/custom.js'
import { selfDistillation } from '../loss/kinds.js'

/** Lets forward functions add values. */
export function useSums(): void {
  registerJoins(joins)
  registerJoint('add', add)
}

/** Lets forward functions add and join values, and return several. */
export function useJoins(): void {
  useSums()
  registerJoint('concat', concat)
  useForExits(lossOfExits)
}

/** The loss of several outputs where none is given: those of different sizes must get one. */
function lossOfExits(graph: Graph): Loss {
  const sizes = differingSizes(graph)
  if (!sizes) return selfDistillation()
  return custom(() => {
    fail(
      `the network has outputs of different sizes (${sizes}), and a loss of them must be given, ` +
        'got none; give loss: custom(…), or train by model.forward, backward and update',
    )
  })
}

const add: LayerPlan<unknown> = {
  lower: (pass, node, _layer, ...inputs) => sum(pass, node, inputs),
}

const concat: LayerPlan<unknown> = {
  lower(pass, node, _layer, ...inputs) {
    const spikes = spikesOf(inputs)
    return spikes ? joinedSpikes(pass, node, spikes) : joinedFloats(pass, node, inputs)
  },
}

type Sources = { readonly tensors: readonly SpikeTensor[]; readonly scale: number }

/** Tensors of spikes alone, times the same factor. */
function spikesOf(inputs: readonly Expression[]): Sources | undefined {
  const [{ scale }] = inputs[0].terms
  const tensors = inputs.flatMap(({ terms: [{ tensor, pool, scale: own }, ...others] }) =>
    others.length === 0 && tensor.kind === 'spikes' && isIdentity(pool) && own === scale
      ? [tensor]
      : [],
  )
  return tensors.length === inputs.length ? { tensors, scale } : undefined
}

function joinedSpikes(pass: Pass, node: GraphNode, { tensors, scale }: Sources): Expression {
  const { images, callSteps: steps } = pass
  // Traces of neurons with different leaks have none in common.
  const [{ lambda }] = tensors
  const common = tensors.every((tensor) => tensor.lambda === lambda) ? lambda : Number.NaN
  const output = pass.spikeTensor(node.name, node.shape, common)
  const counted = <T extends SpikeTensor>(of: T): T =>
    pass.countsSpikes ? of : { ...of, counts: undefined }
  const parts = partsOf(tensors.map(counted), node.flat)
  emitJoinSpikes(pass.b, { ...counted(output), images, steps }, parts)
  handBackParts(pass, node, output, tensors)
  return { shape: node.shape, terms: [term(output, scale)] }
}

function joinedFloats(pass: Pass, node: GraphNode, inputs: readonly Expression[]): Expression {
  const tensors = inputs.map((x) => floatsOf(pass, node, x))
  const steps = tensors.reduce((most, tensor) => Math.max(most, tensor.steps), 1)
  const output = pass.floatTensor(node.name, node.shape, steps)
  pass.make(output, { layers: 0, byImages: true }, () => {
    const { b, images } = pass
    emitJoin(b, { ...output, images, steps, out: output.buffer }, partsOf(tensors, node.flat))
  })
  handBackParts(pass, node, output, tensors)
  return { shape: node.shape, terms: [term(output)] }
}

/** Hands each its part of the gradient. */
function handBackParts(
  pass: Pass,
  node: GraphNode,
  output: FloatTensor | SpikeTensor,
  inputs: readonly (FloatTensor | SpikeTensor)[],
): void {
  withGradient(pass, node, output, (delta, steps) => {
    const from = { ...output, images: pass.images, steps, in: delta }
    for (const [i, part] of partsOf(inputs, node.flat).entries()) {
      const name = `${node.name} gradient of part ${i}`
      const out = gradientBuffer(pass, name, part.shape, steps, part.stored)
      emitSplit(pass.b, from, part, out)
      giveTensorGradient(inputs[i], out, steps)
    }
  })
}

/** A tensor that becomes a part of a larger one. */
export interface Part {
  readonly shape: Shape
  readonly stored: number
  /** The first of its channels there. */
  readonly offset: number
}

/** Parts of tensors one behind the other: images keep their pixels, flat ones become channels. */
export function partsOf<T extends { readonly shape: Shape; readonly stored: number }>(
  inputs: readonly T[],
  flat: boolean,
): (T & Part)[] {
  let offset = 0
  return inputs.map((input) => {
    const part = { ...input, offset }
    offset += flat ? input.shape[0] * input.shape[1] * input.shape[2] : input.shape[0]
    return part
  })
}

const partFields = ({ shape, stored, offset }: Part) => ({
  pixels: shape[1] * shape[2],
  stored,
  channels: shape[0],
  offset,
})

type Joined = Omit<Part, 'offset'> & { readonly images: number; readonly steps: number }

export function emitJoin(
  b: ProgramBuilder,
  { shape: [, h, w], stored: channels, steps, images, out }: Joined & { readonly out: Buffer },
  parts: readonly (Part & { readonly steps: number; readonly buffer: Buffer })[],
): void {
  const tensors = parts.map((of) => ({ ...partFields(of), from: of.buffer, rows: of.steps }))
  b.emit(join, images, { pixels: h * w, channels, steps, out, count: parts.length, tensors })
}

type Spikes = Pick<SpikeTensor, 'masks' | 'counts'>

export function emitJoinSpikes(
  b: ProgramBuilder,
  { images, shape: [, h, w], stored: channels, steps, masks: out, counts }: Joined & Spikes,
  parts: readonly (Part & Spikes)[],
): void {
  const tables = parts.map((part): SpikePartFields => {
    const fields = partFields(part)
    const planeBytes = images * fields.pixels * fields.stored
    return { ...fields, from: part.masks, rows: steps, planeBytes, counts: part.counts }
  })
  const places = { out, counts, planeBytes: images * h * w * channels }
  const sizes = { pixels: h * w, channels, steps, ...places }
  b.emit(joinSpikes, images, { ...sizes, count: parts.length, parts: tables })
}

/** What of a gradient belongs to a part. */
export function emitSplit(
  b: ProgramBuilder,
  { images, shape: [, h, w], stored: inChannels, steps, ...from }: Joined & { readonly in: Buffer },
  part: Part,
  out: Buffer,
): void {
  const fields = { ...partFields(part), inPixels: h * w, inChannels, steps }
  b.emit(split, images, { ...fields, in: from.in, out })
}
