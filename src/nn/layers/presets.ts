/** Presets of neurons as equations. */

import { surrogateTexts } from '../../equations/surrogates.js'
import { written, writtenNeuron } from '../../equations/written.js'
import { type Cell, isSpiking, parameterNames } from './cell.js'
import type { Neuron } from './neuron.js'
import type { NeuronModel } from './neuron-model.js'
import type { Values } from './numbers.js'
import { cellOfNeuron } from './spiking.js'
import type { StabilizedLif } from './stabilized-lif.js'

/** The lowest threshold that is learnt: none may be 0. */
const LOWEST_THRESHOLD = 0.0009765625

/** What a step adds up: the potential before it fires, from the input or a synaptic current. */
function chargeOf(cell: Cell): string {
  const { tau, tauSyn, decayInput, vRest } = cell
  const leaks = tau !== Number.POSITIVE_INFINITY
  const drive = tauSyn !== null ? 'i' : inputOf(cell)
  const leaked = leaks ? 'u*(1 - 1/tau)' : 'u'
  const drift = leaks && vRest !== 0 ? ' + vRest/tau' : ''
  return `${leaked}${drift} + ${decayInput && leaks ? `1/tau*${drive}` : drive}`
}

const inputOf = ({ inputScale }: Cell): string => (inputScale !== 1 ? 'inputScale*x' : 'x')

/** Lines of a cell, one behind the other. */
function linesOf(cell: Cell): string[] {
  const { tauSyn, tauAdaptation, decayInput, refractory, fires, vReset, detachReset } = cell
  const adapts = tauAdaptation !== null
  const lines: string[] = []
  for (const name of cell.learn) {
    if (name === 'vThreshold') lines.push(`vThreshold >= ${LOWEST_THRESHOLD}`)
    else if (name !== 'beta') lines.push(`${name} > 1`)
  }
  if (tauSyn !== null)
    lines.push(`i = i*(1 - 1/tauSyn) + ${decayInput ? `1/tauSyn*${inputOf(cell)}` : inputOf(cell)}`)
  const charge = chargeOf(cell)
  if (refractory > 0) lines.push('active = rest <= 0', `u = where(active, ${charge}, u)`)
  else lines.push(`u = ${charge}`)
  if (!isSpiking(cell)) return [...lines, 'output = u']
  const threshold = adapts ? 'vThreshold + beta*a' : 'vThreshold'
  const sign = fires === 'above' ? '>' : '>='
  lines.push(`spike = u ${sign} ${threshold}${refractory > 0 ? ' and active' : ''}`)
  const spike = detachReset ? 'detach(spike)' : 'spike'
  lines.push(vReset === null ? `u = u - vThreshold*${spike}` : `u = where(${spike}, vReset, u)`)
  if (adapts) lines.push('a = a*(1 - 1/tauAdaptation) + spike')
  if (refractory > 0) lines.push('rest = where(spike, refractory, max(rest - 1, 0))')
  return lines
}

/** The numbers of a cell, by the names that its lines have for them. */
function parametersOf(cell: Cell, text: string): Record<string, Values> {
  const { tau, tauSyn, tauAdaptation, beta, inputScale, vThreshold, vReset, vRest, refractory } =
    cell
  const all = {
    tau,
    tauSyn,
    tauAdaptation,
    beta,
    inputScale,
    vThreshold,
    vReset,
    vRest,
    refractory,
  }
  return Object.fromEntries(
    Object.entries(all).filter(
      (entry): entry is [string, Values] =>
        entry[1] !== null && new RegExp(`\\b${entry[0]}\\b`).test(text),
    ),
  )
}

/** What a cell is. */
export function presetOf(cell: Cell, text = linesOf(cell).join('\n')): NeuronModel {
  const parameters = parametersOf(cell, text)
  const { surrogate, alpha, vReset, tau } = cell
  const leaks = tau !== Number.POSITIVE_INFINITY
  return {
    equations: writtenNeuron(cell.type, text),
    parameters,
    surrogate: written(surrogateTexts[surrogate]),
    alpha,
    learn: new Map(cell.learn.map((name) => [name, parameterNames[name]])),
    init: vReset === null ? {} : { u: typeof vReset === 'number' ? vReset : 'vReset' },
    leak: typeof tau === 'number' && cell.learn.length === 0 ? 1 - 1 / tau : Number.NaN,
    leakWritten: written(leaks ? '1 - 1/tau' : '1'),
    recurrence: cell.recurrence,
  }
}

const plain: Omit<Neuron, 'kind'> = {
  ...{ tau: Number.POSITIVE_INFINITY, decayInput: false, vThreshold: 1, vReset: null },
  ...{ detachReset: true, surrogate: 'sigmoid', alpha: 4, learnable: false },
}

/** Neurons that say what comes to them. */
export const currentAlone = (): NeuronModel => presetOf(cellOfNeuron(plain), 'output = x')

const cellOfStabilized = (layer: StabilizedLif): Cell =>
  cellOfNeuron({ ...layer, detachReset: true, learnable: false })

/** Neurons of a stabilised layer; something else says what `vThreshold` is. */
export const stabilizedModel = (layer: StabilizedLif): NeuronModel =>
  presetOf(cellOfStabilized(layer))

/** Their potential before they fire; what a step leaves is written by the neurons that do. */
export function stabilizedCharge(layer: StabilizedLif): NeuronModel {
  const cell = cellOfStabilized(layer)
  return presetOf(cell, `output = ${chargeOf(cell)}\nu = u`)
}

/** Neurons of a layer of presets. */
export const neuronModel = (layer: Neuron | Cell): NeuronModel =>
  presetOf(layer.kind === 'neuron' ? cellOfNeuron(layer) : layer)
