/** Trees of NIR files, made by hand. */

import { readFile } from 'node:fs/promises'
import { type Group, group, numbers, type Tree, texts } from '../../src/files/nir/graph.js'

export type Fields = Readonly<Record<string, Tree>>

export const node = (type: string, fields: Fields = {}): Group =>
  group([['type', word(type)], ...Object.entries(fields)])

export const word = (text: string): Tree => texts([text], [])
export const whole = (...values: number[]): Tree => numbers(BigInt64Array.from(values, BigInt))
export const alone = (value: number): Tree => numbers(BigInt64Array.of(BigInt(value)), [])
export const list = (...values: number[]): Tree => numbers(Float32Array.from(values))

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** What a file of these nodes and edges holds; by default the nodes stand in a row. */
export function fileOf(
  nodes: readonly (readonly [string, Tree])[],
  edges = nodes.slice(1).map(([name], i) => [nodes[i][0], name]),
): Group {
  const graph = { nodes: group(nodes), edges: texts(edges.flat(), [edges.length, 2]) }
  return group([
    ['version', word('1.0')],
    ['node', node('NIRGraph', graph)],
  ])
}

/** The nodes of a file. */
export function nodesOf(file: Group): ReadonlyMap<string, Tree> {
  const graph = file.members.get('node') as Group
  return (graph.members.get('nodes') as Group).members
}

export const fixture = (name: string): Promise<Uint8Array> =>
  readFile(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url))
