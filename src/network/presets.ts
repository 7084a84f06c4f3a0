/** Presets of neurons as equations. */

import { written, writtenNeuron } from '../kernels/equations/written.js'
import { type Cell, cellOf, isSpiking, storedNames } from './cell.js'
import type { NeuronModel } from './kind.js'
import { surrogateTexts } from './surrogates.js'
import type { Values } from './value.js'

/** The lowest threshold that is learnt: none may be 0. */
const LOWEST_THRESHOLD = 0.0009765625

/** What a step adds up: the potential before it fires, from the input or a synaptic current. */
function chargeOf(cell: Cell): string {
  const { tau, tauSyn, decayInput, vRest } = cell
  const leaks = tau !== Number.POSITIVE_INFINITY
  const drive = tauSyn !== null ? 'i' : inputOf(cell)
  const leaked = leaks ? 'u*(1 - 1/tau)' : 'u'
  const drift = leaks && vRest !== 0 ? ' + vRest/tau' : ''
  return `${leaked}${drift} + ${decayInput ? `1/tau*${drive}` : drive}`
}

const inputOf = ({ inputScale }: Cell): string => (inputScale !== 1 ? 'inputScale*x' : 'x')

/** Lines of a cell, one behind the other. */
function linesOf(cell: Cell): string[] {
  const { tauSyn, tauAdaptation, decayInput, refractory, fires, vReset, reset, detachReset } = cell
  const adapts = tauAdaptation !== null
  const lines: string[] = []
  for (const name of cell.learn) {
    if (name === 'vThreshold') lines.push(`vThreshold >= ${LOWEST_THRESHOLD}`)
    else if (name !== 'beta') lines.push(`${name} > 1`)
  }
  if (tauSyn !== null)
    lines.push(`i = i*(1 - 1/tauSyn) + ${decayInput ? `1/tauSyn*${inputOf(cell)}` : inputOf(cell)}`)
  const charge = chargeOf(cell)
  const spike = detachReset ? 'detach(spike)' : 'spike'
  if (reset === 'delayed' && vReset !== null) lines.push(`u = (1 - ${spike})*u + ${spike}*vReset`)
  // Read before its line, the spike is that of the step before.
  const taken = reset === 'delayed' && vReset === null ? ` - vThreshold*${spike}` : ''
  if (refractory > 0) lines.push('active = rest <= 0', `u = where(active, ${charge}, u)${taken}`)
  else lines.push(`u = ${charge}${taken}`)
  if (!isSpiking(cell)) return [...lines, 'output = u']
  const threshold = adapts ? 'vThreshold + beta*a' : 'vThreshold'
  const sign = fires === 'above' ? '>' : '>='
  lines.push(`spike = u ${sign} ${threshold}${refractory > 0 ? ' and active' : ''}`)
  if (reset !== 'delayed')
    lines.push(vReset === null ? `u = u - vThreshold*${spike}` : `u = where(${spike}, vReset, u)`)
  if (adapts) lines.push('a = a*(1 - 1/tauAdaptation) + spike')
  if (refractory > 0) lines.push('rest = where(spike, refractory, max(rest - 1, 0))')
  return lines
}

/** What a cell is: the numbers are those that its lines name. */
export function presetOf(cell: Cell, text = linesOf(cell).join('\n')): NeuronModel {
  const { surrogate, alpha, vReset, tau, learn } = cell
  const words: readonly string[] = text.match(/\w+/g) ?? []
  const values = Object.entries(cell).filter((entry): entry is [string, Values] =>
    words.includes(entry[0]),
  )
  return {
    equations: writtenNeuron(cell.type, text),
    parameters: Object.fromEntries(values),
    surrogate: written(surrogateTexts[surrogate]),
    alpha,
    learn: new Map(learn.map((name) => [name, storedNames[name]])),
    init: vReset === null ? {} : { u: typeof vReset === 'number' ? vReset : 'vReset' },
    leak: typeof tau === 'number' && learn.length === 0 ? 1 - 1 / tau : Number.NaN,
    leakExpression: written(tau === Number.POSITIVE_INFINITY ? '1' : '1 - 1/tau'),
    recurrence: cell.recurrence,
  }
}

/** Neurons that give what comes to them. */
export const currentAlone = (): NeuronModel => presetOf(cellOf('integrator', {}), 'output = x')

/** The potential of neurons before they fire; what a step leaves is written by those that do. */
export const chargeAlone = (cell: Cell): NeuronModel =>
  presetOf(cell, `output = ${chargeOf(cell)}\nu = u`)
