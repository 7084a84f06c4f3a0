/** NIR graphs: nodes with their fields, and edges; read from the tree of an HDF5 file. */

import { describe, fail, listNames, quote } from '../../base/errors.js'
import { sizeOf } from '../../network/value.js'

/** An array of a node. */
export interface NirTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Float64Array
}

/** A node that computes something, or stands for the input or the output. */
export interface NirNode {
  /** Such as 'Affine' or 'LIF'. */
  readonly type: string
  readonly fields: ReadonlyMap<string, Tree>
}

export interface NirGraph {
  readonly type: 'NIRGraph'
  readonly nodes: ReadonlyMap<string, NirNode | NirGraph>
  readonly edges: readonly (readonly [from: string, to: string])[]
  readonly metadata: Tree | undefined
}

export interface NirFile {
  /** Version of the `nir` package that wrote it, such as '1.0.4'. */
  readonly version: string
  readonly graph: NirGraph
}

export const isGraph = (node: NirNode | NirGraph): node is NirGraph => 'nodes' in node

/** More than any network has; each costs time before anything else is known. */
const MOST_NODES = 2500
const MOST_EDGES = 20_000
const MOST_DEPTH = 16
const LONGEST_NAME = 500

/** Versions whose files are read. Files of all of them have one layout. */
const versions = /^[01]\.\d{1,6}(\.[\w.+-]{1,60})?$/

/**
 * @param name what messages call the file
 * @throws SpikewasmError that names the node or field, for what is no NIR graph
 */
export function graphOf(tree: Group, name: string): NirFile {
  const version = tree.members.get('version')
  const known = 'files of NIR 0.x and 1.x are read'
  if (version?.kind !== 'texts' || version.data.length !== 1)
    fail(`${name}: must say the version of NIR that it is of, got none; ${known}`)
  if (!versions.test(version.data[0]))
    fail(`${name}: must be of a known version of NIR, got ${quote(version.data[0])}; ${known}`)
  const node = tree.members.get('node')
  if (node?.kind !== 'group') fail(`${name}: must hold a graph named node, got none`)
  const counted = { nodes: 0 }
  const found = nodeOf(node, `${name}: the graph`, 0, counted)
  if (!isGraph(found))
    fail(`${name}: must hold a NIRGraph, got a single node of type ${quote(found.type)}`)
  return { version: version.data[0], graph: found }
}

function nodeOf(
  of: Group,
  where: string,
  depth: number,
  counted: { nodes: number },
): NirNode | NirGraph {
  if (!(depth <= MOST_DEPTH)) fail(`${where}: graphs must lie within ${MOST_DEPTH} others at most`)
  const type = of.members.get('type')
  if (type?.kind !== 'texts' || type.data.length !== 1)
    fail(`${where} must have a type, got ${type === undefined ? 'none' : type.kind}`)
  if (type.data[0] !== 'NIRGraph') return { type: type.data[0], fields: of.members }
  const nodes = of.members.get('nodes')
  if (nodes?.kind !== 'group') fail(`${where} must have nodes, got none`)
  counted.nodes += nodes.members.size
  if (!(counted.nodes >= 1 && counted.nodes <= MOST_NODES))
    fail(`${where} must have 1 to ${MOST_NODES} nodes, got ${counted.nodes}`)
  const made = new Map<string, NirNode | NirGraph>()
  for (const [key, member] of nodes.members) {
    if (!(key.length <= LONGEST_NAME && key !== '__proto__'))
      fail(`${where}: names of nodes must be texts of at most ${LONGEST_NAME}, got ${quote(key)}`)
    const at = `${where}: node ${quote(key)}`
    if (member.kind !== 'group') fail(`${at} must be a group of fields, got ${member.kind}`)
    made.set(key, nodeOf(member, at, depth + 1, counted))
  }
  return {
    type: 'NIRGraph',
    nodes: made,
    edges: edgesOf(of.members.get('edges'), made, where),
    metadata: of.members.get('metadata'),
  }
}

function edgesOf(
  edges: Tree | undefined,
  nodes: ReadonlyMap<string, unknown>,
  where: string,
): [string, string][] {
  // A graph without edges is written as an empty array of numbers.
  if (edges !== undefined && 'data' in edges && edges.data.length === 0) return []
  if (edges?.kind !== 'texts' || edges.shape.length !== 2 || edges.shape[1] !== 2)
    fail(`${where} must have edges, pairs of names [n, 2], got ${shapeText(edges)}`)
  const { data } = edges
  if (!(data.length / 2 <= MOST_EDGES))
    fail(`${where} must have at most ${MOST_EDGES} edges, got ${data.length / 2}`)
  const pairs: [string, string][] = []
  const seen = new Set<string>()
  for (let i = 0; i < data.length; i += 2) {
    const pair: [string, string] = [data[i], data[i + 1]]
    for (const end of pair)
      if (!nodes.has(end))
        fail(
          `${where}: the edge from ${quote(pair[0])} to ${quote(pair[1])} must join two of its ` +
            `nodes, got no node ${quote(end)}; nodes are ${listNames([...nodes.keys()])}`,
        )
    // Files of some programs name an edge twice; it is one.
    const key = JSON.stringify(pair)
    if (!seen.has(key)) pairs.push(pair)
    seen.add(key)
  }
  return pairs
}

const shapeText = (tree: Tree | undefined): string =>
  tree === undefined
    ? 'none'
    : 'shape' in tree
      ? `${tree.kind} of shape [${tree.shape.join(', ')}]`
      : tree.kind

/** The fields of one node, checked as they are read. */
export class Fields {
  /** @param where what messages call the node: file, path and type */
  constructor(
    private readonly fields: ReadonlyMap<string, Tree>,
    readonly where: string,
  ) {}

  has(field: string): boolean {
    return this.fields.has(field)
  }

  /** @throws SpikewasmError unless the field holds finite numbers */
  tensor(field: string): NirTensor {
    const found = this.fields.get(field)
    if (found?.kind !== 'numbers')
      fail(`${this.where} must have numbers ${field}, got ${shapeText(found)}`)
    const { shape, data: raw } = found
    const data =
      raw instanceof Float32Array || raw instanceof Float64Array
        ? raw
        : Float64Array.from(raw as ArrayLike<number | bigint>, Number)
    for (let i = 0; i < data.length; i++)
      if (!Number.isFinite(data[i]))
        fail(`${this.where} must have finite numbers ${field}, got ${data[i]}`)
    return { shape, data }
  }

  /**
   * Integers: as many as wanted, or one for all of them.
   * @throws SpikewasmError for others, or for less than `least`
   */
  integers(field: string, count: number, least: number): number[] {
    const { data } = this.tensor(field)
    const all = data.length === 1 && count > 1 ? Array(count).fill(data[0]) : [...data.slice(0, 9)]
    if (all.length !== count || !all.every((n) => Number.isSafeInteger(n) && n >= least))
      fail(
        `${this.where}: ${field} must be ${count === 1 ? 'an integer' : `${count} integers`} ` +
          `>= ${least}, got ${describe(all)}`,
      )
    return all
  }

  integer(field: string, least: number, preset?: number): number {
    if (preset !== undefined && !this.has(field)) return preset
    return this.integers(field, 1, least)[0]
  }

  /** A text; undefined where the field holds something else, or is not there. */
  text(field: string): string | undefined {
    const found = this.fields.get(field)
    return found?.kind === 'texts' && found.data.length === 1 ? found.data[0] : undefined
  }

  /** Sizes of a sample, [N], [C, L] or [C, H, W]; of more, sizes of 1 in front are left out. */
  shape(field: string): number[] {
    const { shape: sizes } = this.tensor(field)
    if (!(sizes.length <= 1 && sizeOf(sizes) <= 8))
      fail(`${this.where}: ${field} must be a list of sizes, got shape [${sizes.join(', ')}]`)
    const given = this.integers(field, sizeOf(sizes), 1)
    const shape = [...given]
    while (shape.length > 3 && shape[0] === 1) shape.shift()
    if (!(shape.length >= 1 && shape.length <= 3 && Number.isSafeInteger(sizeOf(shape))))
      fail(
        `${this.where}: ${field} must be [features], [channels, length] or [channels, height, ` +
          `width], got [${given.join(', ')}]`,
      )
    return shape
  }

  /** A text of the node's own metadata. */
  note(key: string): string | undefined {
    const found = this.fields.get('metadata')
    const text = found?.kind === 'group' ? found.members.get(key) : undefined
    return text?.kind === 'texts' && text.data.length === 1 ? text.data[0] : undefined
  }
}

// What an HDF5 file holds, as plain data: groups of groups, numbers and texts. It goes between
// threads.

/** Numbers of any shape, [] for a single one; integers of 64 bits as bigints. */
export type NumbersLeaf = Readonly<ReturnType<typeof numbers>>

/** Texts of any shape, [] for a single one. */
export type TextsLeaf = Readonly<ReturnType<typeof texts>>

/** What no graph holds: references, compounds, links to other files. It is not read. */
export interface OtherLeaf {
  readonly kind: 'other'
  /** What it is, for messages. */
  readonly what: string
}

export interface Group {
  readonly kind: 'group'
  readonly members: ReadonlyMap<string, Tree>
}

export type Tree = Group | NumbersLeaf | TextsLeaf | OtherLeaf

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/** Bounds of a file, so that a hostile one cannot take all memory. */
export const most = {
  /** Bytes of the file. */
  file: 1 << 29,
  /** Bytes of all numbers and texts once they are unpacked. */
  unpacked: 1 << 30,
  /** Groups, numbers and texts. */
  members: 50_000,
  /** Groups within groups. */
  depth: 40,
  /** Numbers of sizes of an array. */
  dimensions: 8,
  /** Texts of an array. */
  texts: 200_000,
  /** Characters of a text or a name. */
  text: 1 << 20,
} as const

export const numbers = (data: Numbers, shape: readonly number[] = [data.length]) => ({
  kind: 'numbers' as const,
  shape,
  data,
})

export const texts = (data: readonly string[], shape: readonly number[] = [data.length]) => ({
  kind: 'texts' as const,
  shape,
  data,
})

export const group = (members: Iterable<readonly [string, Tree]>): Group => ({
  kind: 'group',
  members: new Map(members),
})

/** The HDF5 library, which is an optional dependency. */
export const hdf5Package = 'h5wasm'
