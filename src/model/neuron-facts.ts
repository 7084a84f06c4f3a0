/** What neurons a network has: their equations and numbers, and the layers that have them. */

import { listNames, plainText } from '../base/errors.js'
import type { Graph } from '../network/trace.js'
import type { Layer } from '../nn/layers/index.js'
import { stabilizedModel } from '../nn/layers/stabilized-lif.js'
import { type NeuronEntry, of } from './neurons.js'

/** Neurons that are alike, as the JSON has them. */
interface NeuronFacts extends NeuronEntry {
  readonly layers: readonly string[]
  /** Whether their own spikes come back at the next step. */
  readonly recurrent: boolean
}

function entryOf(layer: Layer): NeuronEntry | undefined {
  if (layer.kind === 'stabilizedLif') {
    const { equations, parameters, init, alpha } = stabilizedModel(layer)
    const { text } = equations
    const { surrogate } = layer
    const shared = { learn: [], dt: 1, solver: 'euler', seed: 0 } as const
    return { text, parameters, init, surrogate, alpha, ...shared }
  }
  if (layer.kind === 'cell' || layer.kind === 'equations') return of({ ...layer, recurrence: null })
}

/** Each kind of neurons of a network, with the layers that have it. */
export function neuronFacts({ nodes }: Graph): NeuronFacts[] {
  const kinds = new Map<string, NeuronFacts & { readonly layers: string[] }>()
  for (const { name, layer } of nodes) {
    const entry = layer && entryOf(layer)
    if (!entry) continue
    const recurrent = 'recurrence' in layer && layer.recurrence !== null
    const key = JSON.stringify([recurrent, entry])
    const kind = kinds.get(key) ?? { layers: [], recurrent, ...entry }
    kinds.set(key, kind)
    kind.layers.push(name)
  }
  return [...kinds.values()]
}

/** Neurons as a person reads them: the text of a kind, and its numbers. */
export function neuronText({ layers, recurrent, text, ...entry }: NeuronFacts): string {
  const { parameters, learn, init, surrogate, alpha, dt, solver } = entry
  const lines = text
    .split('\n')
    .map((line) => plainText(line.trim(), Number.POSITIVE_INFINITY))
    .filter((line) => line !== '')
  const numbers = [
    ...Object.entries(parameters).map(([name, value]) => {
      const shown = typeof value === 'number' ? value : `${value.length} numbers`
      return `${name} = ${shown}${learn.includes(name) ? ' (learnt)' : ''}`
    }),
    ...Object.entries(init).map(([name, value]) => `${name} starts at ${value}`),
    dt !== 1 && `dt = ${dt}`,
    solver !== 'euler' && solver,
    /\bspike\s*=[^=]/.test(text) && `surrogate ${plainText(surrogate)}, alpha = ${alpha}`,
  ].filter((text) => text !== false)
  const back = recurrent ? '; their spikes come back at the next step' : ''
  if (numbers.length > 0) lines.push(`# ${numbers.join(', ')}`)
  return [`neurons of ${listNames(layers)}${back}`, ...lines.map((line) => `  ${line}`)].join('\n')
}
