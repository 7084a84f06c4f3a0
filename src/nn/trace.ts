/**
 * Calls a network once with symbolic values: checks every shape and returns the graph that the
 * planner compiles.
 */

import { describe, expect, SpikewasmError } from '../errors.js'
import type { Apply, Module, Value } from './containers.js'
import type { Layer, Pair } from './layers.js'

export interface GraphNode {
  readonly index: number
  readonly kind: 'input' | 'add' | Layer['kind']
  /** Path of the module: `layer1.0.conv1`; empty for the input. */
  readonly name: string
  readonly layer?: Layer
  readonly inputs: readonly number[]
  /** [C, H, W] */
  readonly shape: readonly [number, number, number]
  readonly flat: boolean
}

export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly output: number
}

/** Whether a value is a layer or a block. */
export const isModule = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'

/** @throws SpikewasmError unless `value` is a layer or a block */
export function checkModule(name: string, value: Module): void {
  expect(
    isModule(value),
    () =>
      `${name} must be a layer or a block, got ${describe(value)}` +
      (typeof value === 'function' ? '; call it, as in lif() instead of lif' : ''),
  )
}

const show = (value: Value): string =>
  value.flat
    ? `[${value.shape[0] * value.shape[1] * value.shape[2]}]`
    : `[${value.shape.join(', ')}]`

const isValue = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'node' in value && 'shape' in value

/**
 * @param input [C, H, W] of one sample.
 * @throws SpikewasmError naming the layer, the shape it expects and the one that came.
 */
export function trace(network: Module, input: readonly [number, number, number]): Graph {
  checkModule('the network', network)
  expect(
    Array.isArray(input) && input.length === 3 && input.every((n) => Number.isInteger(n) && n >= 1),
    () => `compile.input must be [channels, height, width], got ${describe(input)}`,
  )
  const nodes: GraphNode[] = []
  const push = (node: Omit<GraphNode, 'index'>): Value => {
    nodes.push({ ...node, index: nodes.length })
    return { shape: node.shape, flat: node.flat, node: nodes.length - 1 }
  }
  const visited = new Map<Module, string>()

  const apply = (module: Module, name: string): Apply => {
    if (module.kind === 'block') {
      const children: Record<string, Apply> = {}
      for (const [key, child] of Object.entries(module.children))
        children[key] = apply(child, name === '' ? key : `${name}.${key}`)
      const where = name || 'network'
      const add = (...values: Value[]): Value => {
        expect(values.length >= 2, () => `${where}: add needs two or more values`)
        for (const value of values) {
          expect(
            isValue(value),
            () => `${where}: add needs values that the children gave, got ${describe(value)}`,
          )
          expect(
            value.flat === values[0].flat && value.shape.every((n, i) => n === values[0].shape[i]),
            () => `${where}: add needs values of one shape, got ${values.map(show).join(' and ')}`,
          )
        }
        return push({
          kind: 'add',
          name,
          inputs: values.map((v) => v.node),
          shape: values[0].shape,
          flat: values[0].flat,
        })
      }
      return (x) => {
        const result = module.forward(children, x, { add })
        expect(
          isValue(result),
          () =>
            `${where}: the forward function of a block must return what a child or add gave, got ${describe(result)}; is a return missing?`,
        )
        return result
      }
    }
    return (x) => {
      expect(
        isValue(x),
        () =>
          `${name} (${module.kind}) must be called with the value that it takes in, got ${describe(x)}`,
      )
      const hasParameters =
        module.kind === 'conv2d' ||
        module.kind === 'linear' ||
        module.kind === 'batchNorm2d' ||
        (module.kind === 'neuron' && module.learnable)
      const earlier = visited.get(module)
      if (hasParameters && earlier !== undefined)
        throw new SpikewasmError(
          earlier === name
            ? `${name} (${module.kind}) is called twice; shared parameters are not supported: make a layer for each call`
            : `${earlier} and ${name} are the same ${module.kind} layer; shared parameters are not supported: make a layer for each place`,
        )
      visited.set(module, name)
      const [shape, flat] = infer(module, name, x)
      return push({ kind: module.kind, name, layer: module, inputs: [x.node], shape, flat })
    }
  }
  const start = push({ kind: 'input', name: '', inputs: [], shape: input, flat: false })
  const output = apply(network, '')(start)
  return { nodes, output: output.node }
}

type Shape = readonly [number, number, number]

function infer(layer: Layer, name: string, x: Value): [Shape, boolean] {
  const where = `${name || 'network'} (${layer.kind})`
  const [c, h, w] = x.shape
  switch (layer.kind) {
    case 'conv2d': {
      expect(
        !x.flat,
        () =>
          `${where}: expects an image [C, H, W], got the flat ${show(x)}; remove the flatten() before it`,
      )
      expect(
        c === layer.inChannels,
        () => `${where}: expects ${layer.inChannels} input channels, got ${c} (input ${show(x)})`,
      )
      return [
        [layer.outChannels, ...windows(where, x, layer.kernelSize, layer.stride, layer.padding)],
        false,
      ]
    }
    case 'linear':
      expect(
        x.flat || (h === 1 && w === 1),
        () => `${where}: expects features, got the image ${show(x)}; put flatten() before it`,
      )
      expect(
        c * h * w === layer.inFeatures,
        () =>
          `${where}: expects ${layer.inFeatures} features, got ${c * h * w} (from [${x.shape.join(', ')}])`,
      )
      return [[layer.outFeatures, 1, 1], true]
    case 'batchNorm2d':
      expect(
        c === layer.channels && !(x.flat && h * w > 1),
        () => `${where}: expects ${layer.channels} channels, got ${show(x)}`,
      )
      return [x.shape, x.flat]
    case 'avgPool2d':
    case 'maxPool2d':
      expect(!x.flat, () => `${where}: expects an image [C, H, W], got the flat ${show(x)}`)
      return [[c, ...windows(where, x, layer.kernelSize, layer.stride, layer.padding)], false]
    case 'adaptiveAvgPool2d': {
      const [oh, ow] = layer.outputSize
      expect(
        !x.flat && h % oh === 0 && w % ow === 0,
        () => `${where}: its output ${oh}×${ow} must divide the input ${show(x)}`,
      )
      return [[c, oh, ow], false]
    }
    case 'flatten':
      return [x.shape, true]
    case 'neuron':
    case 'dropout':
    case 'scale':
    case 'identity':
      return [x.shape, x.flat]
    default:
      layer satisfies never
      throw new SpikewasmError(`unknown layer ${JSON.stringify(layer)}`)
  }
}

function windows(where: string, x: Value, kernel: Pair, stride: Pair, padding: Pair): Pair {
  const [, h, w] = x.shape
  const out: Pair = [
    Math.floor((h + 2 * padding[0] - kernel[0]) / stride[0]) + 1,
    Math.floor((w + 2 * padding[1] - kernel[1]) / stride[1]) + 1,
  ]
  expect(
    out[0] >= 1 && out[1] >= 1,
    () => `${where}: its kernel ${kernel.join('×')} is larger than the padded input of ${show(x)}`,
  )
  return out
}
