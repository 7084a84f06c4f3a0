/** What plans are made for, where a test says no more than what matters to it. */

import { methodOptions, pickMethodOptions } from '../../src/compile/methods.js'
import type { PlanOptions } from '../../src/compile/plan.js'
import type { Module } from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import { type InputShape, imageShape } from '../../src/network/value.js'

/** Sixteen images of a network, in four steps of method rate. */
export function planOptions(
  network: Module,
  input: InputShape,
  more: Partial<PlanOptions> = {},
): PlanOptions {
  const { timeSteps = 4, purpose = 'train' } = more
  return {
    ...methodOptions(pickMethodOptions(more), timeSteps, purpose === 'train'),
    graph: trace(network, input),
    input: imageShape(input),
    frames: false,
    inspect: false,
    timeSteps,
    batchSize: 16,
    ...more,
  }
}
