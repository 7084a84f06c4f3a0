/** Layers with weights, joined while a graph is walked through; in the end a network. */

import { fail, quote, SpikewasmError } from '../errors.js'
import type { TraceOps } from '../graph/joins.js'
import { Fields } from '../io/nir/graph.js'
import type { Layer } from '../layers/index.js'
import { kindOf } from '../nn/kind.js'
import type { Composite } from '../nn/module.js'
import { type InputShape, imageShape, show, type Value } from '../nn/value.js'
import type { StateDict } from '../runtime/state.js'
import type { Named } from './flatten.js'

type Made =
  | { readonly layer: Layer; readonly name: string; readonly from: number }
  | { readonly name: string; readonly sum: readonly number[] }

/** Tensors of a layer by their names in it. */
export type Weights = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: Float32Array } | undefined>
>

/** Fields of a node, with what messages call it. */
export const fieldsOf = ({ name, type, fields }: Named, file: string): Fields =>
  new Fields(fields, `${file}: node ${quote(name)} (${quote(type).slice(1, -1)})`)

export class Builder {
  private readonly made: Made[] = []
  private readonly names = new Set<string>()
  readonly state: StateDict = Object.create(null)
  /** The input of the network. */
  readonly input: Value

  /** @param file what messages call the file */
  constructor(
    input: InputShape,
    private readonly file: string,
  ) {
    const [flat, series] = [input.length === 1, input.length === 2]
    this.input = { shape: imageShape(input), flat, series, node: 0 }
  }

  /**
   * A layer behind a value.
   * @param make makes the layer; what it refuses is told with the node's name
   * @throws SpikewasmError for a layer that does not take the value
   */
  layer(name: string, where: string, x: Value, make: () => Layer, weights: Weights = {}): Value {
    try {
      const layer = make()
      const own = this.named(name)
      const [shape, flat] = kindOf(layer).output(layer, x, layer.kind)
      this.made.push({ layer, name: own, from: x.node })
      for (const [key, tensor] of Object.entries(weights))
        if (tensor) this.state[`${own}.${key}`] = { shape: [...tensor.shape], data: tensor.data }
      return { shape, flat, series: x.series, node: this.made.length }
    } catch (error) {
      if (!(error instanceof SpikewasmError)) throw error
      fail(`${where}: ${error.message}`, error)
    }
  }

  /** The sum of values; one alone is itself. */
  sum(name: string, where: string, values: readonly Value[]): Value {
    if (values.length === 1) return values[0]
    const [{ shape, flat, series }] = values
    const same = values.every((v) => v.flat === flat && v.shape.every((n, i) => n === shape[i]))
    if (!same)
      fail(
        `${where} must get values of one shape, which are added up, got ` +
          values.map(show).join(' and '),
      )
    this.made.push({ name: `${name}.sum`, sum: values.map(({ node }) => node) })
    return { shape, flat, series, node: this.made.length }
  }

  network(output: Value): Composite {
    const made = [...this.made]
    const children = made.flatMap((of) => ('layer' in of ? [[of.name, of.layer] as const] : []))
    return {
      kind: 'block',
      children: Object.fromEntries(children),
      forward(layers, x, ops) {
        const values: Value[] = [x]
        for (const of of made)
          values.push(
            'layer' in of
              ? layers[of.name](values[of.from])
              : (ops as TraceOps).addAs(of.name, ...of.sum.map((node) => values[node])),
          )
        return values[output.node]
      },
    }
  }

  private named(name: string): string {
    if (this.names.has(name) || name === '__proto__')
      fail(`${this.file}: two layers would be named ${name}; rename a node`)
    this.names.add(name)
    return name
  }
}
