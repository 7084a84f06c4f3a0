/** A layer's own spikes as an input at the next step. */

import { checkBoolean, checkOptions, fail } from '../errors.js'
import type { ParameterSpec } from './kind.js'
import type { Shape } from './value.js'
import { type Init, weights } from './weights.js'

/** A weight from a layer's spikes to its own input at the next step. */
export interface Recurrence {
  /** Whether there is a bias for each neuron. */
  readonly bias: boolean
  /** Where weight and bias start. */
  readonly init: Init
  /** False: each neuron hears itself alone. Absent: all neurons of the layer. */
  readonly allToAll?: false
}

/** A layer, or its model, that may hear itself. */
interface Hearing {
  readonly recurrence: Pick<Recurrence, 'allToAll'> | null
}

/** Checks the options of `recurrent` for a layer that spikes and is not recurrent yet. */
export function recurrenceOf({ recurrence }: Hearing, given: object): Recurrence {
  const name = 'recurrent'
  checkOptions(name, given, ['bias', 'init', 'allToAll'])
  const options = given as { bias?: boolean; init?: Init; allToAll?: boolean }
  if (recurrence !== null) fail(`recurrent() takes a cell that is not recurrent yet`)
  const { bias, init } = weights(name, 2, options)
  if (checkBoolean(`${name}.allToAll`, options.allToAll, true)) return { bias, init }
  if (options.bias === true)
    fail(`${name}.bias must be left out or false with allToAll: false, which has none`)
  return { bias: false, init, allToAll: false }
}

/** Whether the neurons of a recurrent layer hear themselves alone. */
export const isOneToOne = ({ recurrence }: Hearing): boolean => recurrence?.allToAll === false

/** Name of the weight of a recurrent layer. */
export const recurrentWeight = (layer: Hearing): 'recurrent.V' | 'recurrent.weight' =>
  isOneToOne(layer) ? 'recurrent.V' : 'recurrent.weight'

/** Parameters of a recurrent layer, beside those of its neurons. */
export function recurrentSpecs(recurrence: Recurrence | null, [c, h, w]: Shape): ParameterSpec[] {
  if (!recurrence) return []
  const { bias, init } = recurrence
  const n = c * h * w
  const [shape, own] = recurrence.allToAll === false ? [[n], 1] : [[n, n], 1 / Math.sqrt(n)]
  const standard = shape.length === 1 ? own : { uniform: own }
  const initial = init === 'default' ? standard : { normal: init.normal }
  const start = init === 'default' || init.bias === 'default' ? standard : 0
  return [
    { name: recurrentWeight({ recurrence }), shape, decays: true, initial },
    ...(bias ? [{ name: 'recurrent.bias', shape: [n], decays: false, initial: start }] : []),
  ]
}
