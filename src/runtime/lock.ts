/**
 * One operation at a time on a model: there is one set of input slots, programs and parameters.
 */

import { SpikewasmError } from '../errors.js'

export class Lock {
  /**
   * @param settle called before others may look at the model: before an operation ends, and before
   *   callbacks. What it gives is waited for. `all`: they may ask for a snapshot.
   */
  constructor(private readonly settle: (all: boolean) => Promise<void> | undefined = () => undefined) {}

  private held = false
  private paused = false
  private lent = false
  /** Who waits for the lock to be free, or for a pause. */
  private waiting: (() => void)[] = []

  /** Whether an operation runs, also one that has paused or lent the lock. */
  get taken(): boolean {
    return this.held || this.lent
  }

  /**
   * Runs `body` alone. The lock is taken before anything is awaited.
   * @param nested whether it may also run while the holder has lent the lock
   * @throws SpikewasmError at once when another operation runs
   */
  async hold<T>(body: () => Promise<T>, nested = true): Promise<T> {
    if (this.held || (this.lent && !nested)) refuse()
    this.held = true
    try {
      return await body()
    } finally {
      const settling = this.settle(false)
      if (settling) await settling
      this.held = false
      this.wake()
    }
  }

  /**
   * For changes that are complete when they return.
   * @throws SpikewasmError when an operation runs, unless it has paused
   */
  checkIdle(): void {
    if (this.held && !this.paused) refuse()
  }

  /**
   * Runs a callback of the holder between two of its steps, and waits for it. The callback may only
   * call what `checkIdle` allows.
   *
   * @param all whether it may ask for a snapshot
   */
  async pause(callback: () => unknown, all = true): Promise<void> {
    const settling = this.settle(all)
    if (settling) await settling
    this.paused = true
    try {
      const result = callback()
      // Without a promise the pause is over when the callback returns.
      if (isThenable(result)) {
        this.wake()
        await result
      }
    } finally {
      this.paused = false
    }
  }

  /**
   * Runs a callback that may take the lock itself. Goes on when the lock is free again, also where
   * the callback did not await its operation.
   */
  async lend(callback: () => unknown): Promise<void> {
    const settling = this.settle(true)
    if (settling) await settling
    this.held = false
    this.lent = true
    this.wake()
    try {
      await callback()
    } finally {
      while (this.held) await this.changed()
      this.lent = false
      this.held = true
    }
  }

  /** Resolves when no operation runs, or the one that does waits for a callback of its own. */
  async rests(): Promise<void> {
    while (this.held && !this.paused) await this.changed()
  }

  private changed(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve)
    })
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'

function refuse(): never {
  throw new SpikewasmError(
    'the model is running another call: await that one first. The callbacks onFitStart, ' +
      'onEpoch and onFitEnd of fit may use the model, but not call fit or loadCheckpoint',
  )
}
