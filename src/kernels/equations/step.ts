/** What a neuron does in a time step, wherever its lines come from. */

import type { Graph, Node } from './graph.js'
import type { Lowerings } from './lower.js'

/** Runs lines on nodes by name, which are added to. @returns the value of the last line */
export type Run = (g: Graph, names: Map<string, Node>) => Node

/** Lines, and a text that tells them from others. */
export interface Written {
  readonly text: string
  readonly run: Run
}

/** Where a parameter has to stay. */
export interface Range {
  readonly least: number
  readonly most: number
  /** Whether the bounds themselves are in it. */
  readonly withLeast: boolean
  readonly withMost: boolean
}

export const openRange: Range = {
  least: -Infinity,
  most: Infinity,
  withLeast: false,
  withMost: false,
}

/** A neuron as its equations say. */
export interface Equations extends Written {
  /** What messages call it. */
  readonly what: string
  /** Names that a step reads before it assigns them. */
  readonly states: readonly string[]
  /** The state that is the potential: the first one that the line of the output reads. */
  readonly potential: number
  readonly ranges: ReadonlyMap<string, Range>
  /** What a neuron gives: spikes, or a number. */
  readonly output: 'spike' | 'output'
  /** Where numbers are drawn, in their order. */
  readonly draws?: readonly number[]
  /** Functions that its lines may call beside exp. */
  readonly functions?: Lowerings
}

/** Whether a name is of a text: what the package adds begins with a space. */
export const isWritten = (name: string): boolean => name[0] !== ' '

/** Adds both sides of a spike's comparison. @returns the distance between them */
export function noteSides(
  g: Graph,
  names: Map<string, Node>,
  potential: Node,
  threshold: Node,
): Node {
  names.set(' potential', potential)
  names.set(' threshold', threshold)
  return g.sub(potential, threshold)
}

/** A line that assigns a name, and the names that it reads, in order. */
export type Assignment = readonly [name: string, reads: readonly string[]]

/** States, and what else follows from what lines read. */
export function statesOf(
  lines: readonly Assignment[],
): Pick<Equations, 'states' | 'potential' | 'output'> {
  const assigned = new Set(lines.map(([name]) => name))
  const isSpiking = assigned.has('spike')
  const output = isSpiking ? 'spike' : 'output'
  const found = new Set<string>()
  const written = new Set<string>()
  for (const [name, reads] of lines) {
    for (const one of reads) if (assigned.has(one) && !written.has(one)) found.add(one)
    written.add(name)
  }
  const states = [...found]
  const reads = lines.find(([name]) => name === output)?.[1] ?? []
  const potential = states.indexOf(reads.find((name) => found.has(name)) ?? states[0])
  return { states, potential, output }
}
