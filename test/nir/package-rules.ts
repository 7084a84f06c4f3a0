/**
 * Whether the Python package `nir` 1.0.7 reads a file: `nir.read` with its type check, from
 * `NIRGraph.infer_types` and `check_types` of github.com/neuromorphs/NIR. Both ends of each edge
 * must have the same sizes.
 */

import { readFile } from 'node:fs/promises'
import * as assert from 'uvu/assert'
import type { Group, Tree } from '../../src/files/nir/graph.js'
import { readHdf5 } from '../../src/files/nir/hdf5.js'
import type { SaveNirOptions } from '../../src/files/nir/options.js'
import type { Model } from '../../src/model/model.js'
import { equal, PackageNode, type Rules } from './package-nodes.js'
import { nodesOf } from './trees.js'

type Nodes = ReadonlyMap<string, PackageNode>
type Edge = readonly [from: string, to: string]

/** Writes a model to a file that the package must read. */
export async function saveNir(model: Model, path: string, options?: SaveNirOptions): Promise<void> {
  await model.saveNir(path, options)
  await expectPackageReads(path)
}

/**
 * A saved file keeps to the definition, and the package reads it, unless a convolution is why not:
 * one with groups, or with a kernel of two sizes.
 */
export async function expectPackageReads(path: string): Promise<void> {
  const tree = await readHdf5(await readFile(path), path)
  assert.is(refusal(tree, 'definition'), undefined, path)
  if (!hasMisjudged(tree)) assert.is(refusal(tree, 'package'), undefined, path)
}

/** Why a file is refused; undefined where it is read. */
export function refusal(tree: Group, rules: Rules): string | undefined {
  try {
    check(tree, rules)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** Goes from the inputs along the edges, each node once; what has no type yet takes that of before. */
function inferTypes(nodes: Nodes, edges: readonly Edge[]): void {
  const ready = edges.filter(([from]) => nodes.get(from)!.type === 'Input')
  if (ready.length === 0) throw new Error('No input nodes found')
  const seen = new Set(ready.map(([from]) => from))
  while (ready.length > 0) {
    const [from, to] = ready.pop()!
    const node = nodes.get(to)!
    const { output } = nodes.get(from)!.types
    node.types.input ??= output
    expectEqual(from, to, nodes)
    node.types.output ??= node.kind.output!(node, node.types.input!)
    seen.add(to)
    ready.push(...edges.filter(([a, b]) => a === to && !seen.has(b)))
  }
}

function expectEqual(from: string, to: string, nodes: Nodes): void {
  const { output } = nodes.get(from)!.types
  const { input } = nodes.get(to)!.types
  if (!equal(output, input))
    throw new Error(`type mismatch: ${from}.output: [${output}] -> ${to}.input: [${input}]`)
}

function edgesOf(edges: Tree | undefined, nodes: Nodes): Edge[] {
  if (edges?.kind !== 'texts' || edges.shape[1] !== 2) throw new Error('edges are no pairs')
  const pairs = Array.from(
    { length: edges.shape[0] },
    (_, i): Edge => [edges.data[2 * i], edges.data[2 * i + 1]],
  )
  for (const end of pairs.flat()) if (!nodes.has(end)) throw new Error(`KeyError: ${end}`)
  return pairs
}

/** @throws Error where the package would */
function check(tree: Group, rules: Rules): void {
  const graph = tree.members.get('node')
  const members = graph?.kind === 'group' ? graph.members : new Map<string, Tree>()
  for (const field of members.keys())
    if (!['type', 'nodes', 'edges', 'metadata'].includes(field))
      throw new Error(`unexpected argument '${field}'`)
  const all = members.get('nodes')
  if (all?.kind !== 'group') throw new Error("must have a 'nodes' entry")
  const nodes = new Map(
    [...all.members].map(([name, of]) => {
      if (of.kind !== 'group') throw new Error(`${name} is no group`)
      return [name, new PackageNode(name, of, rules)]
    }),
  )
  const edges = edgesOf(members.get('edges'), nodes)
  inferTypes(nodes, edges)
  for (const [from, to] of edges) expectEqual(from, to, nodes)
  // The package would put others beside the ends, which is not what was saved.
  for (const [name, { type }] of nodes) {
    if (type !== 'Input' && !edges.some(([, to]) => to === name)) throw new Error(`root ${name}`)
    if (type !== 'Output' && !edges.some(([from]) => from === name)) throw new Error(`leaf ${name}`)
  }
}

/** Whether a convolution is one that the package reckons wrongly with. */
function hasMisjudged(tree: Group): boolean {
  return [...nodesOf(tree)].some(([name, of]) => {
    const node = new PackageNode(name, of as Group, 'definition')
    if (node.type !== 'Conv2d' && node.type !== 'Conv1d') return false
    const [, , ...kernel] = node.shape('weight')
    return node.scalar('groups') > 1 || kernel.some((n) => n !== kernel[0])
  })
}
