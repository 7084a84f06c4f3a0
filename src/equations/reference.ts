/**
 * Neurons from their texts in float64: each step is run as it is written, on numbers that remember
 * what they are made of, and gradients go back through them. It shares no code with the compiler
 * but the parser.
 */

import { type Line, parse, type Source, type Tree } from './parse.js'

/** A number, and how it changes with those that it is made of. */
class Value {
  gradient = 0

  constructor(
    readonly value: number,
    readonly from: readonly (readonly [of: Value, factor: number])[] = [],
  ) {}
}

const constant = (value: number): Value => new Value(value)

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
    this.inputs = x.map(constant)
    this.parameters = new Map(
      Object.entries(options.parameters).map(([name, value]) => [name, constant(value)]),
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
      const line = lines[i]
      if (!line.isRate) {
        this.names.set(
          line.name as string,
          line.name === 'spike' ? this.spike(line.tree) : this.run(line.tree),
        )
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
    if (solver === 'euler') return this.add(state, this.scaled(this.run(tree), dt))
    const at = (value: Value): Value => {
      this.names.set(name as string, value)
      const found = this.run(tree)
      this.names.set(name as string, state)
      return found
    }
    const rest = at(constant(0))
    const slope = this.add(at(constant(1)), this.scaled(rest, -1))
    const decay = this.apply(Math.exp, Math.exp, this.scaled(slope, dt))
    const gain = this.divided(this.add(decay, constant(-1)), slope)
    return this.add(this.times(state, decay), this.times(rest, gain))
  }

  private near(distance: number): void {
    this.margin = Math.min(this.margin, Math.abs(distance))
  }

  private add(a: Value, b: Value): Value {
    return new Value(a.value + b.value, [
      [a, 1],
      [b, 1],
    ])
  }

  private scaled(a: Value, k: number): Value {
    return new Value(k * a.value, [[a, k]])
  }

  private times(a: Value, b: Value): Value {
    return new Value(a.value * b.value, [
      [a, b.value],
      [b, a.value],
    ])
  }

  private divided(a: Value, b: Value): Value {
    return new Value(a.value / b.value, [
      [a, 1 / b.value],
      [b, -a.value / b.value ** 2],
    ])
  }

  private apply(f: (x: number) => number, slope: (x: number) => number, a: Value): Value {
    return new Value(f(a.value), [[a, slope(a.value)]])
  }

  private holds(tree: Tree): boolean {
    if (tree.kind === 'and') return this.holds(tree.left) && this.holds(tree.right)
    if (tree.kind === 'or') return this.holds(tree.left) || this.holds(tree.right)
    if (tree.kind === 'not') return !this.holds(tree.of)
    if (tree.kind === 'name' || tree.kind === 'call') return this.run(tree).value !== 0
    const compared = tree as { kind: string; left: Tree; right: Tree }
    const [a, b] = [this.run(compared.left).value, this.run(compared.right).value]
    this.near(a - b)
    switch (compared.kind) {
      case 'ge':
        return a >= b
      case 'gt':
        return a > b
      case 'le':
        return a <= b
      case 'lt':
        return a < b
      case 'eq':
        return a === b
      default:
        return a !== b
    }
  }

  private spike(tree: Tree): Value {
    let first = tree
    while (first.kind === 'and') first = first.left
    const { kind, left, right } = first as { kind: string; left: Tree; right: Tree }
    const sign = kind === 'ge' || kind === 'gt' ? 1 : -1
    const distance = this.scaled(this.add(this.run(left), this.scaled(this.run(right), -1)), sign)
    let passes = true
    for (let rest = tree; rest.kind === 'and'; rest = rest.left)
      passes = this.holds(rest.right) && passes
    const fires = this.holds(first) && passes
    const slope = passes ? this.options.slope(distance.value) : 0
    return new Value(fires ? 1 : 0, [[distance, slope]])
  }

  private run(tree: Tree): Value {
    switch (tree.kind) {
      case 'number':
        return constant(tree.value)
      case 'name':
        return tree.name === 'pi' ? constant(Math.PI) : (this.names.get(tree.name) as Value)
      case 'neg':
        return this.scaled(this.run(tree.of), -1)
      case 'add':
        return this.add(this.run(tree.left), this.run(tree.right))
      case 'sub':
        return this.add(this.run(tree.left), this.scaled(this.run(tree.right), -1))
      case 'mul':
        return this.times(this.run(tree.left), this.run(tree.right))
      case 'div':
        return this.divided(this.run(tree.left), this.run(tree.right))
      case 'pow': {
        const [base, n] = [this.run(tree.left), this.run(tree.right)]
        const value = base.value ** n.value
        return new Value(value, [
          [base, n.value * base.value ** (n.value - 1)],
          ...(base.value > 0 ? [[n, value * Math.log(base.value)] as const] : []),
        ])
      }
      case 'call':
        return this.call(tree.name, tree.args)
      default:
        return constant(this.holds(tree) ? 1 : 0)
    }
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
    const one = (f: (x: number) => number, slope: (x: number) => number): Value =>
      this.apply(f, slope, a)
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
    switch (name) {
      case 'detach':
        return constant(a.value)
      case 'exp':
        return one(Math.exp, Math.exp)
      case 'log':
        return one(Math.log, (x) => 1 / x)
      case 'sqrt':
        return one(Math.sqrt, (x) => 0.5 / Math.sqrt(x))
      case 'tanh':
        return one(Math.tanh, (x) => 1 - Math.tanh(x) ** 2)
      case 'sigmoid':
        return one(sigmoid, (x) => sigmoid(x) * (1 - sigmoid(x)))
      case 'abs':
      case 'sign':
        this.near(a.value)
        return name === 'abs' ? one(Math.abs, Math.sign) : constant(Math.sign(a.value))
      case 'floor':
        this.near(a.value - Math.round(a.value))
        return constant(Math.floor(a.value))
      case 'round':
        this.near(a.value - Math.floor(a.value) - 0.5)
        return constant(Math.round(a.value))
      default: {
        this.near(a.value - b.value)
        const takesFirst = name === 'min' ? a.value <= b.value : a.value >= b.value
        const taken = takesFirst ? a : b
        return new Value(taken.value, [[taken, 1]])
      }
    }
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
        if (value.gradient !== 0) of.gradient += value.gradient * factor
    return {
      inputs: this.inputs.map(({ gradient }) => gradient),
      parameters: Object.fromEntries(
        Array.from(this.parameters, ([name, { gradient }]) => [name, gradient]),
      ),
    }
  }
}
