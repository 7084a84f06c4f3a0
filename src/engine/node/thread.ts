/** Threads whose functions are called (Node). */

import { readFileSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { parentPort, Worker, type WorkerOptions } from 'node:worker_threads'
import { fail } from '../../base/errors.js'
import { broken } from '../package-file.js'
import { type AddressLimit, size } from '../platform.js'
import { Calls, type Functions, SideEnded, serve } from '../threads/calls.js'

// Files of the package in Node.

/**
 * For files that threads start from: a thread that finds none would end the process.
 *
 * @throws SpikewasmError when a file of the package is missing
 */
export async function expectPackageFile(url: URL): Promise<void> {
  await access(url).catch((error: unknown) => {
    throw broken([url], error)
  })
}

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
    worker.once('exit', () => this.fail(new SideEnded('its thread ended')))
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

  /** At once, amid what it does. */
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

// How many addresses a process may use, where that is limited (`ulimit -v`), in Node.

/** What V8 reserves for a thread's heap and code: 590 to 841 MiB in Node 20 to 26. */
const THREAD_BYTES = 900 * 2 ** 20
/** What it asks for beside that while a thread starts, to cut an aligned place out of it. */
const START_BYTES = 2 ** 30

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** In bytes. Undefined where nothing is limited or known: Linux tells. */
export function addressLimit(): AddressLimit | undefined {
  const limit = Number(/^Max address space +(\d+)/m.exec(textOf('/proc/self/limits'))?.[1])
  if (!(limit > 0)) return undefined
  const used = Number(/^VmSize:\s+(\d+)/m.exec(textOf('/proc/self/status'))?.[1]) * 1024
  return used > 0 ? { limit, used, reserved: 10 * 2 ** 30 } : undefined
}

/**
 * V8 ends the process where a thread finds no addresses, so that nobody could say why.
 *
 * @param option that says how many threads there are
 * @throws SpikewasmError where there is no room for so many
 */
export function expectThreads(option: string, threads: number): void {
  const addresses = addressLimit()
  const needed = threads * THREAD_BYTES + START_BYTES
  if (addresses && addresses.limit - addresses.used < needed)
    fail(
      `${option}: ${threads} threads need about ${size(needed)} of addresses, but the process ` +
        `may use ${size(addresses.limit)}, and uses ${size(addresses.used)}; choose fewer, raise ` +
        'the limit (ulimit -v), or dispose of other models',
    )
}
