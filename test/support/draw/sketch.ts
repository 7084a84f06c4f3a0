/** A network while it is drawn: layers and joins, with the shape and the nature of each signal. */

import { type MethodTraits, traitsOf } from '../../../src/compile/methods.js'
import {
  type Block,
  block,
  type InputShape,
  type Layer,
  type Method,
  type Shape,
  type StepMode,
} from '../../../src/index.js'
import { fires, kindOf, type NeuronModel } from '../../../src/network/kind.js'
import { imageShape, type Value } from '../../../src/network/value.js'

/** What is drawn next depends on it. */
export interface Signal {
  readonly shape: Shape
  readonly flat: boolean
  readonly series?: boolean
  /** What method ottt traces: 'input' is read as it is; undefined cannot be traced. */
  readonly trace: number | 'input' | undefined
  /** Factor of spikes of one layer; undefined for anything else. */
  readonly spikes: number | undefined
  /** The same at all steps. */
  readonly isMean: boolean
}

export type Joint = 'add' | 'concat'

interface Node {
  readonly kind: Layer['kind'] | Joint
  readonly layer?: Layer
  readonly inputs: readonly number[]
}

/** Layers behind which spikes stay spikes. */
const keepsSpikes: readonly Layer['kind'][] = [
  'flatten',
  'identity',
  'dropout',
  'delay',
  'maxPool1d',
  'maxPool2d',
  'scale',
  'expand',
  'permute',
  'reshape',
  'slice',
]

/** Layers of sums over windows, which a trace passes. */
const keepsTrace: readonly Layer['kind'][] = ['avgPool1d', 'avgPool2d', 'sumPool1d', 'sumPool2d']

export class Sketch {
  readonly traits: MethodTraits
  readonly nodes: Node[] = []
  readonly signals: Signal[]

  constructor(
    readonly input: InputShape,
    readonly method: Method,
    readonly stepMode: StepMode,
    readonly timeSteps: number,
  ) {
    this.traits = traitsOf({ method, stepMode })
    const [shape, flat] = [imageShape(input), input.length === 1]
    const series = input.length === 2
    this.signals = [{ shape, flat, series, trace: 'input', spikes: undefined, isMean: false }]
  }

  get last(): number {
    return this.signals.length - 1
  }

  put(layer: Layer, ...from: readonly number[]): number {
    const kind = kindOf(layer)
    const inputs = from.length > 0 || kind.inputs === 0 ? from : [this.last]
    const values = inputs.map((i) => ({ ...this.signals[i], node: 1 }))
    const name = String(this.nodes.length)
    const [before, ...others] = values
    const [shape, flat, series = before.series] = kind.output(layer, before, name, ...others)
    this.nodes.push({ kind: layer.kind, layer, inputs })
    const isMean = values.every((value) => value.isMean)
    this.signals.push({ shape, flat, series, ...natureBehind(layer, { ...before, isMean }) })
    return this.last
  }

  join(kind: Joint, inputs: readonly number[]): number {
    const of = inputs.map((i) => this.signals[i])
    const [{ shape, flat, series, trace, spikes }] = of
    const channels = of.reduce((sum, signal) => sum + signal.shape[0], 0)
    const same = of.every((signal) => signal.trace === trace)
    const isSpikes = kind === 'concat' && of.every((signal) => signal.spikes === spikes)
    this.nodes.push({ kind, inputs })
    this.signals.push({
      shape: kind === 'add' ? shape : [channels, shape[1], shape[2]],
      flat,
      series,
      trace: same && trace !== 'input' && (kind === 'add' || isSpikes) ? trace : undefined,
      spikes: isSpikes ? spikes : undefined,
      isMean: of.every((signal) => signal.isMean),
    })
    return this.last
  }

  /** The network; with several outputs, all of their signals, the last being its own. */
  network(outputs: readonly number[]): Block {
    const { nodes } = this
    const layers = nodes.flatMap(({ layer }, i) => (layer ? [[String(i), layer] as const] : []))
    return block(Object.fromEntries(layers), (m, x, ops) => {
      const values = [x]
      for (const [i, { kind, inputs }] of nodes.entries()) {
        const read = inputs.map((index) => values[index])
        const layer = m[String(i)] as (...of: Value[]) => Value
        values.push(kind === 'add' || kind === 'concat' ? ops[kind](...read) : layer(...read))
      }
      if (outputs.length === 1) return values[outputs[0]]
      return Object.fromEntries(outputs.map((at, i) => [`exit${i}`, values[at]]))
    })
  }
}

/** Neurons as their equations say; undefined where a layer has none. */
export const modelOf = (layer: Layer): NeuronModel | undefined => kindOf(layer).model?.(layer)

function natureBehind(
  layer: Layer,
  { trace, spikes, isMean }: Signal,
): Pick<Signal, 'trace' | 'spikes' | 'isMean'> {
  const { kind } = layer
  if (fires(layer)) {
    const { leak } = modelOf(layer) as NeuronModel
    return { trace: Number.isNaN(leak) ? undefined : leak, spikes: 1, isMean: false }
  }
  const factor = layer.kind === 'scale' ? layer.factor : 1
  const keeps = keepsSpikes.includes(kind) && typeof factor === 'number'
  // A window of a negative factor has its largest number where nothing spikes.
  const stays = keeps && spikes !== undefined && !(kind.startsWith('maxPool') && spikes < 0)
  const isPlain = keeps && !kind.startsWith('maxPool') && kind !== 'dropout'
  return {
    trace: stays || isPlain || keepsTrace.includes(kind) ? numberOf(trace) : undefined,
    spikes: stays ? spikes * factor : undefined,
    isMean: kind === 'timeMean' || (isMean && !modelOf(layer) && kind !== 'delay'),
  }
}

/** Behind a layer the input is none any more. */
const numberOf = (trace: Signal['trace']): number | undefined =>
  trace === 'input' ? undefined : trace
