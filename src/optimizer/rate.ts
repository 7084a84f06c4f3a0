/** Numbers that a step of an optimizer takes. */

import { describe, expect } from '../errors.js'

/** Whether a value is a number ≥ 0 that stays finite in float32, as the kernels take it. */
export function isRate(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && Number.isFinite(Math.fround(value))
}

/** @throws SpikewasmError unless `value` can be the learning rate of a step */
export function checkRate(name: string, value: number): void {
  expect(isRate(value), () => `${name} must be a finite number ≥ 0, got ${describe(value)}`)
}
