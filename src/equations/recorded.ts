/** What can be seen of a neuron at each step: every name behind it, and what its spike compares. */

import { Graph, Level, type Node } from './graph.js'
import { type Equations, isWritten } from './step.js'

type Values = ReadonlyMap<string, Node>

/**
 * All values behind a step, by name. `potential` and `threshold` are the sides of the comparison of
 * `spike = u >= theta`, also where a text has such names.
 */
export function seenOf(values: Values, parameters: readonly string[]): Values {
  const sides = ['potential', 'threshold'].flatMap((side): [string, Node][] => {
    const node = values.get(` ${side}`)
    return node ? [[side, node]] : []
  })
  const own = [...values].filter(
    ([name]) => isWritten(name) && name !== 'dt' && !parameters.includes(name),
  )
  return new Map([...sides, ...own, ...sides])
}

/** Names that can be recorded: the current, what lines assign, and both sides of the spike. */
export function recordable(equations: Equations, parameters: readonly string[]): string[] {
  const g = new Graph(equations.what)
  const given = ['x', ...parameters, ...equations.states]
  const names = new Map(given.map((name) => [name, g.leaf(name, Level.Neuron)] as const))
  equations.run(g, names)
  return [...seenOf(names, parameters).keys()]
}
