/** Learning rates that make methods comparable. */

import { checkInteger, fail } from '../base/errors.js'
import { checkedElsewhere, complete, integer, oneOf } from '../base/rules.js'
import { type Method, MOST_STEPS, methodNames, methods, methodsTaking } from '../compile/methods.js'
import type { Optimizer } from '../compile/optimizer-kind.js'
import { checkRate, constant, type Schedule } from '../network/optimizer.js'
import type { EpochRecord } from './records.js'

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
    timeSteps: integer(1, MOST_STEPS),
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

// Learning rates of a training's steps. A schedule is asked once for each epoch, or step.

/** The learning rate of a step, and the schedule's factor in it. */
export interface StepRate {
  readonly learningRate: number
  readonly factor: number
}

/** What they follow from. */
export interface RatesOf {
  readonly optimizer: Optimizer
  readonly schedule: Schedule | undefined
  /** The epoch at which the training ends. */
  readonly epochs: number
  /** Steps of an epoch. */
  readonly steps: number
  /** Those of the epochs so far. */
  readonly records: readonly EpochRecord[]
}

export class Rates {
  /** The last answer, and the step that it is for, counted from the first epoch's first. */
  private last: { readonly step: number; readonly rate: StepRate } | undefined

  constructor(private readonly of: RatesOf) {}

  /**
   * @param step of the epoch
   * @throws SpikewasmError when the schedule's answer can be no factor
   */
  at(epoch: number, step: number): StepRate {
    const { schedule = constant(), steps } = this.of
    // One that is asked by epochs sees where the epoch begins, whatever its step.
    const at = epoch * steps + (schedule.by === 'step' ? step : 0)
    if (this.last?.step !== at) this.last = { step: at, rate: this.ask(schedule, epoch, at) }
    return this.last.rate
  }

  private ask(schedule: Schedule, epoch: number, step: number): StepRate {
    const { epochs, steps, optimizer, records } = this.of
    const at = { epoch, epochs, step, steps: epochs * steps, records }
    const factor = schedule(epoch, epochs, at)
    if (typeof (factor as unknown) === 'function')
      fail('fit.schedule must give a number, got a function; call its maker: cosine(), not cosine')
    checkRate(`fit.schedule(${epoch}, ${epochs})`, factor)
    const learningRate = optimizer.lr * factor
    checkRate('fit.optimizer.lr times the factor of fit.schedule', learningRate)
    for (const { lr = 0 } of optimizer.groups)
      checkRate('the lr of a group of fit.optimizer times the factor of fit.schedule', lr * factor)
    return { learningRate, factor }
  }
}
