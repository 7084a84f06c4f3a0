/** The optimizer's records. */

import { StepNumbers } from '../../assembly/opcodes.js'
import { kindOfRule } from '../optimizer/kind.js'
import { budgets } from './budgets.js'
import type { Parameter } from './context.js'
import type { ProgramBuilder } from './program.js'
import { adam, blend, clear, clipFinish, sgd, squaredNorm, stepStart } from './records/optimizer.js'
import type { Fields, Place, RecordKind, Schema } from './records/schema.js'
import { groupOffset, type TrainingBuffers, type TrainingSpec } from './training.js'
import { type Buffer, type Reference, ref } from './words.js'

const unitsOf = (count: number): number => Math.ceil(count / budgets.updateFloats)

/** Emits a record that goes through `count` floats, a multiple of 16. */
export const emitThrough =
  <S extends Schema>(kind: RecordKind<S>) =>
  (b: ProgramBuilder, fields: Omit<Fields<S>, 'perUnit'> & { readonly count: number }): void => {
    const all = { ...fields, perUnit: budgets.updateFloats }
    b.emit(kind, unitsOf(fields.count), all as unknown as Fields<S>)
  }

/** A step of SGD. `group`: where its numbers lie; default: the control block. */
export const emitSgd = emitThrough(sgd)

/** A step of Adam or AdamW. */
export const emitAdam = emitThrough(adam)

const emitSquares = emitThrough(squaredNorm)

/** out = keep·out + factor·in. */
const emitBlend = emitThrough(blend)

/**
 * The parameters that take steps, in as few ranges as there can be, in floats: they lie side by
 * side and take a step by the same numbers. `group`: 0 of those that no group names, else 1 + the
 * group's index; weights of convolutions and linear layers are those that decay.
 *
 * @param end floats of all of them
 */
export function updateRanges(
  parameters: readonly Parameter[],
  { groups, frozen }: Pick<TrainingSpec, 'groups' | 'frozen'>,
  end: number,
) {
  const stay = new Set(frozen)
  const sets = groups.map((names) => new Set(names))
  const sorted = [...parameters].sort((a, b) => a.offset - b.offset)
  const ranges: { from: number; count: number; group: number; decays: boolean }[] = []
  let adjacent = false
  for (const [i, { name, decays, offset }] of sorted.entries()) {
    const next = i + 1 < sorted.length ? sorted[i + 1].offset / 4 : end
    const from = offset / 4
    const group = 1 + sets.findIndex((names) => names.has(name))
    const last = ranges.at(-1)
    if (stay.has(name)) adjacent = false
    else if (adjacent && last?.group === group && last.decays === decays)
      ranges[ranges.length - 1] = { ...last, count: next - last.from }
    else {
      ranges.push({ from, count: next - from, group, decays })
      adjacent = true
    }
  }
  return ranges
}

/** What an update's records read and write, and what they are. */
export interface Update {
  readonly spec: TrainingSpec
  readonly buffers: TrainingBuffers & { readonly parameters: Buffer }
  readonly ranges: Readonly<ReturnType<typeof updateRanges>>
  /** Of all parameters. */
  readonly floats: number
}

/** Clips the gradients, makes the optimizer's step, and takes it into the moving average. */
export function emitUpdate(b: ProgramBuilder, update: Update): void {
  const { spec, buffers, ranges, floats } = update
  const { parameters, gradients, states } = buffers
  const numbers = buffers.numbers as Buffer
  if (ranges.length === 0) return
  const parts = ranges.map(({ from, count }) => ({ values: ref(gradients, from * 4), count }))
  if (spec.clip) emitClip(b, parts, numbers)
  if (spec.rule !== 'sgd' || spec.average) emitStepStart(b, numbers, groupOffset(0, true))
  const isPlain = spec.rule === 'sgd' && spec.groups.length === 0
  const kind = kindOfRule(spec.rule)
  for (const { from, count, group, decays } of ranges) {
    const at = (buffer: Buffer): Reference => ref(buffer, from * 4)
    const shared = { parameters: at(parameters), gradients: at(gradients), count }
    const own = isPlain ? undefined : ref(numbers, groupOffset(group, decays))
    const places = { numbers, group: own as Reference }
    const kept = kind.states.map((name) => at(states[name]))
    kind.emit(b, { ...shared, otherDecay: !decays, ...places }, kept, kind)
  }
  if (spec.average) emitAverage(b, states.average, parameters, floats, numbers)
}

/** accumulated = accumulated + gradients; of the first batch, gradients alone. */
export function emitAccumulate(b: ProgramBuilder, { buffers, ranges }: Update): void {
  const { gradients, states } = buffers
  const numbers = buffers.numbers as Buffer
  const factor = ref(numbers, StepNumbers.One)
  const by = { factor, keep: ref(numbers, StepNumbers.AccumulateKeep) }
  for (const { from, count } of ranges) {
    const out = ref(states.accumulated, from * 4)
    emitBlend(b, { out, in: ref(gradients, from * 4), count, ...by })
  }
}

/** gradients = the mean of what has been accumulated, and the step with them. */
export function emitMeanUpdate(b: ProgramBuilder, update: Update): void {
  const { gradients, states, numbers } = update.buffers
  const factor = ref(numbers as Buffer, StepNumbers.AccumulateShare)
  for (const { from, count } of update.ranges) {
    const mean = ref(gradients, from * 4)
    emitBlend(b, { out: mean, in: ref(states.accumulated, from * 4), count, factor })
  }
  emitUpdate(b, update)
}

/** Begins a step: its powers of betas, and how the moving average takes it. */
export function emitStepStart(b: ProgramBuilder, numbers: Buffer, groupAt: number): void {
  b.emit(stepStart, 1, { numbers, group: ref(numbers, groupAt) })
}

/** Scales values, a multiple of 16 each, so that the norm of all is at most that of `numbers`. */
export function emitClip(
  b: ProgramBuilder,
  parts: readonly { readonly values: Reference; readonly count: number }[],
  numbers: Buffer,
): void {
  const units = parts.reduce((sum, { count }) => sum + unitsOf(count), 0)
  const partial = b.buffer('squares of gradients', units * 8)
  let unit = 0
  for (const { values, count } of parts) {
    const place = { partial: ref(partial, unit * 8), in: values }
    emitSquares(b, { ...place, count })
    unit += unitsOf(count)
  }
  b.emit(clipFinish, 1, { numbers, partial, count: units })
  const factor = ref(numbers, StepNumbers.Coefficient)
  for (const { values, count } of parts) emitBlend(b, { out: values, in: values, count, factor })
}

/** The moving average takes `parameters`; `count` floats, a multiple of 16. */
export function emitAverage(
  b: ProgramBuilder,
  average: Place,
  parameters: Place,
  count: number,
  numbers: Buffer,
): void {
  const [factor, keep] = [StepNumbers.AverageShare, StepNumbers.AverageKeep]
  const by = { factor: ref(numbers, factor), keep: ref(numbers, keep) }
  emitBlend(b, { out: average, in: parameters, count, ...by })
}

/** Zeros; `floats`: a multiple of 4. */
export function emitClear(b: ProgramBuilder, out: Place, floats: number): void {
  b.emit(clear, unitsOf(floats), { out, floats, perUnit: budgets.updateFloats })
}
