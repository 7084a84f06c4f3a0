/** Numbers that a step of an optimizer takes. */

import { describe, fail } from '../errors.js'
import { by, type Rule } from '../rules.js'

/** Whether a value is a number ≥ 0 that stays finite in float32, as the kernels take it. */
export function isRate(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && Number.isFinite(Math.fround(value))
}

const MOST = 3.4e38
const LEAST = 1.4e-45

/** A number ≥ 0 that is neither too large nor 0 in float32 alone. */
export const rate = (preset?: number): Rule<number> =>
  by((name, value) => {
    const got = describe(value)
    if (Number.isFinite(value) && value > 0 && !isRate(value))
      fail(`${name} must be at most ${MOST}, the largest number of float32, got ${got}`)
    if (!isRate(value)) fail(`${name} must be ≥ 0, got ${got}`)
    if (value !== 0 && Math.fround(value) === 0)
      fail(`${name} must be 0 or at least ${LEAST}, the smallest number of float32, got ${got}`)
  }, preset)

/** @throws SpikewasmError unless `value` can be the learning rate of a step */
export function checkRate(name: string, value: number): void {
  if (!isRate(value)) fail(`${name} must be a finite number ≥ 0, got ${describe(value)}`)
}
