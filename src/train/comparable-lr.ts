/** Learning rates that make methods comparable. */

import { checkInteger, fail } from '../errors.js'
import { checkRate } from '../optimizer/index.js'
import { type Method, methodNames, methods, methodsTaking } from '../plan/methods.js'
import { checkedElsewhere, complete, integer, oneOf } from '../rules.js'

/** Options of `comparableLr`; all but `backwardSteps` must be given. */
export interface ComparableLrOptions {
  /** The method that the learning rate was chosen for. */
  from: Method
  /** The method that is to make steps of the same size. */
  to: Method
  /** T of the model, an integer ≥ 1. */
  timeSteps: number
  /** Where one of the two is sltt: its `backwardSteps` K, from 1 to T. Default: all T. */
  backwardSteps?: number
}

/**
 * The learning rate with which SGD makes steps of about the same size with another method. The
 * rate method divides its loss by T, as the paper does: its gradient is about 1/T of that of the
 * other methods, so their learning rate is multiplied by T for it. SLTT that backpropagates at K
 * steps has about K/T of the gradient, and takes T/K times the learning rate. The step of a weight
 * decay grows alike: divide the decay by the same factor, and a `clipNorm` too. Adam and AdamW do
 * not depend on the size of gradients; they need no other learning rate.
 *
 * @throws SpikewasmError when an argument is unknown or out of range
 */
export function comparableLr(lr: number, options: ComparableLrOptions, ...more: []): number {
  checkRate('comparableLr: lr', lr)
  const rules = {
    from: oneOf(methodNames),
    to: oneOf(methodNames),
    timeSteps: integer(1, 255),
    ...checkedElsewhere<Pick<ComparableLrOptions, 'backwardSteps'>>(['backwardSteps']),
  }
  const { from, to, timeSteps, backwardSteps } = complete('comparableLr', rules, options, more)
  if (backwardSteps !== undefined) {
    checkInteger('comparableLr.backwardSteps', backwardSteps, 1, timeSteps)
    const takers = methodsTaking('backwardSteps')
    if (!takers.includes(from) && !takers.includes(to))
      fail(
        `comparableLr.backwardSteps must be left out without ${takers.join(', ')}, got ` +
          `${backwardSteps} from ${from} to ${to}`,
      )
  }
  const divisor = (method: Method): number => divisorOf(method, timeSteps, backwardSteps)
  return (lr * divisor(to)) / divisor(from)
}

/** What a method's gradients are divided by, beside those of BPTT. */
function divisorOf(method: Method, timeSteps: number, backwardSteps = timeSteps): number {
  const { modes, options } = methods[method]
  const [traits] = Object.values(modes)
  // Online methods divide by T too, but add up the gradients of the steps that they go back from.
  if (options.includes('backwardSteps')) return timeSteps / backwardSteps
  const isDivided = traits.lossOver === 'imagesAndSteps' && traits.backward === 'afterwards'
  return isDivided ? timeSteps : 1
}
