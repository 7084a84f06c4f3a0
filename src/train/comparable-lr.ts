/** Learning rates that make methods comparable. */

import { checkInteger, checkOptions, describe, expect } from '../errors.js'
import { checkRate } from '../optimizer/index.js'
import { type Method, methodNames, methods } from '../plan/methods.js'

/** Options of `comparableLr`; all must be given. */
export interface ComparableLrOptions {
  /** The method that the learning rate was chosen for. */
  from: Method
  /** The method that is to make steps of the same size. */
  to: Method
  /** T of the model, an integer ≥ 1. */
  timeSteps: number
}

/**
 * The learning rate with which SGD makes steps of about the same size with another method. The
 * rate method divides its loss by T, as the paper does: its gradient is about 1/T of that of the
 * other methods, so their learning rate is multiplied by T for it. The step of a weight decay grows
 * alike: divide the decay by the same factor. Adam and AdamW do not depend on the size of
 * gradients; they need no other learning rate.
 *
 * @throws SpikewasmError when an argument is unknown or out of range
 */
export function comparableLr(lr: number, options: ComparableLrOptions): number {
  checkRate('comparableLr: lr', lr)
  checkOptions('comparableLr', options, ['from', 'to', 'timeSteps'])
  const { from, to, timeSteps } = options
  for (const [key, method] of Object.entries({ from, to }))
    expect(
      methodNames.includes(method),
      () => `comparableLr.${key} must be one of ${methodNames.join(', ')}, got ${describe(method)}`,
    )
  checkInteger('comparableLr.timeSteps', timeSteps, 1, 255)
  return (lr * divisorOf(to, timeSteps)) / divisorOf(from, timeSteps)
}

/** What a method's gradients are divided by, beside those of BPTT. */
function divisorOf(method: Method, timeSteps: number): number {
  const [traits] = Object.values(methods[method].modes)
  // Online methods divide by T too, but add up the gradients of T losses.
  const isDivided = traits.lossOver === 'imagesAndSteps' && traits.backward === 'afterwards'
  return isDivided ? timeSteps : 1
}
