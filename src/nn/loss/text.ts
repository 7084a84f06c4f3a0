/** Losses that are texts: what they say of one output, and its derivative, run in the engine. */

import { describe, fail } from '../../base/errors.js'
import { roundUp } from '../../base/numbers.js'
import { by, checkBy, complete, finite, oneOf, such } from '../../base/rules.js'
import { defineLoss } from '../../compile/loss-kind.js'
import type { Place } from '../../kernels/equations/addresses.js'
import { adjoints, Graph, Level, type Node, reachable } from '../../kernels/equations/graph.js'
import { kernel } from '../../kernels/equations/kernel.js'
import { type Kernel, KernelSet, lowerings } from '../../kernels/equations/kernel-set.js'
import { lowering } from '../../kernels/equations/lower.js'
import { isTaken, readExpression } from '../../kernels/equations/neuron.js'
import { meanSquaredError } from '../../kernels/records/loss.js'
import {
  checkOwn,
  expectOf,
  numberRules,
  numberTargets,
  optional,
  targetFields,
  withoutNaN,
} from './targets.js'

declare module '../../network/optimizer.js' {
  interface Losses {
    customText: TextLoss
  }
}

type TextTargets = 'labels' | 'values' | 'steps'

/** Options of `custom` for a text; each has a default. */
export interface TextLossOptions<T extends TextTargets = TextTargets> {
  /**
   * 'mean': `y` is the mean over time of an output. 'steps': it is that of each step, of which the
   * loss is the mean; methods bptt, ottt, sltt and os have it. Default: with targets 'steps' each
   * step's; else the mean, in online methods each step's as with built-in losses.
   */
  of?: 'mean' | 'steps'
  /**
   * 'labels', the default: `target` is 1 for the label's class and 0 for the others. 'values': the
   * data give a number for each output. 'steps': a number for each output at each time step,
   * [N][T][outputs].
   */
  targets?: T
  /**
   * With targets 'values' and 'steps': targets that are this number, or NaN, have no loss and no
   * gradient; the mean is over the others. Where none is left the loss is 0. Default: all count.
   */
  ignore?: number | 'NaN'
  /** Finite numbers by the names that the text has for them. Default: none. */
  parameters?: Readonly<Record<string, number>>
}

/** What `custom` makes of a text. */
export interface TextLoss<T extends TextTargets = TextTargets>
  extends Readonly<Required<Omit<TextLossOptions<T>, 'of' | 'ignore'>>>,
    Readonly<Pick<TextLossOptions, 'of' | 'ignore'>> {
  /** Which loss it is. */
  readonly kind: 'customText'
  /** The loss of one output. */
  readonly text: string
}

const WHAT = 'custom'

/** Names that every text may read. */
const given = ['y', 'target', 'T']

function checkParameters(name: string, parameters: Readonly<Record<string, number>>): void {
  if (!(typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)))
    fail(`${name} must be an object of numbers by name, got ${describe(parameters)}`)
  for (const [key, value] of Object.entries(parameters)) {
    if (isTaken(key) || given.includes(key))
      fail(`${name}: ${key} has a meaning of its own; give the parameter another name`)
    checkBy(`${name}.${key}`, finite(), value)
  }
}

type Said = Pick<TextLoss, 'text' | 'parameters'>

/** The loss of an output y, and its derivative by it. @param numberOf T, and each parameter */
function nodesOf({ text, parameters }: Said, g: Graph, numberOf: (name: string) => Node) {
  const own = Object.keys(parameters)
  const numbers = ['T', ...own].map((name) => [name, numberOf(name)] as const)
  const [y, target] = ['y', 'target'].map((name) => g.leaf(name, Level.Neuron))
  const { run } = readExpression({ what: WHAT, text }, [...given, ...own])
  const loss = run(g, new Map([['y', y], ['target', target], ...numbers]))
  const slope = adjoints(g, () => g.constant(0), [[loss, g.constant(1)]], new Set())(y)
  return { loss, slope, numbers }
}

/** @throws SpikewasmError for a mistake in the text, and for what has no use */
function checkText({ text, parameters }: Said): void {
  const g = new Graph(WHAT)
  const of = nodesOf({ text, parameters }, g, (name) => g.leaf(name, Level.Neuron))
  if (!of.slope)
    fail(`${WHAT}: the text must have a derivative by y, the output, got ${describe(text)}`)
  const read = reachable([of.loss])
  for (const [name, node] of of.numbers)
    if (name !== 'T' && !read.includes(node))
      fail(`${WHAT}: the loss does not depend on the parameter ${name}; leave it out`)
}

/** What the function goes through together. */
const FLOATS = 8
/** A flag is less than these: there is one turn. */
const scalar = meanSquaredError.schema.instantaneous
const row = { word: scalar.word, kept: true, pixel: { rows: 4 } }

/** (record, 0, 1, 0, scratch): of eight outputs and targets it leaves losses and derivatives. */
function functionOf(said: Said, timeSteps: number): Kernel {
  const g = new Graph(WHAT)
  const numbers = new Map(Object.entries({ ...said.parameters, T: timeSteps }))
  const { loss, slope = g.constant(0) } = nodesOf(said, g, (name) =>
    g.constant(numbers.get(name) as number),
  )
  const place = (index: number): Place => ({ tensor: row, step: 0, row: index })
  const outputs = [loss, slope].map(
    (node, i) => ({ kind: 'store', to: place(2 + i), node }) as const,
  )
  return {
    func: kernel({
      width: 2,
      places: new Map([
        ['y', place(0)],
        ['target', place(1)],
      ]),
      lower: lowering(g, lowerings),
      words: { pixels: 0, realChannels: 0, imagePixels: 0, channels: scalar.word },
      sections: [{ times: 1, steps: 1, from: 0, outputs, carry: [] }],
    }),
  }
}

const rules = {
  text: such<string>('a text', (text) => typeof text === 'string'),
  of: optional(oneOf<'mean' | 'steps'>(['mean', 'steps'])),
  ...numberRules(),
  parameters: by<TextLoss['parameters']>(checkParameters, {}),
}

const make = defineLoss<TextLoss, Omit<TextLoss, 'kind'>>('customText', {
  options: rules,
  check(all) {
    checkText(all)
    expectOf(WHAT, all, all, ['ignore'], ['values', 'steps'])
    if (all.of === 'mean') expectOf(WHAT, all, all, ['of'], ['labels', 'values'])
  },
  ...numberTargets,
  ofSteps: ({ of, targets }) => of === 'steps' || targets === 'steps',
  checkPlan: checkOwn,
  emit(b, loss, fields, numbers) {
    const { text, parameters } = loss
    const { totalSteps } = fields
    const key = JSON.stringify([WHAT, text, totalSteps, parameters])
    b.kernels ??= new KernelSet()
    const { place } = b.kernels.take(key, () => functionOf(loss, totalSteps))
    const { outputScale, instantaneous, allSteps } = numbers
    b.emit(meanSquaredError, 1, {
      ...fields,
      ...{ outputScale, instantaneous, allSteps },
      values: loss.targets !== 'labels',
      ...targetFields(loss, fields, numbers),
      kernel: place,
      terms: b.buffer('terms of the loss', 16 * roundUp(fields.classes, FLOATS)),
    })
  },
})

/** `custom` of a text. */
export const customText = (text: string, options: TextLossOptions, more: []): TextLoss =>
  make(complete(WHAT, rules, { ...withoutNaN(options), text }, more))
