/** What the writer of NIR files passes around, and neurons as nodes of a graph. */

import { fail } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import type { Cell } from '../../layers/index.js'
import { sizeOf } from '../../nn/value.js'
import type { NamedTensor, StateDict } from '../../runtime/state.js'
import { type NirTime, secondsOf } from './time.js'
import { group, numbers, type Tree, texts } from './tree.js'

/** A node of the file, until it is written; a normalisation changes the weight before it. */
export interface Draft {
  type: string
  readonly fields: Record<string, Tree>
}

/** One layer and what is known about it. */
export interface Place {
  readonly node: GraphNode
  readonly state: StateDict
  readonly time: NirTime
  /** Sizes of its input and output as NIR has them: [F], [C, L] or [C, H, W]. */
  readonly inShape: readonly number[]
  readonly shape: readonly number[]
}

export const integers = (...values: number[]): Tree =>
  numbers(BigInt64Array.from(values, BigInt), [values.length])
export const integer = (value: number): Tree => numbers(BigInt64Array.of(BigInt(value)), [])

/** One number for each neuron, of one for all or one for each channel. */
export function spread(
  { shape }: Pick<Place, 'shape'>,
  values: number | readonly number[],
): Float64Array {
  const count = sizeOf(shape)
  if (typeof values === 'number') return new Float64Array(count).fill(values)
  const each = count / values.length
  return Float64Array.from({ length: count }, (_, i) => values[Math.floor(i / each)])
}

/** A parameter or statistic of a layer. */
export const parameterOf = ({ node, state }: Place, key: string): NamedTensor | undefined =>
  state[node.name === '' ? key : `${node.name}.${key}`]

/**
 * The node of a layer of neurons; undefined where the layer is something else.
 * @throws SpikewasmError that names the layer, for neurons that NIR does not have
 */
export function neuronNode(place: Place): Draft | undefined {
  const { layer } = place.node
  return layer?.kind === 'cell' ? cellNode(place, layer) : undefined
}

function cellNode(place: Place, cell: Cell): Draft {
  const { node, shape, time } = place
  const refuse = (what: string, how: string): never => {
    fail(
      `saveNir: ${node.name || 'the network'} (${cell.type}) cannot be written as NIR, which has ` +
        `no ${what}; ${how}`,
    )
  }
  if (cell.tauAdaptation !== null) refuse('adaptive threshold', 'use lif() or cubaLif()')
  if (cell.refractory > 0) refuse('refractory time', 'leave refractory out')
  /** What was learned, or what the layer was made with. */
  const values = (key: keyof Cell, name: string, learned: (w: number) => number): Float64Array => {
    const own = parameterOf(place, name)
    const given = own ? [...own.data].map(learned) : (cell[key] as number | readonly number[])
    return spread(place, typeof given !== 'number' && given.length === 1 ? given[0] : given)
  }
  const steps = (w: number): number => 1 + Math.exp(-w)
  const tree = (data: Float64Array): Tree => numbers(data, shape)
  const tau = values('tau', 'w', steps)
  const scale = values('inputScale', '', Number)
  const leaks = tau.every(Number.isFinite)
  if (!leaks && tau.some(Number.isFinite))
    refuse('neurons of which some leak and some do not', 'make them two layers')
  const { decayInput } = cell
  const seconds = (of: Float64Array): Tree => tree(of.map((value) => secondsOf(value, time)))
  // What a step makes of the input is r/τ of it.
  const r = scale.map((value, i) => (leaks && !decayInput ? value * tau[i] : value))
  const rest = values('vRest', '', Number)
  const current = (): Record<string, Tree> => {
    const tauSyn = values('tauSyn', 'w_syn', steps)
    if (!leaks || !tauSyn.every(Number.isFinite))
      refuse('synaptic current on neurons without leak', 'give a finite tau and tauSyn')
    return {
      tau_syn: seconds(tauSyn),
      tau_mem: seconds(tau),
      w_in: tree(decayInput ? tauSyn.map(() => 1) : tauSyn),
    }
  }
  const fields: Record<string, Tree> = {
    ...(cell.tauSyn === null ? (leaks ? { tau: seconds(tau) } : {}) : current()),
    r: tree(r),
    ...(leaks ? { v_leak: tree(rest) } : {}),
  }
  const kind = cell.tauSyn === null ? '' : 'Cuba'
  if (cell.vThreshold === null) return { type: leaks ? `${kind}LI` : 'I', fields }
  return {
    type: leaks ? `${kind}LIF` : 'IF',
    fields: {
      ...fields,
      v_threshold: tree(values('vThreshold', 'v_threshold', Number)),
      v_reset: tree(spread(place, cell.vReset ?? 0)),
      metadata: group([
        ['reset', texts([cell.vReset === null ? 'subtract' : 'stored'], [])],
        ['fires', texts([cell.fires === 'above' ? 'above' : 'at'], [])],
      ]),
    },
  }
}
