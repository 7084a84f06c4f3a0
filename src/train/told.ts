/** The callbacks of a training: in which order they are called, and what they may do. */

import { describe, fail } from '../errors.js'
import type { Lock } from '../runtime/lock.js'
import type { Callback, FitStart, Training } from './callback.js'
import type { FitOptions } from './options.js'
import type { EpochRecord, History, StepInfo } from './records.js'

export class Told {
  /** Those that save what others have done are behind them. */
  readonly callbacks: readonly Callback[]
  /** Those that have been told of the start, and not yet of the end. */
  private readonly begun: Callback[] = []
  /** The name of the one that is called. */
  private calling: string | undefined
  /** Why one of them has stopped the training. */
  stopped: string | undefined

  constructor(
    private readonly lock: Lock,
    private readonly options: FitOptions,
  ) {
    this.callbacks = [...(options.callbacks ?? [])].sort(
      (a, b) => Number(a.last ?? false) - Number(b.last ?? false),
    )
  }

  async start(start: FitStart, training: Training): Promise<void> {
    for (const callback of this.callbacks) {
      this.begun.push(callback)
      await this.lock.lend(() => this.call(callback, () => callback.onFitStart?.(start, training)))
    }
  }

  async step(info: StepInfo, training: Training): Promise<void> {
    this.calling = undefined
    const { onStep } = this.options
    if (onStep) await this.lock.pause(() => onStep(info), false)
    for (const callback of this.callbacks)
      if (callback.onStep)
        await this.lock.pause(() => this.call(callback, () => callback.onStep?.(info, training)))
  }

  async epoch(record: EpochRecord, training: Training): Promise<void> {
    this.calling = undefined
    await this.lock.lend(async () => {
      await this.options.onEpoch?.(record)
      for (const callback of this.callbacks)
        await this.call(callback, () => callback.onEpoch?.(record, training))
    })
  }

  /**
   * Tells all that have begun, each once, whatever others of them throw.
   * @throws the first error, behind the last one
   */
  async end(history: History | undefined, training: Training): Promise<void> {
    let failure: { readonly error: unknown } | undefined
    for (const callback of this.begun.splice(0))
      try {
        await this.lock.lend(() =>
          this.call(callback, () => callback.onFitEnd?.(history, training)),
        )
      } catch (error) {
        failure ??= { error }
      }
    if (failure) throw failure.error
  }

  /** Remembers who is called, until the next one is. */
  private call(callback: Callback, hook: () => unknown): unknown {
    this.calling = callback.name
    return hook()
  }

  /** `Training.stop`. */
  stop(reason = `stopped by ${this.calling ? `callback ${this.calling}` : 'a callback'}`): void {
    if (typeof reason !== 'string' || reason === '')
      fail(
        `training.stop's reason must be a text, which becomes history.stopped, got ` +
          `${describe(reason)}; leave it out for one with the callback's name`,
      )
    this.stopped ??= reason
  }
}
