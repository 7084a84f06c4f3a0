/** Whether the gradients of a neuron of one's own are right. */

import { describe, fail } from '../base/errors.js'
import { columns } from '../base/numbers.js'
import { Purpose, RandomStream } from '../base/random.js'
import { checkedElsewhere, complete, integer, range, such } from '../base/rules.js'
import {
  ReferenceNeuron,
  type Slope,
  sigmoidSlope,
  slopeOf,
} from '../kernels/equations/reference.js'
import type { Range } from '../kernels/equations/step.js'
import { MOST_LEARNT } from '../kernels/records/neuron.js'
import { textOf } from '../network/surrogates.js'
import { equationOptions, equationsOf, storedName } from '../nn/layers/equations.js'
import { type EquationOptions, type Equations, neuron } from '../nn/layers/index.js'
import { storedValue } from '../nn/layers/neuron-kind.js'
import type { CellGradients } from '../ops/kinds/neurons.js'
import * as ops from '../ops/kinds/neurons.js'

/** Options of `checkNeuron`: those of `neuron()`, and how to check. All parameters are learnt. */
export interface CheckNeuronOptions extends EquationOptions {
  /** Time steps, 1…255; default 12. */
  steps?: number
  /** Neurons, each with currents of its own, 1…4096; default 64. */
  neurons?: number
  /** Currents are random numbers from the first to the second; default [−1, 2]. */
  input?: readonly [number, number]
  /** Largest error that is right, as a share of the largest number; default 2e-4. */
  tolerance?: number
}

/** What was compared. */
export interface NeuronCheckRow {
  /** spikes or values; the gradient of x, or of a parameter. */
  readonly of: string
  /** The same in float64: the output, derivatives by the chain rule, or differences of outputs. */
  readonly against: 'output' | 'chain' | 'differences'
  /** The largest number there. */
  readonly largest: number
  /**
   * The largest difference, as a share of it, or of 1e-3 where it is less (without spikes 1e-6); a
   * parameter's, of the sum of neurons' sizes.
   */
  readonly error: number
}

/** What `checkNeuron` found. */
export interface NeuronCheck {
  /** Whether no error is larger than the tolerance. */
  readonly ok: boolean
  /** The largest error. */
  readonly worst: number
  /** What was compared, the output first. */
  readonly rows: readonly NeuronCheckRow[]
  /** Neurons that came so close to a threshold, or a bend, that rounding decides: left out. */
  readonly leftOut: number
  /** A line for each row, for people. */
  toString(): string
}

const areEnds = (ends: readonly number[]): boolean =>
  Array.isArray(ends) && ends.length === 2 && ends.every(Number.isFinite) && ends[0] <= ends[1]

const rules = {
  ...checkedElsewhere<EquationOptions>(equationOptions),
  steps: integer(1, 255, 12),
  neurons: integer(1, 4096, 64),
  input: such('two finite numbers, the smaller first', areEnds, [-1, 2] as const),
  tolerance: range('> 0', 2e-4),
}

/** How close to a threshold rounding may decide. */
const MARGIN = 1e-4
const STEP = 1e-6

function table(rows: readonly NeuronCheckRow[], head: string): string {
  const cells = [
    ['of', 'against', 'largest', 'error'],
    ...rows.map(({ of, against, largest, error }) => {
      return [of, against, largest.toPrecision(3), error.toExponential(1)]
    }),
  ]
  return [head, ...columns(cells)].join('\n')
}

/** Numbers that the package found, and what float64 says. */
class Pairs {
  readonly found: number[] = []
  readonly expected: number[] = []

  add(found: ArrayLike<number>, expected: ArrayLike<number>): void {
    this.found.push(...Array.from(found))
    this.expected.push(...Array.from(expected))
  }

  row(of: string, against: NeuronCheckRow['against'], least: number): NeuronCheckRow {
    const { found, expected } = this
    const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - found[i])), 0)
    return { of, against, largest, error: worst / Math.max(largest, least) }
  }
}

/** d value / d what is stored of it. */
function mapSlope(value: number, range: Range | undefined): number {
  if (!range || storedName('', range) === '') return 1
  const { least, most } = range
  if (least === -Infinity) return most - value
  return most === Infinity ? least - value : ((value - least) * (most - value)) / (most - least)
}

function checkedLayer(
  text: string,
  parameters: Readonly<Record<string, number>>,
  given: EquationOptions,
): Equations {
  for (const [name, value] of Object.entries(Object(parameters)))
    if (typeof value !== 'number')
      fail(`checkNeuron.${name} must be a number, got ${describe(value)}`)
  const starts = Object.values(given.init ?? {})
  const learn = Object.keys(Object(parameters)).filter((name) => !starts.includes(name))
  const layer = neuron(text, parameters, { ...given, learn: learn.slice(0, MOST_LEARNT) })
  if ((equationsOf(layer).draws ?? []).length > 0)
    fail('checkNeuron: the text draws numbers; write parameters in place of rand() and randn()')
  return layer
}

/** Random currents, gradients of outputs, and directions of the currents. */
function currents(count: number, [least, most]: readonly [number, number]): Float32Array[] {
  const stream = new RandomStream(Purpose.Init)
  stream.start(1, 0, 0)
  const draw = (from: number, to: number): Float32Array =>
    Float32Array.from({ length: count }, () => from + (to - from) * stream.uniform())
  return [draw(least, most), draw(-0.5, 0.5), draw(-1, 1)]
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i], 0)

const valuesOf = ({ results }: ReferenceNeuron): number[] => results.map(({ value }) => value)

/** Central difference of Σ weight·output along a direction of the currents. */
function difference(
  reference: (x: readonly number[]) => ReferenceNeuron,
  x: readonly number[],
  weights: readonly number[],
  direction: readonly number[],
): number {
  const [before, behind] = [-STEP, STEP].map((by) => {
    return dot(valuesOf(reference(x.map((value, t) => value + by * direction[t]))), weights)
  })
  return (behind - before) / (2 * STEP)
}

/** The same neuron in float64, by its currents. */
function referenceOf(
  { text, surrogate, alpha, init, dt, solver }: Equations,
  parameters: Readonly<Record<string, number>>,
): (x: readonly number[]) => ReferenceNeuron {
  const slope: Slope =
    surrogate === 'sigmoid'
      ? sigmoidSlope(alpha)
      : slopeOf({ what: 'checkNeuron.surrogate', text: textOf(surrogate) }, alpha)
  const start = Object.entries(init).map(([state, value]) => {
    return [state, typeof value === 'string' ? parameters[value] : value] as const
  })
  const options = { init: Object.fromEntries(start), dt, solver, slope, parameters }
  return (x) => new ReferenceNeuron({ what: 'checkNeuron', text }, x, options)
}

/** What running both on currents [steps][neurons] tells; its rows have the output first. */
function compare(
  layer: Equations,
  parameters: Readonly<Record<string, number>>,
  { steps, neurons, input }: Required<Pick<CheckNeuronOptions, 'steps' | 'neurons' | 'input'>>,
) {
  const { kind: _, recurrence: __, ...of } = layer
  const { learn } = layer
  const { output, ranges } = equationsOf(layer)
  const name = output === 'spike' ? 'spikes' : 'values'
  // A derivative that the text leaves out is no difference's.
  const isSmooth = output === 'output' && !/\bdetach\b/.test(layer.text)
  const least = output === 'spike' ? 1e-3 : 1e-6
  const reference = referenceOf(layer, parameters)
  const [x, delta, ways] = currents(steps * neurons, input)
  const own = (all: Float32Array, n: number): number[] =>
    Array.from({ length: steps }, (_, t) => all[t * neurons + n])
  const references = Array.from({ length: neurons }, (_, n) => reference(own(x, n)))
  const isLeftOut = ({ margin }: ReferenceNeuron): boolean => margin < MARGIN
  // Those that are left out give no parameter anything.
  for (const [n, one] of references.entries())
    if (isLeftOut(one)) for (let t = 0; t < steps; t++) delta[t * neurons + n] = 0
  const op = { ...of, input: [1, steps, neurons] } as const
  const raw = learn.map((one) => Float32Array.of(storedValue(parameters[one], ranges.get(one))))
  const outputs = Float32Array.from(ops.neuron({ ...op, outputs: [name] }, x, ...raw) as never)
  const back = ops.neuronBackward(op, delta, x, ...raw)
  const gradients = (learn.length > 0 ? back : { inputGradient: back }) as CellGradients
  const all = { outputs: new Pairs(), x: new Pairs(), differences: new Pairs() }
  const sums = new Map(learn.map((one) => [one, [0, 0]]))
  for (const [n, one] of references.entries()) {
    if (isLeftOut(one)) continue
    const weights = own(delta, n)
    const { inputs, parameters: by } = one.gradients(weights)
    const found = own(gradients.inputGradient, n)
    all.outputs.add(own(outputs, n), valuesOf(one))
    all.x.add(found, inputs)
    if (isSmooth) {
      const way = own(ways, n)
      all.differences.add([dot(found, way)], [difference(reference, own(x, n), weights, way)])
    }
    for (const [key, [sum, sizes]] of sums)
      sums.set(key, [sum + by[key], sizes + Math.abs(by[key])])
  }
  const rows = [all.outputs.row(name, 'output', least), all.x.row('x', 'chain', least)]
  if (isSmooth) rows.push(all.differences.row('x', 'differences', least))
  for (const [one, [sum, sizes]] of sums) {
    const range = ranges.get(one)
    const slope = mapSlope(parameters[one], range)
    const pair = new Pairs()
    pair.add(gradients[`${storedName(one, range)}Gradient`], [sum * slope])
    // Neurons may cancel one another.
    rows.push(pair.row(one, 'chain', Math.max(least, Math.abs(sizes * slope))))
  }
  return { rows, leftOut: references.filter(isLeftOut).length }
}

/**
 * Compares a neuron's outputs, and its gradients through time by its current and by each
 * parameter, with float64: derivatives by the chain rule, in which spikes have their surrogates,
 * and, where the text has no spikes, differences of outputs.
 *
 * @param text as `neuron` takes it, without rand() and randn()
 * @param parameters a number each
 * @throws SpikewasmError as `neuron`, and for texts that draw numbers
 * @example
 * ```js
 * console.log(String(checkNeuron('u = u/tau + x; spike = u > 1; u = u - spike', { tau: 3 })))
 * ```
 */
export function checkNeuron(
  text: string,
  parameters: Readonly<Record<string, number>> = {},
  options: CheckNeuronOptions = {},
  ...more: []
): NeuronCheck {
  const all = complete('checkNeuron', rules, options, more)
  const { steps, neurons, input, tolerance, ...given } = all
  const layer = checkedLayer(text, parameters, given)
  const { rows, leftOut } = compare(layer, parameters, { steps, neurons, input })
  const worst = Math.max(...rows.map(({ error }) => error))
  const ok = worst <= tolerance && leftOut < neurons
  const [{ of, largest }] = rows
  const isSilent = of === 'spikes' && largest === 0
  const why = leftOut === neurons ? 'rounding decides in all' : isSilent && 'none spiked'
  const compared = `${neurons - leftOut} of ${neurons} neurons compared`
  const cure = why ? `; ${why}, give it other currents: input` : ''
  const head = `${ok ? 'right' : 'wrong'}: ${compared}${cure}`
  return { ok, worst, rows, leftOut, toString: () => table(rows, head) }
}
