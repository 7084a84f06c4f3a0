/**
 * One operation at a time on a model: its two input slots, its program and its parameters serve one
 * of them.
 */

import { SpikewasmError } from '../errors.js'

export class Lock {
  private held = false
  private paused = false
  private lent = false
  private freed: (() => void) | undefined

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
      this.held = false
      this.freed?.()
      this.freed = undefined
    }
  }

  /**
   * For changes that end before they return: nothing may run, but the holder may have paused.
   * @throws SpikewasmError otherwise
   */
  checkIdle(): void {
    if (this.held && !this.paused) refuse()
  }

  /**
   * Runs a callback of the holder's between two of its steps: only what `checkIdle` allows may be
   * called.
   */
  pause(callback: () => void): void {
    this.paused = true
    try {
      callback()
    } finally {
      this.paused = false
    }
  }

  /**
   * Runs a callback that may hold the lock itself, and goes on when nobody holds it any more: an
   * operation that the callback did not await ends first.
   */
  async lend(callback: () => void | Promise<void>): Promise<void> {
    this.held = false
    this.lent = true
    try {
      await callback()
    } finally {
      while (this.held)
        await new Promise<void>((resolve) => {
          this.freed = resolve
        })
      this.lent = false
      this.held = true
    }
  }
}

function refuse(): never {
  throw new SpikewasmError(
    'the model is running; wait for the call before (await) before the next one. During ' +
      'fit, onEpoch may call what it waits for, except fit',
  )
}
