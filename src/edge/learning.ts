/** What files that learn start with, and where their state lies. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import type { Optimizer } from '../compile/optimizer-kind.js'
import type { Plan } from '../compile/plan.js'
import { standardTraining, type TrainingSpec } from '../compile/training.js'
import type { Arena } from '../engine/memory/arena.js'
import { noSteps, takeStepState, writeStep } from '../engine/run/update.js'
import type { StateEntry } from './abi.js'
import { layoutText } from './state.js'

/** How a model would go on learning. */
export interface Learning {
  readonly optimizer: Optimizer
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
): void {
  const standard = new Map<string, unknown>(Object.entries(standardTraining.loss))
  const isText = loss.kind === 'customText' && loss.targets === 'labels'
  const plain = Object.entries(loss).every(
    ([key, value]) => value === undefined || value === 'labels' || value === standard.get(key),
  )
  const odd = [
    groups.length > 0 ? `groups of ${optimizer.kind}` : '',
    plain || isText ? '' : `loss ${loss.kind} with its options`,
    penalties.length > 0 ? 'penalties' : '',
    frozen.length > 0 ? 'frozen parameters' : '',
    clipNorm === undefined ? '' : `clipNorm ${clipNorm}`,
    accumulate ? 'accumulate' : '',
  ].filter((what) => what !== '')
  if (odd.length !== 0)
    fail(
      'exportWasm: a file that learns has an optimizer without groups, loss crossEntropy() or a ' +
        'text of labels, and no penalties, frozen parameters, clipNorm or accumulate, got ' +
        `${odd.join(', ')}; call fit with these, or export with another mode`,
    )
}

/** Writes what a training step reads. */
export function writeLearning(arena: Arena, { optimizer }: Learning): void {
  const source = { ...arena, optimizer, clipNorm: undefined, ema: 0, accumulated: 0 }
  writeStep(source, optimizer.lr, 1)
  takeStepState(arena, noSteps)
  const view = new DataView(arena.memory.buffer)
  view.setUint32(Control.Target, arena.plan.named.labels[0].address, true)
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
