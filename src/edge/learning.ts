/** What files that learn start with, and where their state lies. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import type { Plan } from '../compile/plan.js'
import { standardTraining, type TrainingSpec } from '../compile/training.js'
import type { Optimizer, Sgd } from '../nn/optimizers.js'
import type { StateEntry } from './abi.js'
import { layoutText } from './state.js'

/** How a model would go on learning. */
export interface Learning {
  readonly optimizer: Sgd
  /** Seed of dropout and of SLTT-K. */
  readonly seed: number
  /** Training steps of the model so far. */
  readonly steps: number
}

/**
 * A moving average is no part of a file: it goes on from the parameters, as training does.
 *
 * @throws SpikewasmError for a training that a file cannot go on with
 */
export function checkLearning(
  optimizer: Optimizer,
  { loss, penalties, groups, frozen, accumulate }: TrainingSpec,
  clipNorm: number | undefined,
): asserts optimizer is Sgd {
  const standard = new Map<string, unknown>(Object.entries(standardTraining.loss))
  const plain = Object.entries(loss).every(
    ([key, value]) => value === undefined || value === 'labels' || value === standard.get(key),
  )
  const odd = [
    optimizer.kind === 'sgd' ? '' : `optimizer ${optimizer.kind}`,
    groups.length > 0 ? `groups of ${optimizer.kind}` : '',
    plain ? '' : `loss ${loss.kind} with its options`,
    penalties.length > 0 ? 'penalties' : '',
    frozen.length > 0 ? 'frozen parameters' : '',
    clipNorm === undefined ? '' : `clipNorm ${clipNorm}`,
    accumulate ? 'accumulate' : '',
  ].filter((what) => what !== '')
  if (odd.length !== 0)
    fail(
      'exportWasm: a file that learns has optimizer sgd without groups, loss crossEntropy() and ' +
        'no penalties, frozen parameters, clipNorm or accumulate, got ' +
        `${odd.join(', ')}; call fit with these, or export with another mode`,
    )
}

/** Writes the control words of a training step. */
export function writeLearning(view: DataView, plan: Plan, { optimizer }: Learning): void {
  const { lr, momentum, weightDecay, decay, nesterov } = optimizer
  view.setUint32(Control.Target, plan.named.labels[0].address, true)
  view.setFloat32(Control.LearningRate, lr, true)
  view.setFloat32(Control.Momentum, momentum, true)
  view.setFloat32(Control.Decay, weightDecay, true)
  view.setFloat32(Control.DecayOther, decay === 'all' ? weightDecay : 0, true)
  view.setUint32(Control.Nesterov, Number(nesterov), true)
  view.setUint32(Control.StepMask, 0xffffffff, true)
}

/** Address and count of the floats from the first parameter to the last statistic. */
export function paramsOf({ named }: Plan): { readonly from: number; readonly count: number } {
  const { parameters, statistics } = named
  const from = parameters.address
  const end = Math.max(from + parameters.bytes, statistics.address + statistics.bytes)
  if (statistics.address < from) throw new Error('statistics lie before the parameters')
  return { from, count: (end - from) / 4 }
}

/** Parameters and running statistics, with the places of their numbers. */
export function stateEntries(plan: Plan): StateEntry[] {
  const { parameters, statistics } = plan.named
  const behind = (statistics.address - parameters.address) / 4
  const entry =
    (base: number) =>
    ({ name, layout, offset }: Plan['parameters'][number] | Plan['statistics'][number]) => ({
      name,
      shape: layout.shape,
      offset: base + offset / 4,
      layout: layoutText(layout),
    })
  return [...plan.parameters.map(entry(0)), ...plan.statistics.map(entry(behind))]
}
