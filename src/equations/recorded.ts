/** What can be seen of a neuron at each step: every name behind it, and what its spike compares. */

import { Graph, Level, type Node } from './graph.js'
import type { Equations } from './step.js'

type Values = ReadonlyMap<string, Node>

/** The sides of the comparison of `spike = u >= theta`: what rises, and what it rises to. */
function comparedOf(spike: Node | undefined): Readonly<Record<string, Node>> {
  if (spike?.op !== 'spike') return {}
  let [found] = spike.args
  while (found.op === 'and') [found] = found.args
  const [a, b] = found.args
  if (found.op === 'ge' || found.op === 'gt') return { potential: a, threshold: b }
  return found.op === 'le' || found.op === 'lt' ? { potential: b, threshold: a } : {}
}

/** All values behind a step, by name; a text's own names go before those of the comparison. */
export const seenOf = (values: Values, parameters: readonly string[]): Values =>
  new Map([
    ...Object.entries(comparedOf(values.get('spike'))),
    ...[...values].filter(([name]) => !parameters.includes(name) && /^(?!dt$)\w/.test(name)),
  ])

/** Names that can be recorded: the current, what lines assign, and both sides of the spike. */
export function recordable(equations: Equations, parameters: readonly string[]): string[] {
  const g = new Graph(equations.what)
  const given = ['x', ...parameters, ...equations.states]
  const names = new Map(given.map((name) => [name, g.leaf(name, Level.Neuron)] as const))
  equations.run(g, names)
  return [...seenOf(names, parameters).keys()]
}
