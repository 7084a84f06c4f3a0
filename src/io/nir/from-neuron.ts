/** Neurons of a model as nodes of a NIR graph. */

import { fail } from '../../errors.js'
import type { Cell } from '../../layers/index.js'
import { type Draft, type Place, spread } from './draft.js'
import { secondsOf } from './time.js'
import { group, numbers, type Tree, texts } from './tree.js'

/**
 * The node of a layer of neurons; undefined where the layer is something else.
 * @throws SpikewasmError that names the layer, for neurons that NIR does not have
 */
export function neuronNode(place: Place): Draft | undefined {
  const { layer } = place.node
  return layer?.kind === 'cell' ? cellNode(place, layer) : undefined
}

function cellNode(place: Place, cell: Cell): Draft {
  const { node, shape, state, time } = place
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
    const own = state[node.name === '' ? name : `${node.name}.${name}`]
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
