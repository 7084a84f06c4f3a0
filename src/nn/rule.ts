/** Optimizers of the user's own: the step of a parameter as a text, in the language of neurons. */

import { checkOptions, describe, fail } from '../base/errors.js'
import { by, finite, range, such } from '../base/rules.js'
import { emitText, MOST_NUMBERS, numbersOfTexts } from '../compile/emit/update.js'
import { defineOptimizer, type OptimizerOptions } from '../compile/optimizer-kind.js'
import { Evaluator, functions as known } from '../kernels/equations/evaluate.js'
import { Graph, Level, type Node } from '../kernels/equations/graph.js'
import { lowerings } from '../kernels/equations/kernel-set.js'
import { EquationError, namesIn, parse, type Source } from '../kernels/equations/parse.js'
import { type Run, statesOf } from '../kernels/equations/step.js'
import { MOST_STATES } from '../kernels/records/optimizer.js'
import { decays, type ParameterGroup } from '../network/optimizer.js'
import { rate } from '../network/schedule.js'

declare module '../compile/optimizer-kind.js' {
  interface Optimizers {
    rule: RuleOptimizer
  }
}

/** Options of `rule`: those of all optimizers, and numbers by the names that the text has. */
export interface RuleOptions extends OptimizerOptions {
  /** A number of the text's own, which is finite in float32; 7 at most. */
  readonly [number: string]: number | string | readonly ParameterGroup[] | undefined
}

/** What `rule` makes: its options, completed. */
export interface RuleOptimizer extends Readonly<Required<OptimizerOptions>> {
  /** Tells it from other optimizers. */
  readonly kind: 'rule'
  /** The lines of a step. */
  readonly text: string
  /** Numbers of the text's own, by name. */
  readonly numbers: Readonly<Record<string, number>>
}

/** Names that no number and no state may have. */
const taken = ['p', 'g', ...numbersOfTexts, ...Object.keys(known), 'pi', 'spike']
/** What training keeps beside states. */
const buffers = ['average', 'accumulated']

/** Numbers that a text may read. */
const givenTo = (numbers: readonly string[]): readonly string[] => [
  ...numbersOfTexts.filter(
    (name) =>
      numbers.includes(name.replace('correction', 'beta')) || !name.startsWith('correction'),
  ),
  ...numbers,
]

/**
 * @param numbers names of its own
 * @throws EquationError for mistakes, with line, column and a caret
 */
function readRule(text: string, numbers: readonly string[]) {
  const source: Source = { what: 'rule', text }
  const lines = parse(source)
  const given = givenTo(numbers)
  for (const { name, at, isRate } of lines) {
    if (name === undefined || isRate)
      throw new EquationError(source, at, 'a line must be name = expression')
    if (given.includes(name))
      throw new EquationError(source, at, `${name} is a number, which no line assigns`)
    if (buffers.includes(name) || (taken.includes(name) && !['p', 'g'].includes(name)))
      throw new EquationError(source, at, `${name} has a meaning of its own; take another name`)
  }
  if (!lines.some(({ name }) => name === 'p'))
    fail('rule: a line p = … is missing, which gives the parameter anew, as in p = p - lr*g')
  const reads = lines.map(({ name = '', tree }) => [name, [...namesIn(tree).keys()]] as const)
  const states = statesOf(reads).states.filter((name) => name !== 'p' && name !== 'g')
  if (states.length > MOST_STATES)
    fail(
      `rule: there must be at most ${MOST_STATES} states, names that a line reads before one ` +
        `assigns them, got ${states.join(', ')}`,
    )
  const run: Run = (g, names) => {
    const evaluator = new Evaluator(g, source, names)
    return lines.map((line) => evaluator.run(line)).at(-1) as Node
  }
  const g = new Graph(source.what)
  run(g, new Map(['p', 'g', ...given, ...states].map((name) => [name, g.leaf(name, Level.Neuron)])))
  return { text, numbers, states, run, functions: lowerings, read: reads.flatMap(([, of]) => of) }
}

const isNumber = (key: string): boolean =>
  /^[\p{L}_][\p{L}\p{N}_]*$/u.test(key) && !taken.includes(key)

/** @throws SpikewasmError for what is no object of options, and of numbers by names of their own */
function checkNames(options: object): void {
  const known = ['lr', 'weightDecay', 'decay', 'groups']
  checkOptions('rule', options, [...known, ...Object.keys(Object(options)).filter(isNumber)])
}

/** @throws SpikewasmError for a number that is none, and for too many */
function checkNumbers(_: string, numbers: RuleOptimizer['numbers']): void {
  checkNames(numbers)
  const all = Object.entries(numbers)
  if (all.length > MOST_NUMBERS)
    fail(
      `rule must have at most ${MOST_NUMBERS} numbers of its own, got ` +
        `${all.map(([key]) => key).join(', ')}; write the others into the text`,
    )
  for (const [key, value] of all) {
    const rule = /^beta[12]$/.test(key) ? range('0…1 (1 excluded)') : finite()
    if (!rule.fits(value))
      fail(
        `rule.${key} must be ${rule.words.replace(/^in/, 'a number in')}, got ${describe(value)}`,
      )
  }
}

const namesOf = ({ numbers }: Pick<RuleOptimizer, 'numbers'>) => Object.keys(numbers).sort()

const make = defineOptimizer<RuleOptimizer, Omit<RuleOptimizer, 'kind'>>('rule', {
  options: {
    text: such('a text, as in "p = p - lr*g"', (text) => typeof text === 'string'),
    numbers: by(checkNumbers, {}),
    lr: rate(0.01),
    weightDecay: rate(0),
    ...decays(),
  },
  check({ text, numbers, weightDecay, groups }) {
    const names = Object.keys(numbers)
    const { read } = readRule(text, names)
    const decaying = weightDecay > 0 || groups.some((group) => (group.weightDecay ?? 0) > 0)
    for (const name of ['lr', ...(decaying ? ['decay'] : []), ...names])
      if (!read.includes(name))
        fail(
          `rule: no line reads ${name}` +
            (name === 'lr'
              ? ', the learning rate, by which schedules and groups act'
              : name === 'decay'
                ? ', the weight decay; leave weightDecay out, or write g = g + decay*p'
                : '; leave it out'),
        )
  },
  states: [],
  emit: () => undefined,
  own: {
    // What numbers are needs no other plan.
    ruleOf: (optimizer: RuleOptimizer) => JSON.stringify([optimizer.text, namesOf(optimizer)]),
    numbersOf: ({ numbers }: RuleOptimizer) =>
      Object.fromEntries(namesOf({ numbers }).map((name) => [name, numbers[name]])),
    read(rule) {
      const [text, numbers] = JSON.parse(rule) as [string, string[]]
      const { states, ...step } = readRule(text, numbers)
      return { states, emit: emitText({ ...step, states, rule, movesZeros: true }) }
    },
  },
})

/**
 * An optimizer of one's own: `text` gives the step of a parameter, one line `name = expression`
 * below the other or parted by `;`, in the language of neurons. `p` is the parameter, which a line
 * must give anew, and `g` its gradient; `lr`, `decay` (the weight decay) and `step` (1, 2, …) are
 * numbers; so are the options that have other names than those of all optimizers. A name that a
 * line reads before one assigns it is a state: an array like the parameter, 0 at first, which
 * checkpoints keep by its name. Where a parameter, its gradient and its states are all 0 it stays
 * 0. With numbers `beta1` and `beta2`, `correction1` and `correction2` are 1/(1 − beta1ⁿ) and
 * 1/(1 − beta2ⁿ) at step n, computed in float64; all else is float32.
 *
 *     rule('m = beta*m + g; p = p - lr*m', { beta: 0.9, lr: 0.1 })
 *
 * Default: `lr` 0.01, no weight decay. Where a value would not be finite, a parameter and its
 * states stay as they are, and the step ends in an error.
 *
 * @throws SpikewasmError for a mistake in the text, with its place; for more than 8 states; for a
 *   number that no line reads, and for an option that is out of range
 */
export function rule(text: string, options: RuleOptions = {}, ...more: []): RuleOptimizer {
  checkNames(options)
  const { lr, weightDecay, decay, groups, ...numbers } = options
  return make({ text, numbers, lr, weightDecay, decay, groups } as RuleOptimizer, ...more)
}
