/** Steps of optimizers whose rules are texts: a function of the plan's table for each rule. */

import { StepGroup, StepNumbers } from '../../assembly/opcodes.js'
import type { Tensor } from '../equations/addresses.js'
import { Graph, Level } from '../equations/graph.js'
import { kernel } from '../equations/kernel.js'
import { type Kernel, KernelSet } from '../equations/kernel-set.js'
import { own } from '../equations/layer.js'
import { lowering } from '../equations/lower.js'
import { written } from '../equations/written.js'
import { type EmitStep, kindOfRule, numbersOf } from '../optimizer/kind.js'
import { ruleStep } from './records/optimizer.js'
import { emitThrough } from './update.js'

/** Floats that a function goes through together. */
const ROW = 16
/** Words for states that the record has. */
const MOST_STATES = 4

type Word = keyof typeof ruleStep.schema
const wordOf = (name: Word): number => ruleStep.schema[name].word
const stateName = (i: number): Word => `state${i}` as Word

/** Bytes behind the address of a record's word where a number is. */
type Numbers = readonly (readonly [name: string, word: 'group' | 'numbers', at: number])[]

const numbersOfRule = (rule: string): Numbers => [
  ['lr', 'group', StepGroup.Rate],
  ['decay', 'group', StepGroup.Decay],
  ['correction1', 'numbers', StepNumbers.SingleCorrection1],
  ['correction2', 'numbers', StepNumbers.SingleCorrection2],
  ...Object.keys(numbersOf(kindOfRule(rule).make({}))).map(
    (name, i) => [name, 'group', StepGroup.Own + 4 * i] as const,
  ),
]

/** What the reader of the package's own texts would take for something else. */
function checkText(rule: string, update: string, names: readonly string[]): void {
  const set = [...update.matchAll(/^\s*(\w+)\s*=/gm)].map(([, name]) => name)
  const used = [...update.matchAll(/\b[a-z_]\w*\b(?!\()/gi)].map(([name]) => name)
  const odd = used.find((name) => !names.includes(name) && !set.includes(name))
  if (odd || !set.includes('p'))
    throw new Error(
      `the step of ${rule} must give p from ${names.join(', ')}, got ${odd ?? 'no p'}: ${update}`,
    )
}

/** Where a new value is not finite, all of a parameter's stay as they are, and it is counted. */
function functionOf(rule: string, update: string, states: readonly string[]): Kernel {
  const g = new Graph(rule)
  const places = new Map<string, { tensor: Tensor; step: number; row?: number }>()
  if (states.length > MOST_STATES)
    throw new Error(`${rule} must have at most ${MOST_STATES} states, got ${states.join(', ')}`)
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
  for (const [name, word, at] of numbersOfRule(rule)) {
    places.set(name, { tensor: { word: wordOf(word) }, step: 0, row: at / 4 })
    names.set(name, g.leaf(name, Level.Layer))
  }
  checkText(rule, update, [...names.keys()])
  const before = arrays.map(([name]) => names.get(name)!)
  written(update).run(g, names)
  const after = arrays.map(([name]) => names.get(name)!)
  // x·0 is 0 only for finite x.
  const zero = g.constant(0)
  const zeros = after.map((node) => g.make('mul', [node, zero]))
  const good = g.make('eq', [zeros.reduce((sum, node) => g.add(sum, node)), zero])
  const stores = arrays.map(([name], i) => {
    const node = g.where(good, after[i], before[i])
    return { kind: 'store', to: places.get(name)!, node } as const
  })
  const outputs = [...stores, { kind: 'count', masks: [g.not(good)] } as const]
  const none = { pixels: 0, realChannels: 0, imagePixels: 0 }
  return {
    func: kernel({
      ...{ name: rule, width: 2, padded: false, places, lower: lowering(g), common: [], start: [] },
      words: { ...none, channels: wordOf('channels') },
      sections: [{ times: 1, steps: 1, from: 0, outputs, carry: [] }],
    }),
  }
}

/**
 * A step in the language of neurons: lines that assign the parameter `p` and the states anew. `g`
 * is the gradient, `lr` the learning rate, `decay` the weight decay; other names are options,
 * `beta1` and `beta2` those of `betas`. `correction1` and `correction2` are 1/(1 − β₁ⁿ) and
 * 1/(1 − β₂ⁿ) at step n.
 */
export const byText =
  (update: string): EmitStep =>
  (b, { otherDecay: _, ...fields }, states, { rule, states: names }) => {
    b.kernels ??= new KernelSet()
    const { place } = b.kernels.take(`${rule}\n${update}`, () => functionOf(rule, update, names))
    const kept = Object.fromEntries(states.map((state, i) => [stateName(i), state]))
    emitThrough(ruleStep)(b, { ...fields, ...kept, kernel: place, channels: ROW })
  }
