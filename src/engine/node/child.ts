/** Processes whose functions are called (Node). */

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Calls, type Functions, type Post, SideEnded, serve } from '../threads/calls.js'

/** The last bytes of what a process writes to its standard error are kept for messages. */
const KEPT = 4000
/** Asks a process for its end. */
const END = 'end'
/** How long it may take then. */
const END_MS = 10_000

/** Flags of Node that a process gets too: those of V8 and of its messages. */
export const flagsOfNode = (): string[] =>
  process.execArgv.filter((flag) =>
    /^--(?!(inspect|test|eval|print|watch|import|require|loader|input-type|check))/.test(flag),
  )

/** A process that serves functions by `serveProcess`. It does not outlive this one. */
export class Child<F extends Functions<F>> extends Calls<F> {
  readonly child: ChildProcess
  /** When it is gone, and all that it has written is read: its exit code, or what killed it. */
  readonly closed: Promise<number | string>
  private words = ''

  constructor(file: URL, options: ForkOptions) {
    const child = fork(fileURLToPath(file), [], { serialization: 'advanced', ...options })
    super((message) => void child.send(message as object))
    this.child = child
    const leave = (): void => void child.kill('SIGKILL')
    process.once('exit', leave)
    child.stdout?.resume()
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.words = (this.words + text).slice(-KEPT)
    })
    child.on('message', this.hear)
    this.closed = new Promise((resolve) => {
      child.on('error', (error) => {
        // While one runs, its end comes too, and says more.
        if (child.pid !== undefined) return
        this.fail(new SideEnded(`could not be started: ${error.message}`))
        resolve('nothing')
      })
      child.once('close', (code, signal) => {
        process.off('exit', leave)
        this.fail(new SideEnded(`ended its process (${signal ?? `exit code ${code}`})`))
        resolve(signal ?? code ?? 0)
      })
    })
  }

  /** The last lines of its standard error, in one. */
  lastWords(lines: number): string {
    return this.words.trim().split('\n').slice(-lines).join(' | ')
  }

  /** At once; resolves when it is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.closed
  }

  /** Asks it to end, and kills it when it does not in time. @returns its exit code or signal */
  async end(): Promise<number | string> {
    const late = setTimeout(() => void this.kill(), END_MS)
    // To disconnect would do, but then Node does not tell when all that it has written is read.
    if (this.child.connected) this.child.send(END)
    const how = await this.closed
    clearTimeout(late)
    return how
  }
}

/**
 * Lets the process that has started this one call functions of it.
 *
 * @param onLost called when that process is gone, or asks for the end
 */
export function serveProcess<F extends Functions<F>>(
  functions: F,
  onLost: () => void = () => process.exit(),
): void {
  // An exit must not lose a message that has not left.
  const post: Post = (message) =>
    new Promise((left) => {
      if (process.connected) process.send?.(message, undefined, {}, () => left())
      else left()
    })
  const hear = serve(functions, post)
  process.on('message', (message) => (message === END ? onLost() : void hear(message)))
  process.once('disconnect', onLost)
}
