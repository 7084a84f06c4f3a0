/**
 * Calls a network once with symbolic values: checks every shape and returns the graph that the
 * planner compiles.
 */

import { describe, expect, SpikewasmError } from '../errors.js'
import type { Layer } from '../nn/layers/index.js'
import { kindOf, labelOf } from '../nn/layers/kinds.js'
import { type Apply, checkModule, type Module, type Ops } from '../nn/module.js'
import {
  checkInputShape,
  type InputShape,
  imageShape,
  type Shape,
  show,
  sizeOf,
  type Value,
} from '../nn/value.js'

/** What a traced graph that is traced once more needs: the names that sums and joins had. */
export interface TraceOps extends Ops {
  addAs(name: string, ...values: Value[]): Value
  concatAs(name: string, ...values: Value[]): Value
}

export interface GraphNode {
  readonly index: number
  readonly kind: 'input' | 'add' | 'concat' | Layer['kind']
  /** Path of the module: `layer1.0.conv1`; empty for the input. */
  readonly name: string
  readonly layer?: Layer
  readonly inputs: readonly number[]
  /** [C, H, W] */
  readonly shape: Shape
  readonly flat: boolean
}

/** An output besides the network's own. */
export interface Exit {
  readonly name: string
  /** Index of its node. */
  readonly node: number
}

export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly output: number
  /** Outputs of a network with several, without the last one, which is `output`. */
  readonly exits?: readonly Exit[]
  /** Name of `output` where there are several. */
  readonly outputName?: string
}

const isValue = (value: unknown): value is Value =>
  typeof value === 'object' &&
  value !== null &&
  'node' in value &&
  typeof value.node === 'number' &&
  'shape' in value

/** Several outputs by name; @throws SpikewasmError unless each fits the last one */
function exitsOf(result: unknown): [string, Value][] | undefined {
  const isNamed = typeof result === 'object' && result !== null && !Array.isArray(result)
  if (!isNamed || isValue(result)) return undefined
  const entries = Object.entries(result) as [string, Value][]
  if (entries.length === 0 || !entries.every(([, value]) => isValue(value))) return undefined
  const [last, output] = entries[entries.length - 1]
  for (const [name, { node, shape, flat }] of entries) {
    expect(
      name !== '' && name !== '__proto__' && !/^\d+$/.test(name),
      () =>
        `network: an output's name must be no number, not empty and not __proto__, got ` +
        describe(name),
    )
    expect(
      shape.every((n, i) => n === output.shape[i]) && flat === output.flat,
      () =>
        `network: outputs must have one shape, got ${show({ shape, flat })} of ${name} and ` +
        `${show(output)} of ${last}`,
    )
    expect(
      name === last || node !== output.node,
      () => `network: outputs ${name} and ${last} are one value; return it once`,
    )
  }
  return entries
}

/**
 * @param input sizes of one sample: [features], [channels, length] or [channels, height, width]
 * @throws SpikewasmError naming the layer, the shape it expects and the one that came.
 */
export function trace(network: Module, input: InputShape): Graph {
  checkModule('the network', network)
  const shape = imageShape(checkInputShape('compile.input', input))
  const nodes: GraphNode[] = []
  const push = (node: Omit<GraphNode, 'index'>): Value => {
    nodes.push({ ...node, index: nodes.length })
    return { shape: node.shape, flat: node.flat, node: nodes.length - 1 }
  }
  const visited = new Map<Module, string>()
  let exits: [string, Value][] = []

  const apply = (module: Module, name: string): Apply => {
    if (module.kind === 'block') {
      const children: Record<string, Apply> = {}
      for (const [key, child] of Object.entries(module.children))
        children[key] = apply(child, name === '' ? key : `${name}.${key}`)
      const where = name || 'network'
      const several = (what: string, values: readonly Value[]): void => {
        expect(
          values.length >= 2,
          () =>
            `${where}: ${what} needs two or more values` +
            (Array.isArray(values[0]) ? `, one by one: ${what}(a, b), not ${what}([a, b])` : ''),
        )
        for (const value of values)
          expect(
            isValue(value),
            () => `${where}: ${what} needs values that the children gave, got ${describe(value)}`,
          )
      }
      const addAs = (name: string, ...values: Value[]): Value => {
        several('add', values)
        const [{ shape, flat }] = values
        for (const value of values)
          expect(
            value.flat === flat && value.shape.every((n, i) => n === shape[i]),
            () => `${where}: add needs values of one shape, got ${values.map(show).join(' and ')}`,
          )
        return push({ kind: 'add', name, inputs: values.map((v) => v.node), shape, flat })
      }
      const concatAs = (name: string, ...values: Value[]): Value => {
        several('concat', values)
        const [{ shape, flat }] = values
        expect(
          values.every(
            (v) => v.flat === flat && (flat || [1, 2].every((i) => v.shape[i] === shape[i])),
          ),
          () =>
            `${where}: concat joins channels of values of one height and width, or flat values, ` +
            `got ${values.map(show).join(' and ')}`,
        )
        const width = (v: Value): number => (flat ? sizeOf(v.shape) : v.shape[0])
        const joined = values.reduce((sum, v) => sum + width(v), 0)
        return push({
          kind: 'concat',
          name,
          inputs: values.map((v) => v.node),
          shape: flat ? [joined, 1, 1] : [joined, shape[1], shape[2]],
          flat,
        })
      }
      const add = (...values: Value[]): Value => addAs(name, ...values)
      const concat = (...values: Value[] | [readonly Value[]]): Value => {
        const [first] = values
        if (!Array.isArray(first)) return concatAs(name, ...(values as Value[]))
        expect(
          values.length === 1,
          () =>
            `${where}: concat takes one list alone, and joins channels, got ` +
            `${describe(values[1])} behind it`,
        )
        return concatAs(name, ...first)
      }
      return (x) => {
        const ops: TraceOps = { add, addAs, concat, concatAs }
        const result = module.forward(children, x, ops)
        if (name === '' && !isValue(result)) {
          const outputs = exitsOf(result)
          if (outputs) {
            exits = outputs
            return outputs[outputs.length - 1][1]
          }
        }
        expect(
          isValue(result),
          () =>
            `${where}: the forward function of a block must return what a child, add or concat ` +
            `gave, got ${describe(result)}; is a return missing?`,
        )
        return result
      }
    }
    const label = labelOf({ kind: module.kind, layer: module })
    return (x) => {
      expect(
        isValue(x),
        () =>
          `${name} (${label}) must be called with the value that it takes in, got ` +
          `${describe(x)}`,
      )
      const kind = kindOf(module)
      const hasParameters = (kind.parameters?.(module, x.shape).length ?? 0) > 0
      const earlier = visited.get(module)
      if (hasParameters && earlier !== undefined)
        throw new SpikewasmError(
          earlier === name
            ? `${name} (${label}) is called twice; shared parameters are not ` +
                'supported: make a layer for each call'
            : `${earlier} and ${name} are the same ${label} layer; shared parameters ` +
                'are not supported: make a layer for each place',
        )
      visited.set(module, name)
      const [shape, flat] = kind.output(module, x, `${name || 'network'} (${label})`)
      return push({ kind: module.kind, name, layer: module, inputs: [x.node], shape, flat })
    }
  }
  const flat = input.length === 1
  const start = push({ kind: 'input', name: '', inputs: [], shape, flat })
  const output = apply(network, '')(start)
  if (exits.length < 2) return { nodes, output: output.node }
  const others = exits.slice(0, -1).map(([name, { node }]) => ({ name, node }))
  return { nodes, output: output.node, exits: others, outputName: exits[exits.length - 1][0] }
}
