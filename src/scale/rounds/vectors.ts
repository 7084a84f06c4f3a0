/**
 * A model's numbers as vectors: parameters, running statistics and what the optimizer keeps, one
 * behind the other in the order of the network, each in PyTorch's layout.
 */

import { fail } from '../../base/errors.js'
import { pack, unpack } from '../../compile/layout.js'
import { type Arena, storedAt, trainingOf } from '../../engine/memory/arena.js'
import { type StepState, stepState, takeStepState } from '../../engine/run/update.js'
import type { Session } from '../../engine/session.js'
import { sizeOf } from '../../network/value.js'
import type { Compress, RoundsSetting } from './options.js'

type Entry = Session['plan']['parameters'][number] | Session['plan']['statistics'][number]

const sum = (entries: readonly Entry[]): number =>
  entries.reduce((total, entry) => total + sizeOf(entry.layout.shape), 0)

/** In an order that does not depend on how a plan is made. */
const stateNames = (arena: Arena): string[] => Object.keys(trainingOf(arena).states).sort()

export function sizesOf(arena: Arena) {
  const { parameters, statistics } = arena.plan
  return {
    // P numbers, S of running statistics, and arrays of P that the optimizer keeps.
    parameters: sum(parameters),
    statistics: sum(statistics),
    states: stateNames(arena).length,
    // Numbers that are rounded with one scale, such as all that lead to one output.
    rows: parameters.map((parameter) => {
      const { shape } = parameter.layout
      // A vector, such as a bias, is one row.
      const count = shape.length > 1 ? shape[0] : 1
      return { count, size: sizeOf(shape) / count }
    }),
  }
}

/** How long the vectors of a network are. */
export type Sizes = Readonly<ReturnType<typeof sizesOf>>

/** Numbers of entries, one behind the other: into a vector, or from one with `takes`. */
function move(
  arena: Arena,
  base: number,
  entries: readonly Entry[],
  vector: Float32Array,
  takes = false,
): void {
  let at = 0
  for (const entry of entries) {
    const part = vector.subarray(at, at + sizeOf(entry.layout.shape))
    const stored = storedAt(arena, base, entry)
    at += part.length
    if (takes) {
      pack(entry.layout, part, stored)
      arena.wrote?.(stored.byteOffset, stored.byteLength)
    } else part.set(unpack(entry.layout, stored))
  }
}

/** What rounds average: P parameters and S running statistics. */
export type Weights = Readonly<Record<'parameters' | 'statistics', Float32Array>>

/** Copies. */
export function weightsOf(arena: Arena): Weights {
  const { parameters: P, statistics: S } = sizesOf(arena)
  const found = { parameters: new Float32Array(P), statistics: new Float32Array(S) }
  moveWeights(arena, found)
  return found
}

export const takeWeights = (arena: Arena, weights: Weights): void =>
  moveWeights(arena, weights, true)

function moveWeights(arena: Arena, weights: Weights, takes = false): void {
  for (const key of ['parameters', 'statistics'] as const)
    move(arena, arena.plan.named[key].address, arena.plan[key], weights[key], takes)
}

/** What an optimizer keeps from step to step. */
export interface Inner {
  /** [states][P] */
  readonly arrays: Float32Array
  readonly numbers: StepState
}

function moveInner(session: Session, arrays: Float32Array, takes = false): void {
  const { parameters } = sizesOf(session)
  const { states } = trainingOf(session)
  for (const [i, name] of stateNames(session).entries()) {
    const part = arrays.subarray(i * parameters)
    move(session, states[name].address, session.plan.parameters, part, takes)
  }
}

/** A copy. */
export function innerOf(session: Session): Inner {
  const { parameters, states } = sizesOf(session)
  const arrays = new Float32Array(states * parameters)
  moveInner(session, arrays)
  return { arrays, numbers: stepState(session) }
}

/** Undefined stands for an optimizer that has taken no step. */
export function takeInner(session: Session, inner: Inner | undefined): void {
  if (!inner) {
    session.resetOptimizer()
    return
  }
  const { parameters, states } = sizesOf(session)
  const { length } = inner.arrays
  if (length !== states * parameters)
    fail(
      `a replica's optimizer must keep ${states} arrays of ${parameters} numbers, got ` +
        `${length} numbers`,
    )
  moveInner(session, inner.arrays, true)
  takeStepState(session, inner.numbers)
  session.accumulated = 0
}

// What a replica sends of its parameters: they themselves, or their change in fewer bits. Bytes are
// little-endian.
// none: the parameters, float32 [P].
// bfloat16: the change, rounded to the nearest, ties to even: uint16 [P].
// int8: the change, a scale for each row (float32), then int8 [P]; change ≈ scale · number. What
// rounding loses is added to the change of the next round (error feedback: Seide et al., 2014). It
// is kept in the same form, with scales that are powers of two: so its bytes say what it is, and
// whoever goes on from them has the same bits.

/** The largest number of int8 that is used: the range is the same on both sides of 0. */
const MOST = 127

const rounded = (value: number): number => Math.max(-MOST, Math.min(MOST, Math.round(value)))

/** Bytes of a replica's parameters or change. */
export function changeBytes(compress: Compress, { parameters, rows }: Sizes): number {
  if (compress === 'none') return 4 * parameters
  if (compress === 'bfloat16') return 2 * parameters
  return parameters + 4 * rows.reduce((sum, { count }) => sum + count, 0)
}

/** Whether what rounding loses is kept for the next round. */
export const keepsResidual = (compress: Compress): boolean => compress === 'int8'

export interface Encoded {
  readonly bytes: Uint8Array
  /** [P], with error feedback: what the next change must make up for. */
  readonly residual?: Float32Array
}

/**
 * @param start parameters before the round, [P]
 * @param end behind it, [P]
 * @param residual of the last round, [P]; absent in the first one
 */
export function encode(
  compress: Compress,
  sizes: Sizes,
  start: Float32Array,
  end: Float32Array,
  residual?: Float32Array,
): Encoded {
  if (compress === 'none') return { bytes: bytesOf(end) }
  if (compress === 'bfloat16') {
    const out = new Uint16Array(sizes.parameters)
    const value = new Float32Array(1)
    const bits = new Uint32Array(value.buffer)
    for (let i = 0; i < out.length; i++) {
      value[0] = end[i] - start[i]
      // Half of the last place that stays, less one where the rest is even.
      out[i] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16
    }
    return { bytes: bytesOf(out) }
  }
  return encodeInt8(sizes, start, end, residual)
}

function encodeInt8(
  sizes: Sizes,
  start: Float32Array,
  end: Float32Array,
  before: Float32Array | undefined,
): Encoded {
  // In float32, so that what is lost is known to the bit.
  const residual = end.map((value, i) => value - start[i] + (before ? before[i] : 0))
  const bytes = toRows(sizes, residual, (largest) => Math.fround(largest / MOST), true)
  return { bytes, residual: residualOfBytes(sizes, residualToBytes(sizes, residual)) }
}

/**
 * Numbers as rows of int8 with a scale each.
 *
 * @param scaleOf the scale of a row, of its largest number
 * @param takes whether what is sent is taken away from the numbers
 */
function toRows(
  sizes: Sizes,
  values: Float32Array,
  scaleOf: (largest: number) => number,
  takes = false,
): Uint8Array {
  const scales: number[] = []
  const numbers = new Int8Array(sizes.parameters)
  let at = 0
  for (const { count, size } of sizes.rows)
    for (let row = 0; row < count; row++, at += size) {
      let largest = 0
      for (let i = at; i < at + size; i++) largest = Math.max(largest, Math.abs(values[i]))
      const scale = scaleOf(largest)
      scales.push(scale)
      if (scale === 0) continue
      for (let i = at; i < at + size; i++) {
        // A scale that was rounded down could give 128.
        numbers[i] = rounded(values[i] / scale)
        if (takes) values[i] -= scale * numbers[i]
      }
    }
  const bytes = new Uint8Array(changeBytes('int8', sizes))
  bytes.set(bytesOf(Float32Array.from(scales)))
  bytes.set(bytesOf(numbers), 4 * scales.length)
  return bytes
}

/** Bytes of what rounding lost. */
export const residualBytes = (sizes: Sizes): number => changeBytes('int8', sizes)

/** The smallest float32 above 0 is two to this. */
const LEAST_POWER = -149
/** 127 times two to this is a float32; twice as much is not. */
const MOST_POWER = 121

/** The smallest power of two of which 127 make at least so much. Exact, whatever log2 rounds. */
function powerOver(largest: number): number {
  let power = Math.ceil(Math.log2(largest / MOST))
  if (MOST * 2 ** power < largest) power++
  else if (MOST * 2 ** (power - 1) >= largest) power--
  return 2 ** Math.max(LEAST_POWER, Math.min(MOST_POWER, power))
}

/** Rounds what it is given, unless that came out of such bytes: then it gives them again. */
export const residualToBytes = (sizes: Sizes, residual: Float32Array): Uint8Array =>
  toRows(sizes, residual, (largest) => (largest === 0 ? 0 : powerOver(largest)))

/** @throws SpikewasmError for scales that are not finite; the length is the caller's concern */
export function residualOfBytes(sizes: Sizes, bytes: Uint8Array): Float32Array {
  const residual = new Float32Array(sizes.parameters)
  addInt8(sizes, bytes.slice().buffer, residual)
  return residual
}

/**
 * Adds what a replica has sent, as a change in float64.
 *
 * @param start parameters before the round, [P]
 * @param into [P]
 * @throws SpikewasmError for bytes of another length, and for what is not finite
 */
export function addChange(
  compress: Compress,
  sizes: Sizes,
  start: Float32Array,
  bytes: Uint8Array,
  into: Float64Array,
): void {
  const wanted = changeBytes(compress, sizes)
  if (bytes.length !== wanted)
    fail(`a replica's change (${compress}) must have ${wanted} bytes, got ${bytes.length}`)
  // A copy lies at a multiple of 4.
  const { buffer } = bytes.slice()
  if (compress === 'none') {
    const end = new Float32Array(buffer)
    for (let i = 0; i < end.length; i++) into[i] += finite(end[i]) - start[i]
  } else if (compress === 'bfloat16') {
    const halves = new Uint16Array(buffer)
    const bits = new Uint32Array(1)
    const value = new Float32Array(bits.buffer)
    for (let i = 0; i < halves.length; i++) {
      bits[0] = halves[i] << 16
      into[i] += finite(value[0])
    }
  } else addInt8(sizes, buffer, into)
}

function addInt8(
  { rows, parameters }: Sizes,
  buffer: ArrayBuffer,
  into: Float64Array | Float32Array,
): void {
  const scales = new Float32Array(buffer, 0, (buffer.byteLength - parameters) / 4)
  const numbers = new Int8Array(buffer, scales.byteLength)
  let [at, index] = [0, 0]
  for (const { count, size } of rows)
    for (let row = 0; row < count; row++, at += size) {
      const scale = finite(scales[index++])
      for (let i = at; i < at + size; i++) into[i] += scale * numbers[i]
    }
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value
  fail(`a replica's numbers must be finite, got ${value}`)
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

// The outer step: what becomes of the replicas' changes.

/** What a replica sends of a round. */
export interface Sent {
  /** Parameters, or their change, as `encode` gives it. */
  readonly change: Uint8Array
  /** Running statistics, float32 [S]. */
  readonly statistics: Float32Array
}

/**
 * SGD with Nesterov momentum on the mean change c of K replicas, as PyTorch's SGD does it with −c
 * for a gradient: v ← μ·v + c, w ← w + lr·(c + μ·v). The mean is added up in float64 in the order
 * of the replicas, so that its bits do not depend on who has sent first; v and w are float32. With
 * lr 1 and μ 0 the new w is the replicas' mean. Running statistics become their mean.
 *
 * @returns momentum [P] for the next step; absent without one
 * @throws SpikewasmError for what a replica cannot have sent, and when a result is not finite
 */
export function outerStep(
  { outerLr, outerMomentum, compress }: RoundsSetting,
  sizes: Sizes,
  before: Weights,
  momentum: Float32Array | undefined,
  sent: readonly Sent[],
): { readonly weights: Weights; readonly momentum?: Float32Array } {
  const change = new Float64Array(sizes.parameters)
  for (const { change: bytes } of sent) addChange(compress, sizes, before.parameters, bytes, change)
  const parameters = new Float32Array(sizes.parameters)
  const next = outerMomentum > 0 ? new Float32Array(sizes.parameters) : undefined
  for (let i = 0; i < parameters.length; i++) {
    const mean = change[i] / sent.length
    let step = mean
    if (next) {
      next[i] = outerMomentum * (momentum ? momentum[i] : 0) + mean
      step += outerMomentum * next[i]
    }
    parameters[i] = before.parameters[i] + outerLr * step
    if (!Number.isFinite(parameters[i]))
      fail(
        'the outer step of a round gives a parameter that is not finite; a lower outerLr, ' +
          'outerMomentum or learning rate helps',
      )
  }
  const weights = { parameters, statistics: meanStatistics(sizes, sent) }
  return next ? { weights, momentum: next } : { weights }
}

function meanStatistics(sizes: Sizes, sent: readonly Sent[]): Float32Array {
  const sum = new Float64Array(sizes.statistics)
  for (const { statistics } of sent) {
    if (statistics.length !== sum.length)
      fail(`a replica must send ${sum.length} running statistics, got ${statistics.length}`)
    for (let i = 0; i < sum.length; i++) sum[i] += statistics[i]
  }
  return Float32Array.from(sum, (value) => value / sent.length)
}
