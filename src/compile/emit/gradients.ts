/**
 * Gradients on their way back: what readers hand to a tensor is collected, added up when the
 * tensor's own turn comes, and handed on.
 */

import * as records from '../../kernels/records/gradient.js'
import type { Buffer } from '../../kernels/records/words.js'
import type { GraphNode } from '../../network/trace.js'
import { budgets, inUnits } from '../budgets.js'
import { storedChannels } from '../layout.js'
import { type Pass, term } from '../pass.js'
import type { Remade } from '../recompute.js'
import {
  type Contribution,
  type Expression,
  type FloatTensor,
  gradientOf,
  isIdentity,
  noPool,
  type Shape,
  type SpikeTensor,
  type Term,
  wantsGradient,
  windowWords,
} from '../tensors.js'
import { emitTimeSum } from './sums.js'

/** Anything that gradients are handed to. */
type Summed = Pick<Readonly<FloatTensor>, 'shape' | 'stored'> & {
  readonly gradient: readonly Contribution[]
}
export type Target = Summed & { readonly name: string }

/** A gradient of an image's size as it is, times a factor; through windows of a reader. */
const contributionOf = (
  [, outH, outW]: Shape,
  buffer: Buffer,
  steps: number,
  scale = 1,
  pool = noPool,
): Contribution => ({ buffer, steps, outH, outW, pool, scale })

/** How many of those that a gradient was given to have not read it yet. */
const unread = new WeakMap<Buffer, number>()

/** What to do when a contribution is read. */
const whenRead = new WeakMap<Contribution, () => void>()

function give(to: Contribution[], contribution: Contribution): void {
  to.push(contribution)
  unread.set(contribution.buffer, (unread.get(contribution.buffer) ?? 0) + 1)
}

function markRead(contributions: readonly Contribution[]): void {
  for (const contribution of contributions) {
    const { buffer } = contribution
    unread.set(buffer, (unread.get(buffer) ?? 1) - 1)
    whenRead.get(contribution)?.()
  }
}

/**
 * Where to write what is made row by row of a gradient that was taken. Where activations are not
 * kept, over it if nobody else has yet to read it; else gradients are not what takes memory, and
 * buffers that live shorter find a place more easily.
 */
export const overGradient = (
  pass: Pass,
  taken: Buffer,
  { name, shape, steps, stored }: Omit<Target, 'gradient'> & { readonly steps: number },
): Buffer =>
  pass.context.remade && !unread.get(taken)
    ? taken
    : gradientBuffer(pass, name, shape, steps, stored)

/** Rows per pixel of a tensor's gradient. */
export const gradientRows = (pass: Pass, tensor: FloatTensor | SpikeTensor): number =>
  tensor.kind === 'float' && pass.context.method.rows === 'steps'
    ? tensor.steps
    : pass.gradientSteps

export function gradientBuffer(
  pass: Pass,
  name: string,
  shape: Shape,
  steps: number,
  stored = storedChannels(shape[0]),
): Buffer {
  return pass.imageBuffer(name, shape[1] * shape[2] * steps * stored * 4)
}

/** What came in, of so many rows for each pixel of a tensor. */
export const contributionFields = (
  gradient: readonly Contribution[],
  stored: number,
  rows: number,
) => ({
  contributions: gradient.map(
    ({ buffer, outH, outW, pool, scale, steps }): records.ContributionFields => ({
      from: buffer,
      outH,
      outW,
      ...windowWords(pool),
      scale,
      stepBytes: steps > 1 ? stored * 4 : 0,
      pixelBytes: steps * stored * 4,
    }),
  ),
  contributionCount: gradient.length,
  pixelsPerRun: Math.max(1, Math.floor(budgets.runBytes / (4 * stored * rows))),
})

/** Writes the sum of what came in, with so many rows for each pixel of the images. */
export function emitGradientSum(
  { b, images }: Pick<Pass, 'b' | 'images'>,
  { shape: [, height, width], stored: channels, gradient }: Summed,
  steps: number,
  out: Buffer,
  times?: { readonly kind: NeuronKind; readonly factor: Buffer },
): void {
  const pixels = images * height * width
  const sum = contributionFields(gradient, channels, steps)
  const { units, pixelsPerUnit } = inUnits(pixels, channels * steps)
  const fields = { ...sum, pixels, height, width, channels, pixelsPerUnit, steps, out }
  if (times) b.emit(times.kind, units, { ...fields, factor: times.factor })
  else b.emit(records.gradientSum, units, fields)
}

/** Sum of what came in. */
export function sumGradient(pass: Pass, name: string, to: Summed, steps: number): Buffer {
  const out = gradientBuffer(pass, name, to.shape, steps, to.stored)
  emitGradientSum(pass, to, steps, out)
  return out
}

type NeuronKind = typeof records.neuronBackwardRate | typeof records.neuronBackwardOnline

/** Sum of what came in, times a factor of each neuron and row. */
export function neuronGradient(
  pass: Pass,
  kind: NeuronKind,
  name: string,
  to: Summed,
  factor: Buffer,
  rows = 1,
): Buffer {
  if (to.gradient.some(({ steps }) => steps !== rows))
    throw new Error(`${name}: gradients of neurons need ${rows} rows`)
  const out = gradientBuffer(pass, name, to.shape, rows, to.stored)
  emitNeuronGradient(pass, kind, to, factor, rows, out)
  markRead(to.gradient)
  return out
}

/** The rows of a pixel are to the kernel as more channels of one row. */
export function emitNeuronGradient(
  pass: Pick<Pass, 'b' | 'images'>,
  kind: NeuronKind,
  { shape, stored, gradient }: Summed,
  factor: Buffer,
  rows: number,
  out: Buffer,
): void {
  const asChannels = gradient.map((contribution) => ({ ...contribution, steps: 1 }))
  const from = { shape, stored: stored * rows, gradient: asChannels }
  emitGradientSum(pass, from, 1, out, { kind, factor })
}

/**
 * What neurons read through time, and where they write what they make of it: as `overGradient`,
 * over the first one.
 */
export function neuronTimeGradient(
  pass: Pass,
  name: string,
  to: Summed,
  steps: number,
): { contributions: readonly Contribution[]; out: Buffer } {
  const { shape, stored, gradient } = to
  markRead(gradient)
  const fits = (c: Contribution): boolean =>
    pass.context.remade !== undefined &&
    isIdentity(c.pool) &&
    c.steps === steps &&
    !unread.get(c.buffer) &&
    // A tensor that a neuron reads twice hands back the same buffer twice.
    gradient.every((other) => other === c || other.buffer !== c.buffer)
  // A sum of two is the same either way.
  const contributions =
    gradient.length === 2 && !fits(gradient[0]) ? [gradient[1], gradient[0]] : gradient
  const out = fits(contributions[0])
    ? contributions[0].buffer
    : gradientBuffer(pass, name, shape, steps, stored)
  return { contributions, out }
}

/**
 * One buffer that holds a tensor's gradient with `steps` rows per pixel: the single contribution
 * itself where that is possible.
 */
export function takeGradient(pass: Pass, to: Target, steps: number): Buffer {
  const taken = inOneBuffer(pass, to, steps)
  markRead(to.gradient)
  return taken
}

function inOneBuffer(pass: Pass, to: Target, steps: number): Buffer {
  const { name, gradient } = to
  const [first] = gradient
  if (gradient.length === 1 && isIdentity(first.pool) && first.scale === 1 && first.steps === steps)
    return first.buffer
  if (steps === 1 && gradient.some((c) => c.steps > 1)) {
    // Gradients at each step are summed over time; those with one row are sums over time already.
    const each = gradient.filter((c) => c.steps > 1)
    const rows = each[0].steps
    const atEachStep = inOneBuffer(pass, { ...to, gradient: each }, rows)
    const buffer = gradientTimeSum(pass, `${name} gradient over time`, atEachStep, to, rows)
    const others = gradient.filter((c) => c.steps === 1)
    const all = [...others, contributionOf(to.shape, buffer, 1)]
    return inOneBuffer(pass, { ...to, gradient: all }, 1)
  }
  return sumGradient(pass, `${name} gradient`, to, steps)
}

/** Σ over the steps of a gradient. */
export function gradientTimeSum(
  pass: Pass,
  name: string,
  input: Buffer,
  { shape, stored }: Pick<Summed, 'shape' | 'stored'>,
  rows: number,
  persistent = false,
): Buffer {
  const pixels = pass.images * shape[1] * shape[2]
  const out = pass.b.buffer(name, pixels * stored * 4, 'scratch', persistent)
  pass.context.remade?.holdsImages(out, shape[1] * shape[2] * stored * 4)
  emitTimeSum(pass.b, { in: input, out, pixels, channels: stored, steps: rows })
  return out
}

/**
 * Hands the gradient of an expression on to its terms.
 * @param stored channels as stored
 */
export function giveGradient(
  to: Expression,
  buffer: Buffer,
  steps: number,
  stored = storedChannels(to.shape[0]),
): void {
  for (const term of to.terms) {
    if (!wantsGradient(term)) continue
    const { tensor, scale, pool } = term
    const padded = tensor.kind === 'float' && stored !== tensor.stored ? tensor.padded : undefined
    give(padded ?? gradientOf(term), contributionOf(to.shape, buffer, steps, scale, pool))
  }
}

/** What is made of a gradient, image by image, and goes to an expression. */
interface MadeGradient {
  readonly name: string
  readonly from: Buffer
  readonly to: Expression
  readonly steps: number
  readonly stored: number
  /** Emits it for the pass's images. */
  emit(out: Buffer): void
}

/**
 * Hands a gradient on that is made of another one. Where activations are not kept, memory is short
 * too for large gradients: those are made for a part of the images at a time, which is then added
 * to what the reader has already got, or written over what it was made of.
 */
export function giveMadeGradient(pass: Pass, made: MadeGradient): void {
  const { name, from, to, steps, stored, emit } = made
  const { remade, images } = pass.context
  const isInput = to.terms.some(({ tensor }) => tensor.kind === 'float' && tensor.input)
  const place = remade && !isInput ? placeOfParts(made, remade) : undefined
  const bytes = to.shape[1] * to.shape[2] * steps * stored * 4 * images
  const writeParts = (out: Buffer, before: readonly Contribution[]): void =>
    remade?.inParts(images, () => {
      const part = gradientBuffer(pass, `${name}, a part`, to.shape, steps, stored)
      emit(part)
      const gradient = [...before, contributionOf(to.shape, part, steps)]
      emitGradientSum(pass, { shape: to.shape, stored, gradient }, steps, out)
    })
  const write = place && (() => writeParts(place.out, place.before))
  const parted = remade?.partGradient(bytes, images, write)
  if (!parted || !place) {
    const out = gradientBuffer(pass, name, to.shape, steps, stored)
    emit(out)
    giveGradient(to, out, steps, stored)
  } else if (place.before.length === 0) giveGradient(to, from, steps)
  else
    whenRead.set(place.before[0], () => {
      parted.span.last = pass.b.now
    })
}

/** Where parts of a gradient may go, and what they are added to there. */
function placeOfParts(
  { from, to, steps, stored }: MadeGradient,
  remade: Remade,
): { out: Buffer; before: readonly Contribution[] } | undefined {
  const plain = (c: Contribution | Term): boolean => isIdentity(c.pool) && c.scale === 1
  const [term] = to.terms
  const [before, ...others] = gradientOf(term)
  const isAlone = to.terms.length === 1 && plain(term) && others.length === 0
  const fits = (c: Contribution): boolean => plain(c) && c.steps === steps
  if (isAlone && before && fits(before) && unread.get(before.buffer) === 1)
    return { out: before.buffer, before: [before] }
  const same = remade.bytesOf(from) === to.shape[1] * to.shape[2] * steps * stored * 4
  return same && !unread.get(from) ? { out: from, before: [] } : undefined
}

/** Hands a gradient to a tensor itself. */
export function giveTensorGradient(
  to: FloatTensor | SpikeTensor,
  buffer: Buffer,
  steps: number,
  scale = 1,
): void {
  give(to.gradient, contributionOf(to.shape, buffer, steps, scale))
}

/**
 * Puts on the tape what is done with the gradient of a tensor, if anybody hands it one. Returns the
 * tensor as a layer gives it.
 */
export function withGradient(
  pass: Pass,
  node: GraphNode,
  output: FloatTensor | SpikeTensor,
  run: (delta: Buffer, steps: number) => void,
): Expression {
  pass.backward(node, () => {
    if (output.gradient.length === 0) return
    const steps = gradientRows(pass, output)
    run(takeGradient(pass, output, steps), steps)
  })
  return { shape: output.shape, terms: [term(output)] }
}

/**
 * The way back of a layer that reads one tensor: takes the gradient of its output, and hands on
 * what `emit` makes of it. Returns as `withGradient`.
 *
 * @param over whether it may be written over what it is made of, row by row
 */
export function handBack(
  pass: Pass,
  node: GraphNode,
  output: FloatTensor | SpikeTensor,
  input: FloatTensor | SpikeTensor,
  over: boolean,
  emit: (delta: Buffer, out: Buffer, steps: number) => void,
): Expression {
  return withGradient(pass, node, output, (delta, steps) => {
    const { shape, stored } = input
    const name = `${node.name} input gradient`
    const out = over
      ? overGradient(pass, delta, { name, shape, steps, stored })
      : gradientBuffer(pass, name, shape, steps, stored)
    emit(delta, out, steps)
    giveTensorGradient(input, out, steps)
  })
}
