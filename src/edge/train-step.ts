/** The functions of a file that learns. */

import { Control } from '../../assembly/opcodes.js'
import { draws } from '../layers/equations.js'
import type { Plan, Program } from '../plan/plan.js'
import { dropout, dropoutFloats } from '../plan/records/dropout.js'
import { type Constant, type Expression, type Func, i32, operation } from '../wasm/ir.js'
import type { Range } from './contents.js'
import { paramsOf } from './learning.js'
import { call, callOf, type Driver, loadWord, store, word } from './module.js'
import type { Prepared } from './prepare.js'

/** Bytes of the options that a host may change. */
export const learningOptions: Range = { from: Control.LearningRate, to: Control.Nesterov + 4 }

/** Which control words a step changes, besides those that nobody takes for constant. */
export const changedBySteps = ({ options }: Plan): Control[] =>
  chooses(options) ? [Control.StepMask] : []

const chooses = ({ backwardSteps, timeSteps }: Plan['options']): boolean =>
  backwardSteps < timeSteps

/**
 * The functions of a file that learns.
 *
 * @param convert brings the batch into the plan's order
 * @param run runs the program of a training step
 * @param stepsAt address of the number of steps so far
 */
export function learningDrivers(
  functions: ReadonlyMap<string, Func>,
  { plan, learning }: Prepared,
  train: Program,
  convert: readonly Expression[],
  run: Expression,
  stepsAt: number,
): Driver[] {
  const { options, named } = plan
  const { batchSize, graph, timeSteps, backwardSteps } = options
  const labels = named.labels[0].address
  const { from, count } = paramsOf(plan)
  const seed = i32(learning?.seed ?? 0)
  const steps = (): Expression => loadWord(stepsAt)
  const drops =
    train.records.some(({ name }) => name === dropout.name || name === dropoutFloats.name) ||
    graph.nodes.some(({ layer }) => layer?.kind === 'equations' && draws(layer))
  const random: Expression[] = [
    ...(drops ? [callOf(functions, 'edgeSeed', [seed, steps()])] : []),
    ...(chooses(options)
      ? [callOf(functions, 'edgeStepMask', [seed, steps(), i32(timeSteps), i32(backwardSteps)])]
      : []),
  ]
  const classes = graph.nodes[graph.output].shape[0]
  const fits = callOf(functions, 'edgeLabels', [i32(labels), i32(batchSize), i32(classes)])
  const next = store(stepsAt, operation('i32.add', [steps(), i32(1)]))
  const step: Expression = {
    kind: 'if',
    label: { kind: 'block', result: undefined },
    condition: fits,
    yes: [
      ...(random.length > 0 ? [...random, next] : []),
      store(Control.NonFinite, i32(0)),
      ...convert,
      run,
    ],
    no: [call(functions, 'edgeRefuse')],
  }
  const nan: Constant = { kind: 'const', type: 'f32', value: Number.NaN }
  const loss: Expression = {
    kind: 'select',
    type: 'f32',
    args: [
      nan,
      operation('f32.load', [i32(Control.Loss)], { align: 2 }),
      loadWord(Control.NonFinite),
    ],
  }
  return [
    word('label_ptr', i32(labels)),
    word('label_len', i32(batchSize)),
    word('options_ptr', i32(learningOptions.from)),
    word('params_ptr', i32(from)),
    word('params_len', i32(count)),
    word('correct', loadWord(Control.Correct)),
    { name: 'loss', result: 'f32', body: [loss] },
    { name: 'train_step', result: undefined, body: [step] },
  ]
}
