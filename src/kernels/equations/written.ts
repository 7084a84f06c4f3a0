/**
 * Equations that the package writes itself, read as `parse.ts` and `evaluate.ts` read those of
 * users, without a word of what may be wrong with them: pages whose neurons are presets load
 * nothing else.
 */

import { type Graph, maskOf, type Node, power } from './graph.js'
import { type Equations, noteSides, openRange, type Range, statesOf, type Written } from './step.js'

const TOKEN = /[\w.]+|[<>]=?|\S/g

/** How tightly operators bind, and what they are called. */
const operators: Readonly<Record<string, readonly [rank: number, op: string]>> = {
  and: [1, 'and'],
  '>=': [2, 'ge'],
  '>': [2, 'gt'],
  '<=': [2, 'le'],
  '<': [2, 'lt'],
  '+': [3, 'add'],
  '-': [3, 'sub'],
  '*': [4, 'mul'],
  '/': [4, 'div'],
  '^': [5, 'pow'],
}

class Reader {
  private at = 0
  private readonly tokens: readonly string[]

  constructor(
    text: string,
    private readonly g: Graph,
    private readonly names: Map<string, Node>,
  ) {
    this.tokens = text.match(TOKEN) ?? []
  }

  /** What comes up to an operator that binds no tighter. */
  value(rank = 0): Node {
    const { g } = this
    let left = this.primary()
    for (;;) {
      const [tighter, op] = operators[this.tokens[this.at]] ?? [0, '']
      if (tighter <= rank) return left
      this.at++
      const right = this.value(tighter)
      left =
        op === 'pow'
          ? power(g, left, right)
          : tighter > 2
            ? g[op as 'add' | 'sub' | 'mul' | 'div'](g.number(left), g.number(right))
            : g.make(op, [left, right])
    }
  }

  private primary(): Node {
    const { g } = this
    const token = this.tokens[this.at++]
    if (token === '-') return g.neg(this.value(4))
    if (token === '(') return this.args()[0]
    if (/[\d.]/.test(token[0])) return g.constant(Number(token))
    if (this.tokens[this.at] !== '(') return this.names.get(token) ?? g.constant(Math.PI)
    this.at++
    const args = this.args()
    if (token !== 'where') return g.make(token, args)
    const { mask, spike } = maskOf(args[0]) as { mask: Node; spike?: Node }
    return g.where(mask, args[1], args[2], spike)
  }

  private args(): Node[] {
    const args: Node[] = []
    do args.push(this.value())
    while (this.tokens[this.at++] === ',')
    return args
  }

  spike(): Node {
    const { g } = this
    const a = this.value(2)
    const op = operators[this.tokens[this.at++]][1]
    const b = this.value(2)
    const distance = noteSides(g, this.names, a, b)
    const passes = this.tokens[this.at++] ? this.value(1) : undefined
    const fires = g.make(op, [a, b])
    return g.spike(passes ? g.make('and', [fires, passes]) : fires, distance, passes)
  }
}

/** Lines: what each assigns, if it does, and its expression. */
const linesOf = (text: string): (readonly [name: string, expression: string])[] =>
  text.split('\n').map((line) => {
    const [, name = '', expression] = /^\s*(?:(\w+) = )?(.*)/.exec(line) as RegExpExecArray
    return [name, expression]
  })

/** Lines of the package's own, which are read when they are run. */
export const written = (text: string): Written => ({
  text,
  run(g, names) {
    let last = g.constant(0)
    for (const [name, expression] of linesOf(text)) {
      const reader = new Reader(expression, g, names)
      last = name === 'spike' ? reader.spike() : reader.value()
      names.set(name, last)
    }
    return last
  },
})

/** Each layer's kind asks several times; presets have no more texts than sets of options. */
const known = new Map<string, Equations>()

/** A neuron of the package's own; ranges stand above what a step runs. */
export function writtenNeuron(what: string, text: string): Equations {
  const key = `${what} ${text}`
  const found = known.get(key) ?? readWritten(what, text)
  known.set(key, found)
  return found
}

function readWritten(what: string, text: string): Equations {
  const lines = linesOf(text)
  const steps = lines.filter(([name]) => name)
  const ranges = new Map(
    lines.flatMap(([name, range]): [string, Range][] => {
      const [of, sign, least] = range.split(' ')
      return name ? [] : [[of, { ...openRange, least: Number(least), withLeast: sign === '>=' }]]
    }),
  )
  return {
    ...written(steps.map((line) => line.join(' = ')).join('\n')),
    ...statesOf(steps.map(([name, expression]) => [name, expression.match(TOKEN) ?? []])),
    what,
    ranges,
    text,
  }
}
