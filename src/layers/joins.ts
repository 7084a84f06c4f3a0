/**
 * Values that are joined. Nothing runs for sums unless they are long: who reads them reads all
 * their terms. Along their channels values are written one behind the other; single tensors of
 * spikes stay spikes.
 */

import * as joins from '../graph/joins.js'
import { type GraphNode, registerJoins } from '../graph/trace.js'
import { useForExits } from '../loss/kind.js'
import { selfDistillation } from '../loss/self-distillation.js'
import {
  giveTensorGradient,
  gradientBuffer,
  gradientRows,
  takeGradient,
} from '../plan/gradients.js'
import { type LayerPlan, registerJoint } from '../plan/layer-plan.js'
import { type Pass, term } from '../plan/pass.js'
import type { ProgramBuilder } from '../plan/program.js'
import { join, joinSpikes, type SpikePartFields, split } from '../plan/records/signals.js'
import { sum } from '../plan/sum.js'
import {
  type Expression,
  type FloatTensor,
  isIdentity,
  type Shape,
  type SpikeTensor,
} from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import { floatsOf } from '../plan/write-out.js'

/** Lets forward functions add values. */
export function useSums(): void {
  registerJoins(joins)
  registerJoint('add', add)
}

/** Lets forward functions add and join values, and return several. */
export function useJoins(): void {
  useSums()
  registerJoint('concat', concat)
  useForExits(selfDistillation)
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

interface Sources {
  readonly tensors: readonly SpikeTensor[]
  readonly scale: number
}

/** Tensors of spikes alone, times the same factor. */
function spikesOf(inputs: readonly Expression[]): Sources | undefined {
  const tensors: SpikeTensor[] = []
  const scale = inputs[0].terms[0].scale
  for (const { terms } of inputs) {
    const [{ tensor, pool, scale: own }] = terms
    if (terms.length > 1 || tensor.kind !== 'spikes' || !isIdentity(pool) || own !== scale)
      return undefined
    tensors.push(tensor)
  }
  return { tensors, scale }
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
  pass.backward(node, () => back(pass, node, output, tensors))
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
  pass.backward(node, () => back(pass, node, output, tensors))
  return { shape: node.shape, terms: [term(output)] }
}

/** Hands each its part of the gradient. */
function back(
  pass: Pass,
  node: GraphNode,
  output: FloatTensor | SpikeTensor,
  inputs: readonly (FloatTensor | SpikeTensor)[],
): void {
  if (output.gradient.length === 0) return
  const { b, images } = pass
  const steps = gradientRows(pass, output)
  const delta = takeGradient(pass, output, steps)
  const from = { images, shape: output.shape, stored: output.stored, steps, in: delta }
  partsOf(inputs, node.flat).forEach((part, i) => {
    const name = `${node.name} gradient of part ${i}`
    const out = gradientBuffer(pass, name, part.shape, steps, part.stored)
    emitSplit(b, from, part, out)
    giveTensorGradient(inputs[i], out, steps)
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

interface Joined {
  readonly images: number
  readonly shape: Shape
  readonly stored: number
  readonly steps: number
}

const joinedFields = ({ shape, stored, steps }: Joined) => ({
  pixels: shape[1] * shape[2],
  channels: stored,
  steps,
})

export function emitJoin(
  b: ProgramBuilder,
  to: Joined & { readonly out: Buffer },
  parts: readonly (Part & { readonly steps: number; readonly buffer: Buffer })[],
): void {
  b.emit(join, to.images, {
    ...joinedFields(to),
    out: to.out,
    count: parts.length,
    tensors: parts.map((part) => ({ ...partFields(part), from: part.buffer, rows: part.steps })),
  })
}

type Spikes = { readonly masks: Buffer; readonly counts?: Buffer }

export function emitJoinSpikes(
  b: ProgramBuilder,
  to: Joined & Spikes,
  parts: readonly (Part & Spikes)[],
): void {
  const { images, shape, stored, steps } = to
  b.emit(joinSpikes, images, {
    ...joinedFields(to),
    out: to.masks,
    counts: to.counts,
    planeBytes: images * shape[1] * shape[2] * stored,
    count: parts.length,
    parts: parts.map(
      (part): SpikePartFields => ({
        ...partFields(part),
        from: part.masks,
        rows: steps,
        planeBytes: images * part.shape[1] * part.shape[2] * part.stored,
        counts: part.counts,
      }),
    ),
  })
}

/** What of a gradient belongs to a part. */
export function emitSplit(
  b: ProgramBuilder,
  from: Joined & { readonly in: Buffer },
  part: Part,
  out: Buffer,
): void {
  const { images, shape, stored, steps } = from
  const inPixels = shape[1] * shape[2]
  const fields = { ...partFields(part), inPixels, inChannels: stored, steps }
  b.emit(split, images, { ...fields, in: from.in, out })
}
