/**
 * Expressions without a duplicate: what is written twice is one node. Numbers are float32.
 * Arithmetic on constants is done at once, with the roundings that a kernel has.
 */

import { fail } from '../../base/errors.js'

/** How much a node depends on: nothing, the layer, the channel, the neuron and its currents. */
export enum Level {
  Known,
  Layer,
  Channel,
  Neuron,
}

export interface Node {
  /** Larger than those of what it is made of. */
  readonly id: number
  /** A name, or an instruction of WebAssembly. */
  readonly op: string | number
  readonly args: readonly Node[]
  /** What a constant is; 1 or 0 for a condition that is known. */
  readonly value: number
  /** What a leaf is called. */
  readonly name: string
  readonly level: Level
  /** Nodes of the longest way down to a leaf. */
  readonly depth: number
}

/** Conditions that JavaScript computes as WebAssembly does. */
const truths: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  lt: (a, b) => a < b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  and: (a, b) => a !== 0 && b !== 0,
  or: (a, b) => a !== 0 || b !== 0,
  not: (a) => a === 0,
}

/** Operations that give a condition. */
const conditions = new Set<string | number>([
  ...Object.keys(truths),
  'truth',
  'bit',
  'later',
  'within',
])

/** What JavaScript computes exactly as WebAssembly does, rounded to float32. */
const exact: Readonly<Record<string, (a: number, b: number, c: number) => number | boolean>> = {
  ...truths,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
  abs: (a) => Math.abs(a),
  sqrt: (a) => Math.sqrt(a),
  floor: (a) => Math.floor(a),
  round: toNearest,
  where: (m, a, b) => (m !== 0 ? a : b),
  detach: (a) => a,
}

/** The nearest integer; halves go to the even one. */
function toNearest(x: number): number {
  const down = Math.floor(x)
  const rest = x - down
  const near = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down
  // −0.3 is −0.
  return near === 0 ? x * 0 : near
}

/** More than the equations of any neuron have over the steps of a kernel, in all and nested. */
const [MOST_NODES, MOST_DEPTH] = [20_000, 1500]

export class Graph {
  private readonly known = new Map<string | number, Node>()
  private readonly operations = new Map<string | number, number>()

  /** @param what messages call the equations */
  constructor(private readonly what: string) {}

  /** A node; the one that is there already where there is one. */
  make(op: string | number, args: readonly Node[], { value = 0, name = '', level = 0 } = {}): Node {
    const f = exact[op]
    if (f && args.every(({ op }) => op === 'const' || op === 'truth')) {
      const [a, b, c] = args.map(({ value }) => value)
      const found = f(a, b, c)
      return typeof found === 'boolean' ? this.truth(found) : this.constant(found)
    }
    const key =
      args.length === 0 || args.length > 2 || value || level || name
        ? `${op} ${level} ${Object.is(value, -0) ? '-0' : value} ${name} ${args.map(idOf).join()}`
        : this.keyOf(op, args)
    let node = this.known.get(key)
    if (node) return node
    const depth = args.reduce((most, arg) => Math.max(most, arg.depth + 1), 0)
    if (this.known.size === MOST_NODES || depth > MOST_DEPTH)
      fail(
        `${this.what}: the equations are too large: over the steps of a kernel they have more ` +
          `than ${MOST_NODES} operations, or ${MOST_DEPTH} within one another`,
      )
    const highest = Math.max(level, ...args.map(({ level }) => level)) as Level
    node = { id: this.known.size, op, args, value, name, level: highest, depth }
    this.known.set(key, node)
    return node
  }

  /** The same as a number, which is made and found in less time, where there is no more to tell. */
  private keyOf(op: string | number, [a, b]: readonly Node[]): number {
    const operation = this.operations.get(op) ?? this.operations.size
    this.operations.set(op, operation)
    return (operation * (MOST_NODES + 1) + a.id) * (MOST_NODES + 1) + (b ? b.id + 1 : 0)
  }

  constant(value: number): Node {
    return this.make('const', [], { value: Math.fround(value) })
  }

  truth(value: boolean): Node {
    return this.make('truth', [], { value: Number(value) })
  }

  /** What a kernel reads. */
  leaf(name: string, level: Level): Node {
    return this.make('leaf', [], { name, level })
  }

  add(a: Node, b: Node): Node {
    if (b.op === 'neg') return this.sub(a, b.args[0])
    if (a.op === 'neg') return this.sub(b, a.args[0])
    return this.make('add', [a, b])
  }

  sub(a: Node, b: Node): Node {
    if (is(b, 0)) return a
    if (b.op === 'neg') return this.add(a, b.args[0])
    return this.make('sub', [a, b])
  }

  neg(a: Node): Node {
    return a.op === 'neg' ? a.args[0] : this.make('neg', [a])
  }

  mul(a: Node, b: Node): Node {
    if (is(a, 1)) return b
    if (is(b, 1)) return a
    if (is(a, -1)) return this.neg(b)
    if (is(b, -1)) return this.neg(a)
    return this.make('mul', [a, b])
  }

  /** By what is the same for all neurons or those of a channel: a product with its reciprocal. */
  div(a: Node, b: Node): Node {
    if (is(b, 1)) return a
    if (isFixed(b) && !isFixed(a)) return this.mul(this.make('div', [this.constant(1), b]), a)
    return this.make('div', [a, b])
  }

  /** `spike`: what the condition says as a number, where derivatives go through it. */
  where(condition: Node, a: Node, b: Node, spike?: Node): Node {
    if (a === b) return a
    if (condition.op === 'truth') return condition.value ? a : b
    return this.make('where', spike ? [condition, a, b, spike] : [condition, a, b])
  }

  not(a: Node): Node {
    return a.op === 'not' ? a.args[0] : this.make('not', [a])
  }

  /** A condition as a number. */
  number(a: Node): Node {
    return isCondition(a) ? this.where(a, this.constant(1), this.constant(0)) : a
  }

  /**
   * 1 where the condition holds, else 0; derivatives see x by the surrogate, where `passes` holds.
   */
  spike(condition: Node, x: Node, passes?: Node): Node {
    return this.make('spike', passes ? [condition, x, passes] : [condition, x])
  }

  /**
   * A state between two steps. What is the same for all neurons is not told apart from what is not,
   * as where it is read from memory, so that the next step rounds the same.
   */
  state(a: Node): Node {
    return this.make('hold', [a], { level: Level.Neuron })
  }

  /** Its derivative, in which no factors are joined across it. */
  hold(a: Node): Node {
    if (a.op === 'const' || a.op === 'hold') return a
    return a.op === 'neg' ? this.neg(this.hold(a.args[0])) : this.make('hold', [a])
  }

  // Derivatives, where the order of factors is ours.

  /** a·b: factors that are the same for all neurons stand first, and are joined. */
  times(a: Node, b: Node): Node {
    if (isFixed(b) && !isFixed(a)) return this.times(b, a)
    if (is(a, 1) || is(a, -1) || is(b, 1) || is(b, -1)) return this.mul(a, b)
    if (a.op === 'neg' && !isFixed(a)) return this.neg(this.times(a.args[0], b))
    if (b.op === 'neg' && !isFixed(b)) return this.neg(this.times(a, b.args[0]))
    if (!isFixed(b) && b.args.length > 0 && isFixed(b.args[0])) {
      const [k, x] = b.args
      if (isFixed(a) && b.op === 'mul') return this.times(this.mul(a, k), x)
      if (isFixed(a) && b.op === 'div') return this.div(this.mul(a, k), x)
      if (b.op === 'mul') return this.times(k, this.times(a, x))
    }
    if (a.op === 'mul' && isFixed(a.args[0]) && !isFixed(a))
      return this.times(a.args[0], this.times(a.args[1], b))
    return this.mul(a, b)
  }

  /** a + b; both halves of a choice are one. */
  plus(a: Node, b: Node): Node {
    if (a.op === 'where' && b.op === 'where' && a.args[0] === b.args[0]) {
      if (is(a.args[2], 0) && is(b.args[1], 0)) return this.where(a.args[0], a.args[1], b.args[2])
      if (is(b.args[2], 0) && is(a.args[1], 0)) return this.where(a.args[0], b.args[1], a.args[2])
    }
    return this.add(a, b)
  }
}

const idOf = ({ id }: Node): number => id

export const isCondition = ({ op }: Node): boolean => conditions.has(op)

/** Whether it is a constant of this value; −0 is another one than 0. */
export const is = ({ op, value }: Node, of: number): boolean =>
  op === 'const' && Object.is(value, of)

/** Whether a node is the same for all neurons of a layer or channel. */
export const isFixed = ({ level }: Node): boolean => level < Level.Neuron

/** A condition as a mask, and the number that spikes have for derivatives. */
export function maskOf(node: Node): { readonly mask: Node; readonly spike?: Node } | undefined {
  const [first] = node.args
  if (isCondition(node)) return { mask: node }
  if (node.op === 'spike') return { mask: first, spike: node }
  return node.op === 'detach' && first.op === 'spike' ? { mask: first.args[0] } : undefined
}

/** The highest power that is made of products. */
const HIGHEST_POWER = 16

/** x^n: products, a root, or e^(n·ln x). */
export function power(g: Graph, x: Node, n: Node): Node {
  const whole = n.op === 'const' && Number.isInteger(n.value) && Math.abs(n.value) <= HIGHEST_POWER
  if (is(n, 0.5)) return g.make('sqrt', [x])
  if (!whole) return g.make('exp', [g.mul(n, g.make('log', [x]))])
  if (n.value < 0) return g.div(g.constant(1), power(g, x, g.constant(-n.value)))
  if (n.value === 0) return g.constant(1)
  if (n.value === 1) return x
  const half = power(g, x, g.constant(n.value >> 1))
  const square = g.mul(half, half)
  return n.value & 1 ? g.mul(x, square) : square
}

/** All nodes that some are made of, what one is made of before it; of `ends` nothing below. */
export function reachable(roots: readonly Node[], ends?: ReadonlySet<Node>): Node[] {
  const found = Array<Node | undefined>(Math.max(0, ...roots.map(idOf)) + 1)
  for (const root of roots) found[root.id] = root
  // What a node is made of has smaller numbers.
  for (let id = found.length - 1; id >= 0; id--) {
    const node = found[id]
    if (node && !ends?.has(node)) for (const arg of node.args) found[arg.id] = arg
  }
  return found.filter((node) => node !== undefined)
}

// Derivatives of nodes, by nodes. Where there is none, it is undefined: 0 costs nothing.

/** How a small change of an argument changes a node. */
type Change = (d: Node) => Node

/** h'(x) of spikes, by their distance x to the threshold. */
export type Surrogate = (x: Node) => Node

const same: Change = (d) => d

/** Changes by what is taken where a condition holds, and by what is taken elsewhere. */
const halves = (g: Graph, condition: Node, zero = g.constant(0)): readonly Change[] => [
  (d) => g.where(condition, d, zero),
  (d) => g.where(condition, zero, d),
]

/** How a node y changes by each argument. */
type Rule = (g: Graph, y: Node, surrogate: Surrogate) => readonly (Change | undefined)[]

/** Operations that have a derivative. */
const rules: Readonly<Record<string, Rule>> = {
  add: () => [same, same],
  sub: (g) => [same, (d) => g.neg(d)],
  neg: (g) => [(d) => g.neg(d)],
  mul: (g, { args: [a, b] }) => [(d) => g.times(d, b), (d) => g.times(d, a)],
  div: (g, y) => [(d) => g.div(d, y.args[1]), (d) => g.neg(g.div(g.times(d, y), y.args[1]))],
  // At a tie the derivative is that of the first.
  min: (g, { args }) => halves(g, g.make('le', args)),
  max: (g, { args }) => halves(g, g.make('ge', args)),
  abs: (g, { args: [a] }) => [(d) => g.where(g.make('ge', [a, g.constant(0)]), d, g.neg(d))],
  sqrt: (g, y) => [(d) => g.div(g.times(g.constant(0.5), d), y)],
  exp: (g, y) => [(d) => g.times(d, y)],
  log: (g, { args: [a] }) => [(d) => g.div(d, a)],
  tanh: (g, y) => [(d) => g.times(d, g.sub(g.constant(1), g.mul(y, y)))],
  sigmoid: (g, y) => [(d) => g.times(d, g.mul(y, g.sub(g.constant(1), y)))],
  spike(g, { args: [, x, passes] }, surrogate) {
    const by: Change = (d) => g.times(d, surrogate(x))
    return [undefined, passes ? (d) => halves(g, passes)[0](by(d)) : by]
  },
  hold: (g) => [(d) => g.hold(d)],
  where: (g, { args: [condition, a, b, spike] }) => [
    undefined,
    ...halves(g, condition),
    spike && ((d) => g.times(d, g.sub(a, b))),
  ],
}

/** Arguments of a node through which a derivative goes, and how. */
const changesOf = (g: Graph, y: Node, surrogate: Surrogate) =>
  (rules[y.op]?.(g, y, surrogate) ?? []).flatMap((change, i) =>
    change ? [[y.args[i], change] as const] : [],
  )

/**
 * Forward mode: the derivative of each node by what `seeds` says (node → its own derivative), as
 * far as roots are made of it.
 */
export function tangents(
  g: Graph,
  surrogate: Surrogate,
  roots: readonly Node[],
  seeds: ReadonlyMap<Node, Node | undefined>,
): (node: Node) => Node | undefined {
  const known = new Map<Node, Node>()
  for (const node of reachable(roots)) {
    let sum = seeds.get(node)
    if (!seeds.has(node))
      for (const [argument, change] of changesOf(g, node, surrogate)) {
        const d = known.get(argument)
        if (d) sum = sum ? g.plus(sum, change(d)) : change(d)
      }
    if (sum) known.set(node, sum)
  }
  return (node) => known.get(node)
}

/**
 * Reverse mode: the derivative of Σ factor·root by each node; through nodes of `ends` it goes no
 * further.
 */
export function adjoints(
  g: Graph,
  surrogate: Surrogate,
  roots: readonly (readonly [root: Node, factor: Node])[],
  ends: ReadonlySet<Node>,
): (node: Node) => Node | undefined {
  const sums = new Map<Node, Node>()
  const give = (node: Node, d: Node): void => {
    const sum = sums.get(node)
    sums.set(node, sum ? g.plus(sum, d) : d)
  }
  for (const [root, factor] of roots) give(root, factor)
  for (const node of reachable(roots.map(([root]) => root)).reverse()) {
    const d = sums.get(node)
    if (!d || ends.has(node)) continue
    for (const [argument, change] of changesOf(g, node, surrogate))
      if (argument.op !== 'const') give(argument, change(d))
  }
  return (node) => sums.get(node)
}
