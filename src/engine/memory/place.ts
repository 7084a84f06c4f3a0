/** The memory of a model, which may begin when it is first used; see `borrow`. */

import { breathe } from '../threads/breathe.js'
import type { Arena } from './arena.js'

export class Place {
  private held!: Arena['memory']
  private begin: (() => void) | undefined
  private first: (() => void) | undefined

  /** Whether nothing is written yet. */
  get waits(): boolean {
    return this.begin !== undefined
  }

  get memory(): Arena['memory'] {
    const { begin } = this
    this.begin = undefined
    try {
      begin?.()
    } catch (error) {
      // No memory for the copy: nothing is written, and the next use tries again.
      this.begin = begin
      throw error
    }
    const { first } = this
    this.first = undefined
    first?.()
    return this.held
  }

  /**
   * @param begin writes what a model begins with
   * @param later when the memory is first used, rather than now
   */
  set(memory: Arena['memory'], begin: () => void = () => {}, later = false): void {
    this.held = memory
    this.begin = begin
    if (!later) void this.memory
  }

  /** Numbers that are written when the memory is next used, unless others take their place. */
  startWith(write: () => void): void {
    this.first = write
  }

  /** All of these numbers will be written over. */
  overwritten(): void {
    this.first = undefined
  }

  /** Begins, where that is still to be done, when the job that compiled the model has ended. */
  async ready(): Promise<void> {
    if (!this.begin) return
    // That job may still hold the model before.
    await breathe()
    void this.memory
  }
}
