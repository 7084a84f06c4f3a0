/** What layers of neurons have in common, whether presets or texts made them. */

import { fail } from '../../base/errors.js'
import { lowerNeurons, parameterLayout } from '../../compile/emit/neurons.js'
import type { LayerPlan } from '../../compile/pass.js'
import type { Range } from '../../kernels/equations/step.js'
import { type Recurrence, recurrenceOf, recurrentSpecs } from '../../network/cell.js'
import type { LayerKind, NeuronModel, ParameterSpec } from '../../network/kind.js'
import { show, type Value } from '../../network/value.js'

interface NeuronLayer {
  readonly recurrence: Recurrence | null
  readonly parameters?: object
}

/** @throws SpikewasmError for lists of numbers that are neither of channels nor of neurons */
function checkLengths(layer: NeuronLayer, x: Value, where: string): void {
  const { shape, flat } = x
  const [c, h, w] = shape
  const all = c * h * w
  const perChannel = !flat || all === c
  const fits = (count: number): boolean => count === all || (perChannel && count === c)
  const fields: Readonly<Record<string, unknown>> = { ...layer, ...layer.parameters }
  for (const [name, values] of Object.entries(fields))
    if (Array.isArray(values) && typeof values[0] === 'number' && !fits(values.length))
      fail(
        `${where}: ${name} has ${values.length} numbers, expected ` +
          `${perChannel && all !== c ? `${c} (one for each channel) or ` : ''}${all} (one for ` +
          `each neuron of ${show(x)}), or a single number`,
      )
}

/** What is stored of a value: from it the map of an open range makes the value again. */
export function storedValue(value: number, range: Range | undefined): number {
  if (!range || range.withLeast || range.withMost) return value
  const { least, most } = range
  if (least === -Infinity) return -Math.log(most - value)
  if (most === Infinity) return -Math.log(value - least)
  return Math.log((value - least) / (most - value))
}

/**
 * A kind of layer whose neurons are as equations say.
 * @param again makes a layer that is not recurrent
 */
export const neuronKind = <L extends NeuronLayer>(
  model: (layer: L) => NeuronModel,
  label: (layer: L) => string,
  again: (fields: Omit<L, 'kind' | 'recurrence'>) => L,
): LayerKind<L> & LayerPlan<L> & Required<Pick<LayerKind<L>, 'model'>> => ({
  model,
  label: (layer) => (layer.recurrence ? `recurrent(${label(layer)})` : label(layer)),
  again({ recurrence, ...fields }) {
    const layer = again(fields as Omit<L, 'kind' | 'recurrence'>)
    return recurrence ? { ...layer, recurrence: recurrenceOf(layer, recurrence) } : layer
  },
  output(layer, x, where) {
    checkLengths(layer, x, where)
    return [x.shape, x.flat]
  },
  spikes: (layer) => model(layer).equations.output === 'spike',
  parameters(layer, shape) {
    const { equations, learn, parameters } = model(layer)
    const own = Array.from(learn, ([key, name]): ParameterSpec => {
      const values = parameters[key]
      const start = (value: number): number => storedValue(value, equations.ranges.get(key))
      if (typeof values === 'number')
        return { name, shape: [], decays: false, initial: start(values) }
      const each = values.length === shape[0] ? shape.slice(0, 1) : shape
      return { name, shape: each, decays: false, initial: { values: values.map(start) } }
    })
    return [...own, ...recurrentSpecs(layer.recurrence, shape)]
  },
  layout: (parameter, graph, node) => parameterLayout(parameter, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, layer, x) => lowerNeurons(pass, node, model(layer), x),
})
