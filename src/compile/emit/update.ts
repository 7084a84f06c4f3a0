/** The optimizer's records. */

import { StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import type { Tensor } from '../../kernels/equations/addresses.js'
import { Graph, Level, type Node } from '../../kernels/equations/graph.js'
import { kernel } from '../../kernels/equations/kernel.js'
import { type Kernel, KernelSet } from '../../kernels/equations/kernel-set.js'
import { own } from '../../kernels/equations/layer.js'
import { type Lowerings, lowering } from '../../kernels/equations/lower.js'
import type { Written } from '../../kernels/equations/step.js'
import { written } from '../../kernels/equations/written.js'
import * as records from '../../kernels/records/optimizer.js'
import type { Fields, Place, RecordKind, Schema } from '../../kernels/records/schema.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import type { Parameter } from '../context.js'
import { type EmitStep, kindOfRule, numbersOf } from '../optimizer-kind.js'
import type { ProgramBuilder } from '../program.js'
import { groupOffset, type TrainingBuffers, type TrainingSpec } from '../training.js'

const unitsOf = (count: number): number => Math.ceil(count / budgets.updateFloats)

/** Emits a record that goes through `count` floats, a multiple of 16. */
export const emitThrough =
  <S extends Schema>(kind: RecordKind<S>) =>
  (b: ProgramBuilder, fields: Omit<Fields<S>, 'perUnit'> & { readonly count: number }): void => {
    const all = { ...fields, perUnit: budgets.updateFloats }
    b.emit(kind, unitsOf(fields.count), all as unknown as Fields<S>)
  }

/** A step of SGD. `group`: where its numbers lie; default: the control block. */
export const emitSgd = emitThrough(records.sgd)

/** A step of Adam or AdamW. */
export const emitAdam = emitThrough(records.adam)

const emitSquares = emitThrough(records.squaredNorm)

/** out = keep·out + factor·in. */
const emitBlend = emitThrough(records.blend)

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
  /** Floats of all parameters. */
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
  b.emit(records.stepStart, 1, { numbers, group: ref(numbers, groupAt) })
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
  b.emit(records.clipFinish, 1, { numbers, partial, count: units })
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
  b.emit(records.clear, unitsOf(floats), { out, floats, perUnit: budgets.updateFloats })
}

// Steps of optimizers whose rules are texts: a function of the plan's table for each rule.

/** Floats that a function goes through together. */
const ROW = 16

type Word = keyof typeof records.ruleStep.schema
const wordOf = (name: Word): number => records.ruleStep.schema[name].word
const stateName = (i: number): Word => `state${i}` as Word

/** Numbers that all texts may read: a record's word, and bytes behind the address in it. */
const numbers = {
  lr: ['group', StepGroup.Rate],
  decay: ['group', StepGroup.Decay],
  step: ['numbers', StepNumbers.Steps],
  correction1: ['numbers', StepNumbers.SingleCorrection1],
  correction2: ['numbers', StepNumbers.SingleCorrection2],
} as const

/** Names of the numbers that all texts may read. */
export const numbersOfTexts = Object.keys(numbers)

/** Numbers of its own that a rule may have. */
export const MOST_NUMBERS = (StepGroup.Bytes - StepGroup.Own) / 4

/** A step that is a text: lines that assign the parameter `p` and the states anew. */
export interface TextStep extends Written {
  /** What tells it from others. */
  readonly rule: string
  readonly states: readonly string[]
  /** Its own, in order. */
  readonly numbers: readonly string[]
  /** Functions that its lines may call beside exp and what is one instruction. */
  readonly functions?: Lowerings
  /** Whether it might move zeros, as padding is: where all that it reads is 0 they stay. */
  readonly movesZeros?: boolean
}

/** Where a new value is not finite, all of a parameter's stay as they are, and it is counted. */
function functionOf(step: TextStep): Kernel {
  const { rule, states, numbers: owned, functions, movesZeros, run } = step
  const g = new Graph(rule)
  const places = new Map<string, { tensor: Tensor; step: number; row?: number }>()
  const arrays: readonly (readonly [name: string, word: Word])[] = [
    ['p', 'parameters'],
    ...states.map((name, i) => [name, stateName(i)] as const),
  ]
  const names = new Map(
    [...arrays, ['g', 'gradients'] as const].map(([name, word]) => {
      places.set(name, { tensor: own(wordOf(word)), step: 0 })
      return [name, g.leaf(name, Level.Neuron)]
    }),
  )
  const ofRule = owned.map((name, i) => [name, ['group', StepGroup.Own + 4 * i]] as const)
  for (const [name, [word, at]] of [...Object.entries(numbers), ...ofRule]) {
    places.set(name, { tensor: { word: wordOf(word) }, step: 0, row: at / 4 })
    names.set(name, g.leaf(name, Level.Layer))
  }
  const read = [...arrays, ['g']].map(([name]) => names.get(name)!)
  run(g, names)
  const after = arrays.map(([name]) => g.number(names.get(name)!))
  // x·0 is 0 only for finite x.
  const zero = g.constant(0)
  const zeros = after.map((node) => g.make('mul', [node, zero]))
  const good = g.make('eq', [zeros.reduce((sum, node) => g.add(sum, node)), zero])
  const moves = read
    .map((node) => g.make('ne', [node, zero]))
    .reduce((a, b) => g.make('or', [a, b]))
  const both = (a: Node): Node => (movesZeros ? g.make('and', [a, moves]) : a)
  const stores = arrays.map(([name], i) => {
    const node = g.where(both(good), after[i], read[i])
    return { kind: 'store', to: places.get(name)!, node } as const
  })
  const outputs = [...stores, { kind: 'count', masks: [both(g.not(good))] } as const]
  const none = { pixels: 0, realChannels: 0, imagePixels: 0 }
  return {
    func: kernel({
      width: 2,
      places,
      lower: lowering(g, functions),
      words: { ...none, channels: wordOf('channels') },
      sections: [{ times: 1, steps: 1, from: 0, outputs, carry: [] }],
    }),
  }
}

/** Emits a step that is a text. */
export const emitText =
  (step: TextStep): EmitStep =>
  (b, { otherDecay: _, ...fields }, states) => {
    b.kernels ??= new KernelSet()
    const { place } = b.kernels.take(`${step.rule}\n${step.text}`, () => functionOf(step))
    const kept = Object.fromEntries(states.map((state, i) => [stateName(i), state]))
    emitThrough(records.ruleStep)(b, { ...fields, ...kept, kernel: place, channels: ROW })
  }

/**
 * A step of the package's own in the language of neurons. `g` is the gradient, `lr` the learning
 * rate, `decay` the weight decay, `step` its number n from 1 on; other names are options, `beta1`
 * and `beta2` those of `betas`. `correction1` and `correction2` are 1/(1 − β₁ⁿ) and 1/(1 − β₂ⁿ).
 */
export const byText =
  (update: string): EmitStep =>
  (b, fields, states, kind) => {
    const numbers = Object.keys(numbersOf(kind.make({})))
    emitText({ ...written(update), ...kind, numbers })(b, fields, states, kind)
  }
