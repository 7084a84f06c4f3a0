/** The memory of a model in a page, where it begins at once. */

import type { Arena } from './arena.js'

export class Place {
  readonly waits = false
  memory!: Arena['memory']

  set(memory: Arena['memory'], begin?: () => void): void {
    this.memory = memory
    begin?.()
  }

  startWith(write: () => void): void {
    write()
  }

  overwritten(): void {}

  async ready(): Promise<void> {}
}
