/** One time step: lines → nodes. */

import { type Graph, maskOf, type Node, power } from './graph.js'
import { draw, type Noise } from './noise.js'
import * as parse from './parse.js'
import { isWritten, noteSides } from './step.js'

/** Functions by how many arguments they take. */
const byArguments = [
  [1, ['exp', 'log', 'sqrt', 'tanh', 'sigmoid', 'abs', 'floor', 'round', 'sign', 'detach']],
  [2, ['min', 'max']],
  [3, ['where']],
  [0, ['rand', 'randn']],
] as const

/** Functions, and how many arguments each takes. */
export const functions: Readonly<Record<string, number>> = /* @__PURE__ */ Object.fromEntries(
  byArguments.flatMap(([count, names]) => names.map((name) => [name, count])),
)

/** Names with a meaning of their own. */
const words = ['pi', 'dt', 'x', 'and', 'or', 'not']
export const reserved: ReadonlySet<string> = new Set([...Object.keys(functions), ...words])

const signs = { ge: '>=', gt: '>', le: '<=', lt: '<', eq: '==', ne: '!=' } as const
const isComparison = (kind: string): kind is parse.Comparison => Object.hasOwn(signs, kind)

/**
 * Expressions of a source as nodes; `names`: those that are known, which lines add to; `noise`:
 * what numbers that are drawn follow from.
 */
export class Evaluator {
  constructor(
    private readonly g: Graph,
    private readonly source: parse.Source,
    readonly names: Map<string, Node>,
    private readonly noise?: Noise,
  ) {}

  private error(at: number, problem: string): parse.EquationError {
    return new parse.EquationError(this.source, at, problem)
  }

  /** A number; conditions are 1 or 0. */
  number(tree: parse.Tree): Node {
    return this.g.number(this.value(tree))
  }

  /** A condition, and the number that spikes have for derivatives. */
  private condition(tree: parse.Tree): { readonly mask: Node; readonly spike?: Node } {
    const found = maskOf(this.value(tree))
    if (found) return found
    const before = tree.kind === 'name' && tree.name === 'spike'
    throw this.error(
      tree.at,
      before
        ? 'spike is that of the step before here, a number; write spike > 0'
        : 'a condition belongs here, such as u > 0; this is a number',
    )
  }

  value(tree: parse.Tree): Node {
    const { g } = this
    switch (tree.kind) {
      case 'number':
        return g.constant(tree.value)
      case 'name':
        return this.named(tree.name, tree.at)
      case 'neg':
        return g.neg(this.number(tree.of))
      case 'not':
        return g.not(this.condition(tree.of).mask)
      case 'and':
      case 'or':
        return g.make(tree.kind, [this.condition(tree.left).mask, this.condition(tree.right).mask])
      case 'call':
        return this.call(tree.name, tree.args, tree.at)
      default:
        return this.binary(tree.kind, this.number(tree.left), this.number(tree.right))
    }
  }

  private named(name: string, at: number): Node {
    const node = this.names.get(name) ?? (name === 'pi' ? this.g.constant(Math.PI) : undefined)
    if (node) return node
    if (Object.hasOwn(functions, name))
      throw this.error(at, `${name} is a function; write ${name}(…)`)
    const known = [...this.names.keys()].filter(isWritten).join(', ')
    throw this.error(at, `unknown name ${name}; known are ${known}`)
  }

  private binary(kind: parse.Arithmetic | parse.Comparison, a: Node, b: Node): Node {
    const { g } = this
    if (isComparison(kind)) return g.make(kind, [a, b])
    return kind === 'pow' ? power(g, a, b) : g[kind](a, b)
  }

  private call(name: string, args: readonly parse.Tree[], at: number): Node {
    const { g } = this
    if (!Object.hasOwn(functions, name))
      throw this.error(
        at,
        `unknown function ${name}; there are ${Object.keys(functions).join(', ')}`,
      )
    const count = functions[name]
    if (args.length !== count)
      throw this.error(
        at,
        `${name} takes ${count || 'no'} argument${count === 1 ? '' : 's'}, got ${args.length}`,
      )
    if (name === 'rand' || name === 'randn') {
      if (this.noise) return draw(g, name, at, this.noise)
      throw this.error(at, `${name} is for lines that a time step runs`)
    }
    if (name === 'where') {
      const { mask, spike } = this.condition(args[0])
      return g.where(mask, this.number(args[1]), this.number(args[2]), spike)
    }
    const values = args.map((tree) => this.number(tree))
    if (name !== 'sign') return g.make(name, values)
    const [x] = values
    const zero = g.constant(0)
    const one = g.constant(1)
    // NaN and 0 stay as they are.
    const below = g.where(g.make('lt', [x, zero]), g.constant(-1), g.make('detach', [x]))
    return g.where(g.make('gt', [x, zero]), one, below)
  }

  /**
   * A line `spike = condition`: derivatives go through its first comparison by the surrogate of the
   * distance; what stands behind `and` only lets spikes through.
   */
  private spike(tree: parse.Tree): Node {
    const { g } = this
    let first = tree
    while (first.kind === 'and') first = first.left
    if (!['ge', 'gt', 'le', 'lt'].includes(first.kind) || !('left' in first))
      throw this.error(first.at, 'spike must be a comparison, such as u >= theta')
    const [a, b] = [this.number(first.left), this.number(first.right)]
    const rises = first.kind === 'ge' || first.kind === 'gt'
    const [potential, threshold] = rises ? [a, b] : [b, a]
    const distance = noteSides(g, this.names, potential, threshold)
    const passes = this.others(tree)
    const fires = g.make(first.kind, [a, b])
    return g.spike(passes ? g.make('and', [fires, passes]) : fires, distance, passes)
  }

  /** What stands behind the first `and` of a condition. */
  private others(tree: parse.Tree): Node | undefined {
    if (tree.kind !== 'and') return undefined
    const before = this.others(tree.left)
    const { mask } = this.condition(tree.right)
    return before ? this.g.make('and', [before, mask]) : mask
  }

  /** Runs a line that is no rate. A condition is a number where it is the result. */
  run({ name, tree }: parse.Line): Node {
    const isResult = name === undefined || name === 'output'
    const read = name === 'spike' ? this.spike(tree) : this.value(tree)
    const value = isResult ? this.g.number(read) : read
    if (name !== undefined) this.names.set(name, value)
    return value
  }
}
