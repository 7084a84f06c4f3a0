/** Neurons from equations of the user's own. */

import {
  checkArguments,
  checkInteger,
  checkOptions,
  describe,
  fail,
  listNames,
} from '../../base/errors.js'
import { checkBy, oneOf, such } from '../../base/rules.js'
import { defineLayer } from '../../compile/pass.js'
import type { Graph } from '../../kernels/equations/graph.js'
import { remember } from '../../kernels/equations/kernel-set.js'
import {
  isLate,
  leakOf,
  readNeuron,
  readSurrogate,
  type TextEquations,
} from '../../kernels/equations/neuron.js'
import { EquationError, type Line, type Source } from '../../kernels/equations/parse.js'
import type { Range } from '../../kernels/equations/step.js'
import type { Recurrence } from '../../network/cell.js'
import { layerOf, type NeuronModel, type OfKind } from '../../network/kind.js'
import { checkSurrogate, isSurrogate, surrogateTexts, textOf } from '../../network/surrogates.js'
import {
  checkLearn,
  checkNumbers,
  finite,
  type PerNeuron,
  type Values,
} from '../../network/value.js'
import { neuronKind } from './neuron-kind.js'

/** Options of `neuron`; each has a default. */
export interface EquationOptions {
  /**
   * What stands in for the derivative of a spike in the backward pass: a name as `lif` takes it, or
   * a text of `x`, potential minus threshold, and `alpha`. Default 'sigmoid'.
   */
  surrogate?: string
  /** Sharpness α of the surrogate, > 0; defaults as those of `lif`, of a text 1. */
  alpha?: number
  /** Names of parameters that are learnt. */
  learn?: readonly string[]
  /** States before the first step, or names of parameters that say them; default 0. */
  init?: Readonly<Record<string, number | string>>
  /** Length of a time step, > 0, for lines dv/dt = …; default 1. */
  dt?: number
  /** How lines dv/dt = … move v: 'exponentialEuler' exactly where linear in v. Default 'euler'. */
  solver?: 'euler' | 'exponentialEuler'
  /** Seed of what rand() and randn() draw, 0…2³² − 1; default 0. */
  seed?: number
}

/** What `neuron` and `elementwise` make. */
export interface Equations extends OfKind<'equations'>, Readonly<Required<EquationOptions>> {
  /** What a time step does, line by line. */
  readonly text: string
  /** Numbers by the names that the text has for them. */
  readonly parameters: Readonly<Record<string, Values>>
  /** Its own spikes as an input, or null. */
  readonly recurrence: Recurrence | null
}

export const equationOptions = [
  'surrogate',
  'alpha',
  'learn',
  'init',
  'dt',
  'solver',
  'seed',
] as const

/** A layer's kind asks for its text several times. */
const known = new Map<string, TextEquations>()
const MOST_KNOWN = 64

/** The text of a layer, read. */
export function equationsOf({ text, parameters, init, dt, solver }: Equations): TextEquations {
  const names = Object.keys(parameters)
  const key = JSON.stringify([text, names, init, dt, solver])
  const make = (): TextEquations =>
    readNeuron({ what: 'neuron', text }, names, { init, dt, solver })
  return known.get(key) ?? remember(known, key, make(), MOST_KNOWN)
}

/** Whether it is an activation: a number of each step alone. */
function isElementwise(layer: Equations): boolean {
  const { output, states } = equationsOf(layer)
  return output === 'output' && states.length === 0
}

const inRange = (value: number, { least, most, withLeast, withMost }: Range): boolean =>
  (withLeast ? value >= least : value > least) && (withMost ? value <= most : value < most)

function checkParameters(what: string, given: unknown): Readonly<Record<string, Values>> {
  if (!(typeof given === 'object' && given !== null && !Array.isArray(given)))
    fail(`${what}'s parameters must be an object of numbers by name, got ${describe(given)}`)
  const names = Object.keys(given)
  for (const name of names)
    if (!/^[\p{L}_][\p{L}\p{N}_]{0,49}$/u.test(name))
      fail(`a parameter of ${what} must have a name of letters and digits, got ${describe(name)}`)
  return Object.fromEntries(
    names.map((name) => [
      name,
      checkNumbers(`${what}.${name}`, (given as Record<string, unknown>)[name], 'finite', finite),
    ]),
  )
}

/** Reads a text, and checks parameters and options that any has. `lines`: of the text. */
export function readEquations(
  source: Source,
  parameters: unknown,
  { learn = [], init = {}, dt = 1, solver = 'euler', seed = 0 }: EquationOptions,
  lines?: readonly Line[],
) {
  const { what } = source
  checkInteger(`${what}.seed`, seed, 0, 2 ** 32 - 1)
  const values = checkParameters(what, parameters)
  const names = Object.keys(values)
  const equations = readNeuron(source, names, { dt, solver, init }, lines)
  for (const [name, range] of equations.ranges)
    for (const value of [values[name]].flat())
      if (!inRange(value, range)) {
        const problem = `${name} is out of the range that this line says, got ${value}`
        const isLow = value < range.least || (value === range.least && !range.withLeast)
        throw new EquationError(source, isLow ? range.leastAt : range.mostAt, problem)
      }
  const learnt = checkLearn(`${what}.learn`, learn, names)
  const stored = learnt.map((name) => storedName(name, equations.ranges.get(name)))
  const twice = stored.find((name, i) => stored.indexOf(name) < i)
  const problem = `${what}.${twice} is what a learnt parameter is stored as; give it another name`
  if (twice !== undefined) fail(problem)
  const fields = { parameters: values, learn: learnt, dt, solver, seed, recurrence: null }
  return { equations, fields }
}

function checkInit(
  what: string,
  init: NonNullable<EquationOptions['init']>,
  states: readonly string[],
  { parameters, learn }: Pick<Equations, 'parameters' | 'learn'>,
): void {
  for (const [name, value] of Object.entries(init)) {
    if (!states.includes(name))
      fail(
        `${what}.init: the text has no state ${describe(name)}; there are ` +
          (listNames(states) || 'none'),
      )
    const isStill = (of: string): boolean => Object.hasOwn(parameters, of) && !learn.includes(of)
    if (!(typeof value === 'string' ? isStill(value) : finite(value)))
      fail(
        `${what}.init.${name} must be a number, or the name of a parameter that is not learnt, ` +
          `got ${describe(value)}`,
      )
  }
}

export const checkText = (what: string, text: unknown): void => {
  if (typeof text !== 'string') fail(`${what} takes a text of equations, got ${describe(text)}`)
}

/**
 * Neurons as equations say: [C, H, W] → [C, H, W]. The lines of the text run one behind the other
 * at each time step. `x` is the current. A name that is read before it is assigned is a state,
 * which keeps its value from step to step. `spike = u >= theta` makes spikes; `output = u` in its
 * place gives a number. `dv/dt = …` moves v on. A line such as `tau > 1` says where a parameter
 * must stay.
 *
 * `rand()`, in [0, 1), and `randn()`, a standard normal number, follow from `seed`, the place of
 * the call, the step and the neuron: an image has the same ones at every prediction, alone or in a
 * batch, on any number of threads, and in an exported file. In training each image of each batch
 * draws others, by the seed of `compile`; the backward pass sees those of the forward pass.
 * They have no derivative.
 *
 * Derivatives are taken of the equations: those of a spike by the surrogate of the distance between
 * the sides of its comparison, none of what is within `detach(…)`.
 *
 * @param text `+ - * / ^`, comparisons, `and or not`, and the functions exp, log, sqrt, tanh,
 *   sigmoid, abs, min, max, floor, round, sign, where, detach, rand, randn; `pi`, `dt`; from #
 *   on a line is a comment
 * @param parameters numbers by name: one for the layer, each channel or each neuron
 * @throws SpikewasmError with line, column and a caret for a mistake in the text
 * @example
 * ```ts
 * const adaptive = neuron(
 *   `u = u*(1 - 1/tau) + x
 *    spike = u >= theta + beta*a
 *    a = a*(1 - 1/tauA) + spike
 *    u = u - theta*detach(spike)`,
 *   { tau: 5, tauA: 20, theta: 1, beta: 0.2 },
 *   { learn: ['beta'] },
 * )
 * ```
 */
export function neuron(
  text: string,
  parameters: Readonly<Record<string, PerNeuron>> = {},
  options: EquationOptions = {},
  ...more: []
): Equations {
  checkArguments('neuron', more)
  checkOptions('neuron', options, equationOptions)
  return neuronOf('neuron', text, parameters, options)
}

/** @param what what messages call it */
export function neuronOf(
  what: string,
  text: string,
  parameters: Readonly<Record<string, PerNeuron>>,
  options: EquationOptions,
): Equations {
  checkText(what, text)
  const { init = {}, dt = 1, solver = 'euler', surrogate = 'sigmoid' } = options
  const isObject = typeof init === 'object' && init !== null && !Array.isArray(init)
  const isPositive = (x: number): boolean => finite(x) && x > 0
  checkBy(`${what}.dt`, such('> 0', isPositive), dt)
  checkBy(`${what}.solver`, oneOf(['euler', 'exponentialEuler']), solver)
  checkBy(
    `${what}.init`,
    such('an object of states', () => isObject),
    init,
  )
  const { equations, fields } = readEquations({ what, text }, parameters, options)
  checkInit(what, init, equations.states, fields)
  const shared = { text, ...fields, init: { ...init } }
  if (isSurrogate(surrogate))
    return layerOf(equationsKind, { ...shared, ...checkSurrogate(what, { ...options, surrogate }) })
  if (!(typeof surrogate === 'string' && !/^(?!x$|alpha$|pi$)[a-z]\w*$/i.test(surrogate)))
    fail(
      `${what}.surrogate must be one of ${Object.keys(surrogateTexts).join(', ')}, or a text of ` +
        `x and alpha, got ${describe(surrogate)}`,
    )
  readSurrogate({ what: `${what}.surrogate`, text: surrogate })
  const { alpha = 1 } = options
  checkBy(`${what}.alpha`, such('> 0 and finite', isPositive), alpha)
  return layerOf(equationsKind, { ...shared, surrogate, alpha })
}

/** Name of a parameter in the state dict: behind a map where it stays in an open range. */
export const storedName = (name: string, range: Range | undefined): string =>
  range && !range.withLeast && !range.withMost ? `raw_${name}` : name

/** Neurons as the layer's text says. */
export function equationsModel(layer: Equations): NeuronModel {
  const equations = equationsOf(layer)
  const { parameters, surrogate, alpha, init, seed } = layer
  const name = (one: string): [string, string] => [one, storedName(one, equations.ranges.get(one))]
  return {
    equations,
    parameters,
    surrogate: readSurrogate({ what: 'neuron.surrogate', text: textOf(surrogate) }),
    alpha,
    init,
    seed,
    get leak() {
      return leakOf(equations, parameters, layer.learn)
    },
    get isLate() {
      return isLate(equations, parameters, layer.learn)
    },
    get leakExpression() {
      const { leak } = this
      return Number.isNaN(leak)
        ? undefined
        : { text: String(leak), run: (g: Graph) => g.constant(leak) }
    },
    recurrence: layer.recurrence,
    learn: new Map(layer.learn.map(name)),
  }
}

export const equationsKind = defineLayer<Equations>(
  'equations',
  neuronKind(
    equationsModel,
    (layer) => (isElementwise(layer) ? 'elementwise' : 'neuron'),
    ({ text, parameters, ...options }) => neuron(text, parameters, options),
  ),
)

/** Whether a layer draws numbers. */
export const draws = (layer: Equations): boolean => (equationsOf(layer).draws ?? []).length > 0
