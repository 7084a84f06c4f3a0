/** A program of Node in a process of its own, that a test listens to and ends. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

export class Program {
  /** All that it has said so far, of either kind. */
  said = ''
  stderr = ''
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Whether it has ended, and said all. */
  isOver = false

  constructor(args: readonly string[], options: Pick<SpawnOptions, 'cwd' | 'env'> = {}) {
    const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.said += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.said += text
      this.stderr += text
    })
    // Does not outlive the tests.
    const leave = (): void => void child.kill('SIGKILL')
    process.once('exit', leave)
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        process.off('exit', leave)
        this.isOver = true
        resolve({ code, signal, stderr: this.stderr })
      })
    })
  }

  /** Waits; throws when it has ended before. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) {
      if (this.isOver) throw new Error(`the program has ended: ${this.said}`)
      await pause(20)
    }
  }

  says(text: string): Promise<void> {
    return this.until(() => this.said.includes(text))
  }

  end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }
}
