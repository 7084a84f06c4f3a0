/** Threads whose functions are called (Node). */

import { parentPort, Worker, type WorkerOptions } from 'node:worker_threads'
import { Calls, type Functions, Gone, serve } from '../calls.js'
import { expectPackageFile } from './package-file.js'

/** A thread that serves functions by `serveThread`. The process stays while it loads or works. */
export class Thread<F extends Functions<F>> extends Calls<F> {
  readonly worker: Worker
  /** Its end is waited for. */
  private ends = false

  constructor(file: URL, options: WorkerOptions = {}) {
    const worker = new Worker(file, options)
    super((message, transfer = []) => worker.postMessage(message, transfer as never[]))
    this.worker = worker
    worker.on('message', this.hear)
    worker.on('error', this.fail)
    worker.once('exit', () => this.fail(new Gone('its thread ended')))
  }

  /** @throws SpikewasmError when the file, one of the package, is missing */
  static async start<F extends Functions<F>>(
    file: URL,
    options?: WorkerOptions,
  ): Promise<Thread<F>> {
    await expectPackageFile(file)
    return new Thread<F>(file, options)
  }

  protected override hold(isCalled: boolean): void {
    this.worker[isCalled || this.ends ? 'ref' : 'unref']()
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.ends = true
    await this.worker.terminate()
  }

  /**
   * Ends it. While it loads its modules it is waited for: Node may abort the whole process where a
   * thread is ended amid an import.
   */
  async end(): Promise<void> {
    this.ends = true
    this.worker.ref()
    await this.ready.catch(() => undefined)
    await this.kill()
  }
}

/** Lets the calling thread call functions of this one. */
export function serveThread<F extends Functions<F>>(functions: F): void {
  const port = parentPort
  if (!port) return
  port.on(
    'message',
    serve(functions, (message, transfer = []) => port.postMessage(message, transfer as never[])),
  )
}
