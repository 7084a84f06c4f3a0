/** A traced network as JSON, and back: names, layers and wiring; no code, no weights. */

import { describe, fail, isOptions, listNames, quote, SpikewasmError } from '../base/errors.js'
import type { Joint, TraceOps } from './joins.js'
import { kindOf, type Layer, layerKinds } from './kind.js'
import {
  type Composite,
  LONGEST_NAME,
  MOST_INPUTS,
  MOST_NODES,
  type NamedValues,
} from './module.js'
import { type Graph, inputsOf } from './trace.js'
import { isValue, type Value } from './value.js'

/** A node of a network: a layer with its fields, a sum, or values joined. */
export interface NodeJson {
  /** Kind of the layer, 'add' or 'concat'. */
  readonly kind: string
  /** Path of the layer: `layer1.0.conv1`. */
  readonly name: string
  /** Nodes that it reads: inputs count from 0, behind them `nodes`. */
  readonly inputs: readonly number[]
  /** What the layer was made with. Infinity is the text 'Infinity': JSON has no such number. */
  readonly layer?: Readonly<Record<string, unknown>>
  /** The first node of the same layer, as in `inputs`, where they share parameters. */
  readonly sharedWith?: number
}

/** A network without its weights: plain data. */
export interface NetworkJson {
  /** Version of this layout. */
  readonly version: 1
  /** Names of several inputs; absent where there is one. */
  readonly inputs?: readonly string[]
  /** Nodes in the order in which they run, without the inputs. */
  readonly nodes: readonly NodeJson[]
  /** The node that the network gives, as in `inputs`. */
  readonly output: number
  /**
   * Nodes by name of a network with several outputs, the last one being `output`.
   */
  readonly outputs?: readonly (readonly [name: string, node: number])[]
}

/** Nodes in the order in which they run. */
export function graphToJson(graph: Graph): NetworkJson {
  const given = inputsOf(graph)
  const named = given[0].name ? { inputs: given.map(({ name }) => name) } : {}
  const nodes = graph.nodes
    .slice(given.length)
    .map(({ kind, name, inputs, layer, sharedWith }): NodeJson => {
      if (!layer) return { kind, name, inputs }
      const shared = sharedWith === undefined ? {} : { sharedWith }
      return { kind, name, inputs, layer: fieldsOf(layer), ...shared }
    })
  const { output, exits, outputName = '' } = graph
  const others = exits?.map(({ name, node }): [string, number] => [name, node])
  const outputs = others && { outputs: [...others, [outputName, output] as const] }
  return { version: 1, ...named, nodes, output, ...outputs }
}

const fieldsOf = ({ kind: _, ...fields }: Layer): Readonly<Record<string, unknown>> =>
  replaced(fields, Number.POSITIVE_INFINITY, 'Infinity')

/** Fields with `to` in the place of `from`, in lists as well. */
function replaced(fields: object, from: unknown, to: unknown): Record<string, unknown> {
  const swap = (value: unknown): unknown => (value === from ? to : value)
  const all = Object.entries(fields).map(([key, value]) => [
    key,
    Array.isArray(value) && value.includes(from) ? value.map(swap) : swap(value),
  ])
  return Object.fromEntries(all)
}

/**
 * A block that is traced to the same graph. Its layers are made by their own functions, so that
 * what came from a file is checked as what a person writes.
 *
 * @param name what error messages call the network, for example a path
 * @throws SpikewasmError for what is no network, or of another version
 */
export function compositeOf(json: unknown, name: string): Composite {
  const { nodes, output, outputs, inputs } = checkJson(json, name)
  const offset = inputs?.length ?? 1
  const children = new Map<string, Layer>()
  const known = new Map<string, string>()
  for (const [i, node] of nodes.entries()) {
    if (isJoint(node.kind)) continue
    const text = JSON.stringify([node.kind, node.layer])
    const before = known.get(node.name)
    if (before !== undefined && before !== text)
      fail(`${name}: nodes of one name must be one layer, got two for ${quote(node.name)}`)
    if (before !== undefined) continue
    known.set(node.name, text)
    const first = nodes[(node.sharedWith ?? 0) - offset]?.name
    const layer =
      children.get(first) ?? layerOf(node, `${name}: node ${i + 1}, ${quote(node.name)},`)
    children.set(node.name, layer)
  }
  return {
    kind: 'block',
    children: Object.fromEntries(children),
    forward(layers, x, ops) {
      const named = x as Value | NamedValues as NamedValues
      const odd = inputs?.find((of) => !isValue(named[of]))
      if (odd !== undefined)
        fail(`${name}: input must have sizes for ${listNames(inputs ?? [])}, got none for ${odd}`)
      const values: Value[] = inputs ? inputs.map((of) => named[of]) : [x]
      for (const { kind, name: of, inputs } of nodes) {
        const read = inputs.map((index) => values[index])
        const behind = layers[of] as (...of: Value[]) => Value
        if (isJoint(kind)) values.push((ops as TraceOps).joinAs(kind, of, ...read))
        else values.push(behind(...read))
      }
      if (!outputs) return values[output]
      return Object.fromEntries(outputs.map(([of, node]) => [of, values[node]]))
    },
  }
}

function layerOf({ kind, layer = {} }: NodeJson, where: string): Layer {
  const fields = replaced(layer, 'Infinity', Number.POSITIVE_INFINITY)
  const own = { kind } as Layer
  try {
    return kindOf(own).again(fields as never)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    fail(`${where} cannot be made: ${error.message}`, error)
  }
}

/** @throws SpikewasmError unless fields have their types and inputs come before their readers */
function checkJson(json: unknown, name: string): NetworkJson {
  const of = json as Partial<NetworkJson> | null
  if (!(typeof of === 'object' && of !== null && of.version === 1))
    fail(
      `${name}: must be a network of version 1, got ` +
        (typeof of === 'object' && of !== null ? `version ${describe(of.version)}` : describe(of)),
    )
  const { nodes: given, output, inputs } = of
  const isName = (of: unknown): boolean => typeof of === 'string' && of !== ''
  if (inputs !== undefined && !(Array.isArray(inputs) && inputs.length > 0 && inputs.every(isName)))
    fail(`${name}: inputs must be a list of names, got ${countOf(inputs)}`)
  const before = inputs?.length ?? 1
  if (!(Array.isArray(given) && given.length >= 1 && given.length <= MOST_NODES))
    fail(`${name}: nodes must be a list of 1 to ${MOST_NODES}, got ${countOf(given)}`)
  const nodes: (Partial<NodeJson> | null)[] = given
  for (const i of nodes.keys()) checkNode(nodes, i, before, name)
  const last = nodes.length + before - 1
  if (!isWithin(output, before, last))
    fail(`${name}: output must be a node from ${before} to ${last}, got ${describe(output)}`)
  checkOutputs(of.outputs, last, output as number, name)
  return { ...of, nodes } as NetworkJson
}

function checkOutputs(outputs: unknown, count: number, output: number, name: string): void {
  if (outputs === undefined) return
  const isExit = (exit: unknown): boolean =>
    Array.isArray(exit) &&
    exit.length === 2 &&
    typeof exit[0] === 'string' &&
    exit[0].length <= LONGEST_NAME &&
    isWithin(exit[1], 1, count)
  const isList = Array.isArray(outputs) && outputs.length >= 2 && outputs.length <= MOST_INPUTS
  const areExits =
    isList &&
    outputs.every(isExit) &&
    new Set(outputs.map(([of]) => of)).size === outputs.length &&
    outputs[outputs.length - 1][1] === output
  if (!areExits)
    fail(
      `${name}: outputs must be a list of two or more [name, node] with names of their own, the ` +
        `last node being ${output}, got ${countOf(outputs)}`,
    )
}

/** @param offset inputs, which come before */
function checkNode(
  all: readonly (Partial<NodeJson> | null)[],
  i: number,
  offset: number,
  name: string,
): void {
  const node = all[i]
  const index = i + offset
  const where = `${name}: node ${i + 1}`
  if (!(typeof node === 'object' && node !== null)) fail(`${where} must be an object`)
  const { kind, name: path, inputs, layer, sharedWith } = node
  if (!isJoint(kind) && !layerKinds.includes(kind as Layer['kind']))
    fail(`${where} must be one of ${layerKinds.join(', ')}, add, concat, got ${describe(kind)}`)
  const isPath = typeof path === 'string' && path.length <= LONGEST_NAME
  if (!isPath) fail(`${where}: its name must be a text of at most ${LONGEST_NAME} characters`)
  if (path.split('.').includes('__proto__'))
    fail(`${where}: its name must have no part __proto__, got ${describe(path)}`)
  const count = isJoint(kind) ? undefined : (kindOf({ kind } as Layer).inputs ?? 1)
  const isBefore = (n: unknown): boolean => isWithin(n, 0, index - 1)
  const isList = Array.isArray(inputs) && inputs.length <= MOST_INPUTS && inputs.every(isBefore)
  if (!(isList && (count === undefined ? inputs.length >= 2 : inputs.length === count)))
    fail(
      `${where}: inputs must be ${count ?? 'two or more'} of the nodes before it, got ` +
        countOf(inputs),
    )
  const first = all[(sharedWith ?? 0) - offset]
  const isSame = isBefore(sharedWith) && first?.kind === kind && sameFields(first?.layer, layer)
  if (sharedWith !== undefined && !isSame)
    fail(
      `${where}: sharedWith must be a node before it of the same layer, got ` +
        describe(sharedWith),
    )
  if (layer !== undefined && !isOptions(layer))
    fail(`${where}: its fields must be an object, got ${describe(layer)}`)
}

const isWithin = (n: unknown, least: number, most: number): boolean =>
  Number.isInteger(n) && (n as number) >= least && (n as number) <= most

const sameFields = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Whether a node puts several others together. */
const isJoint = (kind: unknown): kind is Joint['kind'] => kind === 'add' || kind === 'concat'

const countOf = (list: unknown): string =>
  Array.isArray(list) ? `a list of ${list.length}` : describe(list)
