/** Learning rates of a training's steps. A schedule is asked once for each epoch, or step. */

import { fail } from '../errors.js'
import { checkRate, constant, type Schedule } from '../optimizer/index.js'
import type { Optimizer } from '../optimizer/kind.js'
import type { EpochRecord } from './records.js'

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
    const factor: unknown = schedule(epoch, epochs, at)
    if (typeof factor === 'function')
      fail('fit.schedule must give a number, got a function; call its maker: cosine(), not cosine')
    checkRate(`fit.schedule(${epoch}, ${epochs})`, factor as number)
    const learningRate = optimizer.lr * (factor as number)
    checkRate('fit.optimizer.lr times the factor of fit.schedule', learningRate)
    for (const { lr = 0 } of optimizer.groups)
      checkRate(
        'the lr of a group of fit.optimizer times the factor of fit.schedule',
        lr * (factor as number),
      )
    return { learningRate, factor: factor as number }
  }
}
