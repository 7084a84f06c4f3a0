/** The optimizer's step. */

import { Control } from '../../../assembly/opcodes.js'
import { checkOptions } from '../../errors.js'
import { sgd as checked, type SgdOptions as SgdRule } from '../../optimizer/index.js'
import { emitSgd } from '../../plan/update.js'
import { roundUp } from '../../round-up.js'
import type { ControlBlock, Settings } from '../builder.js'
import { operation } from '../operation.js'
import { anyShape, sizeOf } from '../shapes.js'
import { controlTensor } from '../special.js'
import { type OpTensor, plainTensor } from '../tensor.js'
import type { Fixed } from '../types.js'

/** Numbers of SGD, which a run may change. */
export type SgdSettings = Readonly<Omit<SgdRule, 'decay'>>

/** Options of `ops.sgd`. */
export interface SgdOptions extends SgdSettings {
  /** Of the parameters: any shape. */
  readonly shape: readonly number[]
}

const settings = ['lr', 'momentum', 'weightDecay', 'nesterov'] as const

/** Floats that a kernel goes through together. */
const FLOATS = 16

/**
 * A step of stochastic gradient descent, by PyTorch's rule:
 *
 *     g = gradients + weightDecay · parameters
 *     velocities ← momentum · velocities + g
 *     parameters ← parameters − lr · velocities,  or with `nesterov`
 *                  parameters − lr · (g + momentum · velocities)
 *
 * A parameter that would become infinite or not a number stays as it was, and its velocity too;
 * `nonFinite` of the plan is 1 then, until somebody sets it to 0.
 *
 * Options of `plan`: shape, and as `sgd()` has them lr, momentum, weightDecay, nesterov. The same
 * are settings of `run`, where they hold until others are given. Arguments: parameters, gradients,
 * velocities (zeros at first); parameters and velocities are updated. Results: these two.
 */
export const sgd = operation<
  SgdOptions,
  Fixed<
    unknown,
    [parameters: Float32Array, gradients: Float32Array],
    {
      /** Parameters behind the step, of `shape`. */
      readonly parameters: Float32Array
      /** Velocities behind the step, of `shape`. */
      readonly velocities: Float32Array
    },
    {
      /** What the step changes: the numbers of `shape` in order. */
      readonly parameters: Float32Array
      /** The gradients of the parameters, in their order. */
      readonly gradients: Float32Array
      /** The sums of gradients that momentum keeps, in their order. */
      readonly velocities: Float32Array
      /** One number: 1 since a parameter was left as it was, until it is set to 0. */
      readonly nonFinite: Int32Array
    },
    [velocities: Float32Array],
    SgdSettings
  >
>('sgd', ['shape', ...settings], ({ b, op }, { shape, lr, momentum, weightDecay, nesterov }) => {
  anyShape(`${op}.shape`, shape)
  const count = roundUp(sizeOf(shape), FLOATS)
  const tensor = (name: string, updated: boolean): OpTensor =>
    plainTensor(b, { name, updated }, [...shape], 'float32', count)
  const parameters = tensor('parameters', true)
  const gradients = tensor('gradients', false)
  const velocities = tensor('velocities', true)
  emitSgd(b, {
    parameters: parameters.buffer,
    gradients: gradients.buffer,
    velocities: velocities.buffer,
    count,
    otherDecay: false,
  })
  return {
    inputs: [parameters, gradients, velocities],
    outputs: [parameters, velocities],
    others: [controlTensor({ name: 'nonFinite' }, Control.NonFinite, 'int32')],
    control(block: ControlBlock, given: Settings) {
      checkOptions(`${op}.run`, given, settings)
      const rule = checked({ lr, momentum, weightDecay, nesterov, ...given })
      block.float(Control.LearningRate, rule.lr)
      block.float(Control.Momentum, rule.momentum)
      block.float(Control.Decay, rule.weightDecay)
      block.word(Control.Nesterov, Number(rule.nesterov))
    },
  }
})
