/** The records of values that are joined along their channels. */

import type { ProgramBuilder } from './program.js'
import { join, joinSpikes, type SpikePartFields, split } from './records/signals.js'
import type { Shape } from './tensors.js'
import type { Buffer } from './words.js'

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
