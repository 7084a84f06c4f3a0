/** The step of Adam and AdamW. */

import { Control, StepGroup, StepNumbers } from '../../../assembly/opcodes.js'
import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { adam as checked } from '../../optimizer/index.js'
import { emitAdam, emitStepStart } from '../../plan/update.js'
import { ref } from '../../plan/words.js'
import { roundUp } from '../../round-up.js'
import type { Settings } from '../builder.js'
import { operation } from '../operation.js'
import { anyShape, sizeOf } from '../shapes.js'
import { controlTensor } from '../special.js'
import { type OpTensor, plainTensor } from '../tensor.js'
import type { Fixed } from '../types.js'

/** Numbers of Adam, which a run may change. */
export interface AdamSettings {
  /** Which step it is, counted from 1; default 1. */
  readonly step?: number
  /** Learning rate, ≥ 0; default 0.001. */
  readonly lr?: number
  /** How much of the means and of the squares is kept; default [0.9, 0.999]. */
  readonly betas?: readonly [number, number]
  /** Added to the root of the mean square, > 0; default 1e-8. */
  readonly eps?: number
  /** Weight decay, ≥ 0; default 0. */
  readonly weightDecay?: number
  /** Whether the decay is no part of the gradient (AdamW); default false. */
  readonly decoupled?: boolean
}

/** Options of `ops.adam`. */
export interface AdamOptions extends AdamSettings {
  /** Of the parameters: any shape. */
  readonly shape: readonly number[]
}

const settings = ['step', 'lr', 'betas', 'eps', 'weightDecay', 'decoupled'] as const

/** Floats that a kernel goes through together. */
const FLOATS = 16

/** Powers by one multiplication a step, as programs make them, until that changes nothing. */
function power(beta: number, steps: number): number {
  let [product, before] = [1, 0]
  for (let i = 0; i < steps && product !== before; i++) {
    before = product
    product *= beta
  }
  return product
}

function complete(op: string, given: AdamSettings) {
  const { step = 1, decoupled, ...numbers } = given
  expect(
    Number.isInteger(step) && step >= 1,
    () => `${op}.step must be an integer ≥ 1, got ${describe(step)}`,
  )
  const found = Object.entries(numbers).filter(([, value]) => value !== undefined)
  const rule = checked(Object.fromEntries(found))
  return { ...rule, step, decoupled: checkBoolean(`${op}.decoupled`, decoupled, false) }
}

/**
 * A step of Adam, or of AdamW with `decoupled`, by PyTorch's rule at step n:
 *
 *     g = gradients + weightDecay · parameters,  or with `decoupled`
 *         parameters ← parameters − lr · weightDecay · parameters
 *     means ← β₁ · means + (1 − β₁) · g
 *     squares ← β₂ · squares + (1 − β₂) · g²
 *     parameters ← parameters − lr · (means / (1 − β₁ⁿ)) / (√(squares / (1 − β₂ⁿ)) + eps)
 *
 * Where a number would become infinite or not a number, parameter, mean and square stay as they
 * were; `nonFinite` of the plan is 1 then, until somebody sets it to 0.
 *
 * Options of `plan`: shape, and step, lr, betas, eps, weightDecay, decoupled. All but shape are
 * settings of `run` too, where they hold until others are given: give `step` with each run.
 * Arguments: parameters, gradients, means, squares (zeros at first). Results: the updated
 * parameters, means and squares.
 */
export const adam = operation<
  AdamOptions,
  Fixed<
    unknown,
    [parameters: Float32Array, gradients: Float32Array],
    {
      /** Parameters behind the step, of `shape`. */
      readonly parameters: Float32Array
      /** Means of gradients behind the step, of `shape`. */
      readonly means: Float32Array
      /** Means of their squares behind the step, of `shape`. */
      readonly squares: Float32Array
    },
    {
      /** What the step changes: the numbers of `shape` in order. */
      readonly parameters: Float32Array
      /** The gradients of the parameters, in their order. */
      readonly gradients: Float32Array
      /** Running means of the gradients, in their order. */
      readonly means: Float32Array
      /** Running means of their squares, in their order. */
      readonly squares: Float32Array
      /** One number: 1 since a parameter was left as it was, until it is set to 0. */
      readonly nonFinite: Int32Array
    },
    [means: Float32Array, squares: Float32Array],
    AdamSettings
  >
>('adam', ['shape', ...settings], ({ b, op }, { shape, ...given }) => {
  anyShape(`${op}.shape`, shape)
  const count = roundUp(sizeOf(shape), FLOATS)
  const tensor = (name: string, updated: boolean): OpTensor =>
    plainTensor(b, { name, updated }, [...shape], 'float32', count)
  const parameters = tensor('parameters', true)
  const gradients = tensor('gradients', false)
  const means = tensor('means', true)
  const squares = tensor('squares', true)
  const bytes = StepNumbers.Bytes + StepGroup.Bytes
  const numbers = b.buffer('numbers', bytes, 'input')
  emitStepStart(b, numbers, StepNumbers.Bytes)
  emitAdam(b, {
    parameters: parameters.buffer,
    gradients: gradients.buffer,
    means: means.buffer,
    squares: squares.buffer,
    count,
    numbers,
    group: ref(numbers, StepNumbers.Bytes),
  })
  const own = Object.fromEntries(settings.map((key) => [key, given[key]])) as AdamSettings
  let current: AdamSettings = own
  return {
    inputs: [parameters, gradients, means, squares],
    outputs: [parameters, means, squares],
    others: [controlTensor({ name: 'nonFinite' }, Control.NonFinite, 'int32')],
    control(_, more: Settings) {
      checkOptions(`${op}.run`, more, settings)
      const next = { ...current, ...more }
      complete(op, next)
      current = next
    },
    before(views) {
      const { step, lr, betas, eps, weightDecay, decoupled } = complete(op, current)
      const at = views(numbers, 'uint8', bytes)
      const view = new DataView(at.buffer, at.byteOffset, bytes)
      view.setFloat64(StepNumbers.Power1, power(betas[0], step - 1), true)
      view.setFloat64(StepNumbers.Power2, power(betas[1], step - 1), true)
      const group = StepNumbers.Bytes
      view.setFloat64(group + StepGroup.Beta1, betas[0], true)
      view.setFloat64(group + StepGroup.Beta2, betas[1], true)
      view.setFloat32(group + StepGroup.Rate, lr, true)
      view.setFloat32(group + StepGroup.Decay, weightDecay, true)
      view.setFloat32(group + StepGroup.Eps, eps, true)
      view.setUint32(group + StepGroup.Decoupled, Number(decoupled), true)
    },
  }
})
