/** A neuron as its text says it: what it keeps from step to step, and one step after the other. */

import { fail, SpikewasmError } from '../../base/errors.js'
import { Evaluator, reserved } from './evaluate.js'
import { Graph, Level, type Node, reachable, tangents } from './graph.js'
import { lowerings } from './kernel-set.js'
import { drawLowerings, type Noise } from './noise.js'
import {
  branches,
  EquationError,
  type Line,
  namesIn,
  parse,
  type Source,
  type Tree,
} from './parse.js'
import { type Equations, openRange, type Range, type Run, statesOf, type Written } from './step.js'

/** How `dv/dt = …` moves v on: by its rate, or by the solution of a linear equation. */
export type Solver = 'euler' | 'exponentialEuler'

/** More states than neurons have. */
const MOST_STATES = 16

/** A neuron as a user's text says. */
export interface TextEquations extends Equations {
  readonly ranges: ReadonlyMap<string, TextRange>
}

/** Where lines say its bounds. */
type TextRange = Range & { readonly leastAt: number; readonly mostAt: number }

interface Step {
  readonly source: Source
  /** Lines that a step runs. */
  readonly lines: readonly Line[]
  readonly dt: number
  readonly solver: Solver
  /** Where numbers are drawn, in their order. */
  readonly draws: readonly number[]
}

/** Bounds from a line such as `tau > 1` or `0 <= beta < 1`. */
function addRange(
  source: Source,
  tree: Tree,
  parameters: readonly string[],
  into: Map<string, TextRange>,
): void {
  if (tree.kind === 'and') {
    for (const branch of branches(tree)) addRange(source, branch, parameters, into)
    return
  }
  const wrong = new EquationError(
    source,
    tree.at,
    'a line must be name = expression, dv/dt = expression, or the range of a parameter, such as ' +
      'tau > 1',
  )
  if (!['ge', 'gt', 'le', 'lt'].includes(tree.kind) || !('left' in tree)) throw wrong
  const named = tree.left.kind === 'name'
  const name = named ? tree.left : tree.right
  const bound = numberOf(named ? tree.right : tree.left)
  if (name.kind !== 'name' || bound === undefined) throw wrong
  if (!parameters.includes(name.name))
    throw new EquationError(source, name.at, `a range is of a parameter; ${name.name} is none`)
  const before = into.get(name.name) ?? { ...openRange, leastAt: tree.at, mostAt: tree.at }
  const isLeast = (tree.kind === 'ge' || tree.kind === 'gt') === named
  const within = tree.kind === 'ge' || tree.kind === 'le'
  // A line behind another one narrows a range, and never widens it.
  const [now, wasWithin] = isLeast
    ? [before.least, before.withLeast]
    : [before.most, before.withMost]
  const isWider = isLeast ? bound < now : bound > now
  if (isWider || (bound === now && !wasWithin)) return
  into.set(name.name, {
    ...before,
    ...(isLeast
      ? { least: bound, withLeast: within, leastAt: tree.at }
      : { most: bound, withMost: within, mostAt: tree.at }),
  })
}

function numberOf(tree: Tree): number | undefined {
  if (tree.kind === 'number') return tree.value
  if (tree.kind !== 'neg') return undefined
  const value = numberOf(tree.of)
  return value === undefined ? undefined : -value
}

const drawsIn = (tree: Tree): number[] => [
  ...(tree.kind === 'call' && /^randn?$/.test(tree.name) ? [tree.at] : []),
  ...branches(tree).flatMap(drawsIn),
]

/** Whether a name may be no parameter's. */
export const isTaken = (name: string): boolean =>
  reserved.has(name) || name === 'spike' || name === 'output'

/** What numbers that are drawn follow from: names that no text has, where somebody asks. */
function noiseOf(g: Graph, names: ReadonlyMap<string, Node>, calls: readonly number[]): Noise {
  const of = (name: string): Node => names.get(` ${name}`) ?? g.leaf(name, Level.Neuron)
  return { step: of('step'), neuron: of('neuron'), key: of('key'), calls }
}

interface ReadOptions {
  readonly dt?: number
  readonly solver?: Solver
  /** Names of parameters that say where states begin are read too. */
  readonly init?: Readonly<Record<string, unknown>>
}

/**
 * Reads a text: one line below the other runs at each time step. `x` is the current; a name that is
 * read before it is assigned is a state.
 *
 * @param parameters their names
 * @param all the lines of the text
 * @throws EquationError with line, column and a caret
 */
export function readNeuron(
  source: Source,
  parameters: readonly string[],
  { dt = 1, solver = 'euler', init = {} }: ReadOptions = {},
  all: readonly Line[] = parse(source),
): TextEquations {
  const lines = all.filter(({ name }) => name !== undefined)
  const ranges = new Map<string, TextRange>()
  for (const { name, tree } of all)
    if (name === undefined) addRange(source, tree, parameters, ranges)
  for (const name of parameters)
    if (isTaken(name))
      fail(
        `${source.what}: the parameter ${name} has a name with a meaning of its own; take another`,
      )
  for (const { name, at, isRate } of lines) {
    if (parameters.includes(name as string))
      throw new EquationError(source, at, `${name} is a parameter, which no line assigns`)
    if (reserved.has(name as string))
      throw new EquationError(source, at, `${name} has a meaning of its own; take another name`)
    if (isRate && (name === 'spike' || name === 'output'))
      throw new EquationError(source, at, `${name} is no state that a rate moves`)
  }
  const outputs = lines.filter(({ name }) => name === 'spike' || name === 'output')
  if (outputs.length !== 1)
    throw outputs.length === 0
      ? new SpikewasmError(`${source.what}: a line spike = … or output = … is missing`)
      : new EquationError(source, outputs[1].at, 'there must be one line spike = … or output = …')
  const found = statesOf(
    lines.map(({ name = '', isRate, tree }) => [
      name,
      [...namesIn(tree).keys(), ...(isRate ? [name] : [])],
    ]),
  )
  if (found.states.length > MOST_STATES)
    fail(`${source.what}: there must be at most ${MOST_STATES} states, got ${found.states.length}`)
  const draws = lines.flatMap(({ tree }) => drawsIn(tree)).sort((a, b) => a - b)
  const step = { source, lines, dt, solver, draws }
  const run: Run = (g, names) => runStep(g, step, names)
  const text = [source.text, dt, solver].join('\n')
  const functions = draws.length > 0 ? { ...lowerings, ...drawLowerings } : lowerings
  const equations = { ...found, what: source.what, text, ranges, run, functions, draws }
  checkNames(equations, lines, parameters, Object.values(init))
  return equations
}

/** Runs one step, so that mistakes show before a network is made; each parameter has a use. */
function checkNames(
  { what, states, ranges, run }: Equations,
  lines: readonly Line[],
  parameters: readonly string[],
  starts: readonly unknown[],
): void {
  const g = new Graph(what)
  const names = ['x', ...parameters, ...states].map(
    (name) => [name, g.leaf(name, Level.Neuron)] as const,
  )
  run(g, new Map(names))
  const read = new Set(lines.flatMap(({ tree }) => [...namesIn(tree).keys()]))
  for (const name of parameters)
    if (!read.has(name) && !starts.includes(name))
      fail(
        `${what}: no line reads the parameter ${name}` +
          `${ranges.has(name) ? ' but its range' : ''}; leave it out`,
      )
}

/** Runs one step on nodes by name, which are changed. */
function runStep(g: Graph, step: Step, names: Map<string, Node>): Node {
  const { source, lines, dt, draws } = step
  names.set('dt', g.constant(dt))
  const evaluator = new Evaluator(g, source, names, noiseOf(g, names, draws))
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]
    if (!line.isRate) {
      evaluator.run(line)
      continue
    }
    // Rates side by side are one system: all see the states before it.
    let end = i
    while (lines[end + 1]?.isRate) end++
    const system = lines.slice(i, end + 1)
    const moved = system.map((one) => move(g, step, evaluator, one))
    for (const [k, one] of system.entries()) names.set(one.name as string, moved[k])
    i = end
  }
  return names.get(lines[lines.length - 1].name as string) as Node
}

/** A state one step of `dt` later, by its rate. */
function move(g: Graph, { source, dt, solver }: Step, evaluator: Evaluator, line: Line): Node {
  const name = line.name as string
  const { names } = evaluator
  const state = names.get(name) as Node
  if (solver === 'euler') return g.add(state, g.mul(g.constant(dt), evaluator.number(line.tree)))
  const placeholder = g.leaf(`rate ${name}`, Level.Neuron)
  names.set(name, placeholder)
  const rate = evaluator.number(line.tree)
  names.set(name, state)
  const { slope, rest } = linearIn(g, rate, placeholder) ?? {}
  // What lines before have made of v stays as it is for a step; it is no rate by itself.
  if (!rest || (!slope && reachable([rest]).includes(state)))
    throw new EquationError(
      source,
      line.at,
      `the rate is not linear in ${name}, which must stand in this line itself, so that it has ` +
        "no exact solution; use solver: 'euler'",
    )
  const step = g.constant(dt)
  if (!slope) return g.add(state, g.mul(step, rest))
  // dv/dt = a + b·v  →  v·e^z + a·dt·(e^z − 1)/z, z = b·dt
  const z = g.mul(slope, step)
  const decay = g.make('exp', [z])
  const gain = g.mul(step, meanExp(g, z, decay))
  return g.add(g.mul(state, decay), g.mul(rest, gain))
}

/** (e^z − 1)/z: near 0, where the difference cancels, by its series. */
function meanExp(g: Graph, z: Node, exp: Node): Node {
  const one = g.constant(1)
  let series = one
  for (let n = 7; n > 1; n--) series = g.add(one, g.mul(g.div(z, g.constant(n)), series))
  const isSmall = g.make('lt', [g.make('abs', [z]), g.constant(0.3)])
  return g.where(isSmall, series, g.div(g.sub(exp, one), z))
}

/** rate = slope·v + rest; undefined where it is not linear in v. */
function linearIn(
  g: Graph,
  rate: Node,
  v: Node,
): { readonly slope?: Node; readonly rest: Node } | undefined {
  if (rate === v) return { slope: g.constant(1), rest: g.constant(0) }
  const within = reachable([rate])
  if (!within.includes(v)) return { rest: rate }
  const parts = rate.args.map((arg) => linearIn(g, arg, v))
  const [a, b] = parts
  if (parts.some((part) => !part) || !a) return undefined
  const both = (f: (x: Node) => Node) => ({ slope: a.slope && f(a.slope), rest: f(a.rest) })
  if (rate.op === 'neg') return both((x) => g.neg(x))
  if (!b) return undefined
  if (rate.op === 'add' || rate.op === 'sub') {
    const { op } = rate
    const join = (x: Node | undefined, y: Node | undefined): Node | undefined =>
      x && y ? g[op](x, y) : (x ?? (y && (op === 'sub' ? g.neg(y) : y)))
    return { slope: join(a.slope, b.slope), rest: join(a.rest, b.rest) as Node }
  }
  if (rate.op === 'mul' && !b.slope) return both((x) => g.mul(x, b.rest))
  if (rate.op === 'mul' && !a.slope)
    return { slope: b.slope && g.mul(a.rest, b.slope), rest: g.mul(a.rest, b.rest) }
  return rate.op === 'div' && !b.slope ? both((x) => g.div(x, b.rest)) : undefined
}

/** A graph in which nothing fires, and which knows e^x of a constant. */
class SilentGraph extends Graph {
  override make(...[op, args, ...more]: Parameters<Graph['make']>): Node {
    return op === 'exp' && args[0].op === 'const'
      ? this.constant(expOf(args[0].value))
      : super.make(op, args, ...more)
  }

  override spike(_: Node, x: Node): Node {
    return this.make('spike', [this.truth(false), x])
  }
}

/** e^x by its series, (e^(x/2))² where that is long: hosts differ in `Math.exp`. */
function expOf(x: number): number {
  if (Math.abs(x) > 1) return Math.abs(x) < 1000 ? expOf(x / 2) ** 2 : x < 0 ? 0 : Infinity
  let sum = 1
  for (let n = 20; n > 0; n--) sum = 1 + (x / n) * sum
  return sum
}

/**
 * How far a neuron's output at three steps follows the current of the first, as long as nothing
 * fires; NaN where that is no constant number.
 */
function echoes(
  equations: Equations,
  parameters: Readonly<Record<string, number | readonly number[]>>,
  learn: readonly string[],
): readonly number[] {
  const g = new SilentGraph(equations.what)
  const names = new Map<string, Node>()
  for (const name of equations.states) names.set(name, g.leaf(name, Level.Neuron))
  const first = g.leaf('x 0', Level.Neuron)
  const results = [0, 1, 2].map((step) => {
    for (const [name, value] of Object.entries(parameters)) {
      const isKnown = typeof value === 'number' && !learn.includes(name)
      names.set(name, isKnown ? g.constant(value) : g.leaf(name, Level.Neuron))
    }
    names.set('x', step === 0 ? first : g.leaf(`x ${step}`, Level.Neuron))
    equations.run(g, names)
    for (const name of equations.states) names.set(name, g.number(names.get(name) as Node))
    const result = names.get(equations.output) as Node
    return result.op === 'spike' ? result.args[1] : g.number(result)
  })
  const seeds = new Map([[first, g.constant(1)]])
  const by = tangents(g, () => g.constant(0), results, seeds)
  return results.map((result) => {
    const echo = by(result)
    return echo ? (echo.op === 'const' ? echo.value : Number.NaN) : 0
  })
}

/**
 * The share of a potential that a step leaves until neurons fire: by which the distance to the
 * threshold follows an earlier current less and less. NaN where it is no single constant one.
 */
export function leakOf(...of: Parameters<typeof echoes>): number {
  const [now, next, last] = echoes(...of)
  const leak = next / now
  const isOne = Math.abs(last - leak * next) <= 1e-6 * Math.abs(now)
  return of[0].output === 'spike' && isOne ? leak : Number.NaN
}

/** Whether a step's current reaches the output of later steps alone. */
export const isLate = (...of: Parameters<typeof echoes>): boolean => echoes(...of)[0] === 0

/** A surrogate as a text of x and alpha. */
export const readSurrogate = (source: Source): Written => readExpression(source, ['x', 'alpha'])

/**
 * A text whose last line is an expression of `names`; lines `name = …` before it help.
 * @throws EquationError for mistakes
 */
export function readExpression(source: Source, names: readonly string[]): Written {
  const lines = parse(source)
  const last = lines.at(-1)
  if (!last || last.name !== undefined)
    throw new EquationError(source, last?.at ?? 0, 'the last line must be an expression alone')
  for (const { name = '', isRate, at } of lines.slice(0, -1)) {
    if (name === '' || isRate)
      throw new EquationError(source, at, 'a line before the last must be name = expression')
    if (isTaken(name) || names.includes(name))
      throw new EquationError(source, at, `${name} has a meaning of its own; take another name`)
  }
  const run: Run = (g, known) => {
    const evaluator = new Evaluator(g, source, known)
    return lines.map((line) => evaluator.run(line)).at(-1) as Node
  }
  const g = new Graph(source.what)
  run(g, new Map(names.map((name) => [name, g.leaf(name, Level.Neuron)])))
  return { text: source.text, run }
}
