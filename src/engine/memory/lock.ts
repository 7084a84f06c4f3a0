/**
 * One operation at a time on a model: there is one set of input slots, programs and parameters.
 * Operations that change it are refused while another runs. Those that leave it as it is wait.
 */

import { fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { isThenable } from '../../base/objects.js'
import { platform } from '../platform.js'

/** Each call that waits holds a copy of what it was given. */
const MOST_WAITING = 1024

/** A piece of the caller's code that the holder runs. */
type Piece = object

interface Waiting {
  readonly start: () => void
  /** Whether it reads the model beside the code that the lock is lent to. */
  readonly visits: boolean
}

export class Lock {
  /**
   * @param settle called before others may look at the model: before an operation ends, and before
   *   callbacks. What it gives is waited for. `all`: they may ask for a snapshot.
   */
  constructor(
    private readonly settle: (all: boolean) => Promise<void> | undefined = () => undefined,
  ) {}

  private held = false
  private paused = false
  /** What the holder has lent it to. */
  private lent: Piece | undefined
  /** Whether the lock, while it is lent, is held by somebody else's reading. */
  private visited = false
  /** What the holder waits for without giving it the lock. */
  private readonly asked = new Set<Piece>()
  /** Who waits for a turn, first come first served: the lock stays held and is handed over. */
  private readonly queue: Waiting[] = []
  /** Who waits for the lock to be free, or for a pause. */
  private watching: (() => void)[] = []

  /** Whether an operation runs, also one that has paused or lent the lock. */
  get taken(): boolean {
    return this.held || this.lent !== undefined
  }

  /**
   * Runs `body`, which changes the model, alone. The lock is taken before anything is awaited.
   * @param nested whether a callback that the holder has lent the lock to may call it
   * @param later called where it has to wait, before it does
   * @throws SpikewasmError at once when another operation runs
   */
  async hold<T>(body: () => Promise<T>, nested = true, later?: () => void): Promise<T> {
    if (this.lent && !(nested && isWithin(this.lent))) this.refuse()
    if (this.held && !this.visited) this.refuse()
    if (this.held) {
      // A stranger reads the model beside the callback. It ends by itself.
      later?.()
      await this.turn()
    }
    this.held = true
    return this.finish(body)
  }

  /**
   * Runs `body` alone, in its turn: at once where nothing runs.
   * @param signal takes it out of the queue
   * @param later called where it has to wait, before it does
   * @throws SpikewasmError at once where the operation that runs waits for the caller, and where
   *   too many calls wait; the signal's reason
   */
  async inTurn<T>(
    body: () => Promise<T>,
    signal?: host.AbortSignal,
    later?: () => void,
  ): Promise<T> {
    const waiting = this.enter(signal, later)
    // Where it need not wait, it begins before the call returns.
    if (waiting) await waiting
    return this.finish(body)
  }

  /**
   * Reads the model, once no operation runs or the one that does waits for a callback.
   * @throws SpikewasmError and the signal's reason, as `inTurn` does
   */
  async look<T>(read: () => T, signal?: host.AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (!this.held || this.paused) return read()
    await this.enter(signal)
    try {
      return read()
    } finally {
      this.pass()
    }
  }

  /**
   * For changes that are complete when they return.
   * @throws SpikewasmError when an operation runs, unless it has paused
   */
  checkIdle(): void {
    if (this.held && !this.paused) this.refuse()
  }

  /** @throws SpikewasmError where the caller would wait for what waits for the caller */
  checkWaits(): void {
    if (this.held && !this.paused && platform().callers && this.isAsked()) this.refuse()
  }

  /** Runs code of the caller's that the holder waits for: it may not run the model. */
  ask<T>(code: () => T): T {
    const piece: Piece = {}
    const end = (): boolean => this.asked.delete(piece)
    this.asked.add(piece)
    let result: T | undefined
    try {
      result = runAs(piece, code)
      return isThenable(result) ? (Promise.resolve(result).finally(end) as T) : result
    } finally {
      if (!isThenable(result)) end()
    }
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
      const result = this.ask(callback)
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
   * Runs a callback that may take the lock itself, behind all that wait. Others may read meanwhile:
   * the callback may wait for them. Goes on when the lock is free again, also where the callback
   * did not await its operation.
   */
  async lend(callback: () => unknown): Promise<void> {
    if (this.queue.length > 0) {
      const turn = this.turn()
      this.pass()
      await turn
    }
    const settling = this.settle(true)
    if (settling) await settling
    const piece: Piece = {}
    this.held = false
    this.lent = piece
    this.wake()
    try {
      const running = runAs(piece, callback)
      // Who waits comes behind what the callback has begun.
      if (!this.held) this.pass()
      await running
    } finally {
      if (this.held) await this.turn()
      this.visited = false
      this.lent = undefined
      this.held = true
    }
  }

  /** Resolves when no operation runs, or the one that does waits for a callback of its own. */
  async rests(): Promise<void> {
    while (this.held && !this.paused)
      await new Promise<void>((resolve) => {
        this.watching.push(resolve)
      })
  }

  private async finish<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } finally {
      const settling = this.settle(false)
      if (settling) await settling
      this.pass()
    }
  }

  private enter(signal?: host.AbortSignal, later?: () => void): Promise<void> | undefined {
    signal?.throwIfAborted()
    const visits = this.lent !== undefined && !isWithin(this.lent)
    if (!this.held) {
      this.held = true
      this.visited = visits
      return undefined
    }
    if (this.isAsked()) this.refuse()
    if (this.queue.length >= MOST_WAITING)
      fail(
        `at most ${MOST_WAITING} calls may wait for a model, got one more; await calls before ` +
          'making others, or let another model take some',
      )
    later?.()
    return this.turn(visits, signal)
  }

  private turn(visits = false, signal?: host.AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.queue.splice(this.queue.indexOf(waiting), 1)
        reject(signal?.reason)
      }
      const start = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const waiting = { start, visits }
      signal?.addEventListener('abort', leave, { once: true })
      this.queue.push(waiting)
    })
  }

  /** Hands the lock over to the next who waits, or frees it. */
  private pass(): void {
    const next = this.queue.shift()
    this.held = next !== undefined
    this.visited = this.lent !== undefined && next?.visits === true
    if (next) next.start()
    else this.wake()
  }

  private wake(): void {
    for (const resolve of this.watching.splice(0)) resolve()
  }

  /** Whether the holder waits for the caller. */
  private isAsked(): boolean {
    return [...this.asked].some(isWithin)
  }

  private refuse(): never {
    fail(
      'the model is running another call: ' +
        (this.isAsked()
          ? "it waits for this one's caller (onStep of fit, prepare of its data, or a loss), " +
            'which may not run the model; do that in onEpoch, or with a model of its own'
          : 'await that one first; calls that only read wait for their turn by themselves, this ' +
            'one changes the model. The callbacks onFitStart, onEpoch and onFitEnd of fit may ' +
            'use the model, but not call fit or loadCheckpoint'),
    )
  }
}

function runAs<T>(piece: Piece, code: () => T): T {
  const { callers } = platform()
  return callers ? callers.run(piece, code) : code()
}

/** Whether the caller is such code; where that is not known, anybody is. */
const isWithin = (piece: Piece): boolean => platform().callers?.isWithin(piece) ?? true
