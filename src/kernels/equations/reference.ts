/**
 * Neurons from their texts in float64: each step is run as it is written, on numbers that remember
 * what they are made of, and gradients go back through them. It shares no code with the compiler
 * but the parser.
 */

import { type Line, namesIn, parse, type Source, type Tree } from './parse.js'

/** A number, and how it changes with those that it is made of. */
class Value {
  gradient = 0

  /** @param isWhole whether it is made of whole numbers alone: rounding leaves them as they are */
  constructor(
    readonly value: number,
    readonly from: readonly (readonly [of: Value, factor: number])[] = [],
    readonly isWhole: boolean = Number.isInteger(value) &&
      from.every(([of, factor]) => of.isWhole && Number.isInteger(factor)),
  ) {}
}

const constant = (value: number, isWhole?: boolean): Value => new Value(value, [], isWhole)

/** Operations of two numbers: the result, and its derivatives by them. */
const operations: Readonly<
  Record<string, (a: number, b: number) => readonly [value: number, byA: number, byB: number]>
> = {
  add: (a, b) => [a + b, 1, 1],
  sub: (a, b) => [a - b, 1, -1],
  mul: (a, b) => [a * b, b, a],
  div: (a, b) => [a / b, 1 / b, -a / b ** 2],
  min: (a, b) => (a <= b ? [a, 1, 0] : [b, 0, 1]),
  max: (a, b) => (a >= b ? [a, 1, 0] : [b, 0, 1]),
  pow: (a, b) => [a ** b, b * a ** (b - 1), a > 0 ? a ** b * Math.log(a) : 0],
}

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  lt: (a, b) => a < b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
}

type OfNumber = (x: number) => number

const sigmoid: OfNumber = (x) => 1 / (1 + Math.exp(-x))
const flat: OfNumber = () => 0

/** Functions of one number with their derivatives, and how far it is from where they bend. */
const functions: Readonly<
  Record<string, readonly [f: OfNumber, slope: OfNumber, bend?: OfNumber]>
> = {
  detach: [(x) => x, flat],
  exp: [Math.exp, Math.exp],
  log: [Math.log, (x) => 1 / x],
  sqrt: [Math.sqrt, (x) => 0.5 / Math.sqrt(x)],
  tanh: [Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  sigmoid: [sigmoid, (x) => sigmoid(x) * (1 - sigmoid(x))],
  abs: [Math.abs, (x) => (x < 0 ? -1 : 1), (x) => x],
  sign: [Math.sign, flat, (x) => x],
  floor: [Math.floor, flat, (x) => x - Math.round(x)],
  round: [Math.round, flat, (x) => x - Math.floor(x) - 0.5],
}

/** The derivative of a spike by its distance. */
export type Slope = (distance: number) => number

/** The surrogate 'sigmoid', of which its text is an approximation. */
export const sigmoidSlope =
  (alpha: number): Slope =>
  (x) =>
    alpha / (2 + 2 * Math.cosh(alpha * x))

/** A surrogate as a text of x and alpha. */
export function slopeOf(source: Source, alpha: number): Slope {
  const lines = parse(source)
  const last = lines.length - 1
  const named = lines.map((line, i) => (i === last ? { ...line, name: 'output' } : line))
  const options = { parameters: { alpha }, slope: () => 0 }
  return (x) => new ReferenceNeuron(source, [x], options, named).results[0].value
}

export interface ReferenceOptions {
  readonly parameters: Readonly<Record<string, number>>
  readonly init?: Readonly<Record<string, number>>
  readonly dt?: number
  readonly solver?: 'euler' | 'exponentialEuler'
  readonly slope: Slope
}

/** One neuron over all steps. */
export class ReferenceNeuron {
  readonly inputs: Value[]
  readonly parameters: ReadonlyMap<string, Value>
  /** Spikes, or numbers. */
  readonly results: Value[] = []
  /** Every name behind each step. */
  readonly steps: ReadonlyMap<string, Value>[] = []
  /** How close a comparison, or another place where a function bends, came to being another. */
  margin = Infinity
  private names = new Map<string, Value>()

  constructor(
    source: Source,
    x: readonly number[],
    readonly options: ReferenceOptions,
    all: readonly Line[] = parse(source),
  ) {
    const lines = all.filter(({ name }) => name !== undefined)
    this.inputs = x.map((value) => constant(value, false))
    // A parameter with a range is what its map makes of what is stored.
    const isRanged = (key: string) => all.some(({ name, tree }) => !name && namesIn(tree).has(key))
    const given = Object.entries(options.parameters)
    this.parameters = new Map(
      given.map(([key, value]) => [key, constant(value, isRanged(key) ? false : undefined)]),
    )
    const assigned = new Set(lines.map(({ name }) => name as string))
    for (const name of assigned) this.names.set(name, constant(options.init?.[name] ?? 0))
    for (const input of this.inputs) {
      const dt = constant(options.dt ?? 1)
      this.names = new Map([...this.names, ...this.parameters, ['x', input], ['dt', dt]])
      this.step(lines)
      this.steps.push(this.names)
      this.results.push(this.names.get(assigned.has('spike') ? 'spike' : 'output') as Value)
    }
  }

  private step(lines: readonly Line[]): void {
    for (let i = 0; i < lines.length; i++) {
      const { isRate, name, tree } = lines[i]
      if (!isRate) {
        this.names.set(name as string, name === 'spike' ? this.spike(tree) : this.run(tree))
        continue
      }
      const moved: [string, Value][] = []
      for (; lines[i]?.isRate; i++) moved.push([lines[i].name as string, this.moved(lines[i])])
      i--
      for (const [name, value] of moved) this.names.set(name, value)
    }
  }

  private moved({ name, tree }: Line): Value {
    const { dt = 1, solver = 'euler' } = this.options
    const state = this.names.get(name as string) as Value
    if (solver === 'euler') return this.apply('add', state, this.scaled(this.run(tree), dt))
    const at = (value: Value): Value => {
      this.names.set(name as string, value)
      const found = this.run(tree)
      this.names.set(name as string, state)
      return found
    }
    const rest = at(constant(0))
    const slope = this.apply('sub', at(constant(1)), rest)
    const z = dt * slope.value
    const decay = new Value(Math.exp(z), [[slope, dt * Math.exp(z)]])
    const gain = this.apply('div', this.apply('sub', decay, constant(1)), slope)
    return this.apply('add', this.apply('mul', state, decay), this.apply('mul', rest, gain))
  }

  private near(of: Value, distance = of.value): void {
    if (!of.isWhole) this.margin = Math.min(this.margin, Math.abs(distance))
  }

  private scaled(a: Value, k: number): Value {
    return new Value(k * a.value, [[a, k]])
  }

  private apply(name: string, a: Value, b: Value): Value {
    const [value, byA, byB] = operations[name](a.value, b.value)
    return new Value(value, [
      [a, byA],
      [b, byB],
    ])
  }

  private holds(tree: Tree): boolean {
    if (tree.kind === 'and') return this.holds(tree.left) && this.holds(tree.right)
    if (tree.kind === 'or') return this.holds(tree.left) || this.holds(tree.right)
    if (tree.kind === 'not') return !this.holds(tree.of)
    if (!('left' in tree)) return this.run(tree).value !== 0
    const [a, b] = [this.run(tree.left), this.run(tree.right)]
    this.near(this.apply('sub', a, b))
    return comparisons[tree.kind](a.value, b.value)
  }

  private spike(tree: Tree): Value {
    let [first, passes] = [tree, true]
    for (; first.kind === 'and'; first = first.left) passes = this.holds(first.right) && passes
    const { kind, left, right } = first as Extract<Tree, { left: Tree }>
    const sign = kind === 'ge' || kind === 'gt' ? 1 : -1
    const distance = this.scaled(this.apply('sub', this.run(left), this.run(right)), sign)
    const slope = passes ? this.options.slope(distance.value) : 0
    return new Value(this.holds(first) && passes ? 1 : 0, [[distance, slope]], true)
  }

  private run(tree: Tree): Value {
    if (tree.kind === 'number') return constant(tree.value)
    if (tree.kind === 'name')
      return tree.name === 'pi' ? constant(Math.PI) : (this.names.get(tree.name) as Value)
    if (tree.kind === 'neg') return this.scaled(this.run(tree.of), -1)
    if (tree.kind === 'call') return this.call(tree.name, tree.args)
    return 'left' in tree && Object.hasOwn(operations, tree.kind)
      ? this.apply(tree.kind, this.run(tree.left), this.run(tree.right))
      : constant(this.holds(tree) ? 1 : 0)
  }

  private call(name: string, args: readonly Tree[]): Value {
    if (name === 'where') {
      const condition = args[0]
      const spike = condition.kind === 'name' ? this.names.get(condition.name) : undefined
      const [a, b] = [this.run(args[1]), this.run(args[2])]
      const holds = this.holds(condition)
      return new Value(holds ? a.value : b.value, [
        [holds ? a : b, 1],
        ...(spike ? [[spike, a.value - b.value] as const] : []),
      ])
    }
    const [a, b] = args.map((arg) => this.run(arg))
    if (Object.hasOwn(functions, name)) {
      const [f, slope, bend] = functions[name]
      if (bend) this.near(a, bend(a.value))
      return new Value(f(a.value), [[a, slope(a.value)]])
    }
    this.near(this.apply('sub', a, b))
    return this.apply(name, a, b)
  }

  /** Gradients of Σ weight·result by each input and parameter. */
  gradients(weights: readonly number[]): { inputs: number[]; parameters: Record<string, number> } {
    const order = new Set<Value>()
    const visit = (value: Value): void => {
      if (order.has(value)) return
      for (const [of] of value.from) visit(of)
      order.add(value)
    }
    for (const result of this.results) visit(result)
    for (const value of order) value.gradient = 0
    for (const value of [...this.inputs, ...this.parameters.values()]) value.gradient = 0
    for (const [t, result] of this.results.entries()) result.gradient += weights[t]
    for (const value of [...order].reverse())
      for (const [of, factor] of value.from)
        if (value.gradient !== 0 && factor !== 0) of.gradient += value.gradient * factor
    return {
      inputs: this.inputs.map(({ gradient }) => gradient),
      parameters: Object.fromEntries(
        Array.from(this.parameters, ([name, { gradient }]) => [name, gradient]),
      ),
    }
  }
}
