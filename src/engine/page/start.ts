/** Starts the workers of a page, and notices when one ends. */

import { SpikewasmError } from '../../base/errors.js'
import { Calls, type Functions } from '../threads/calls.js'
import type { Lock } from './protocol.js'
import { script } from './script.js'

/** A host whose locks outlive its workers would hold up whoever waits for their end. */
const END_MS = 2000

let own: string | undefined

/** The address of the script, which is part of this code. */
function ownScript(): string {
  own ??= URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  return own
}

/** A worker whose functions are called. */
export class PageWorker<F extends Functions<F>> extends Calls<F> {
  private readonly worker: Worker
  private isReady = false
  private readonly lock: Lock = `spikewasm ${Math.random()}`

  /** @param url of the worker's script, where the user gives one */
  constructor(url?: string | URL) {
    let worker: Worker
    try {
      worker = new Worker(url ?? ownScript(), { name: 'spikewasm' })
    } catch (error) {
      throw noStart(url, error instanceof Error ? error.message : String(error))
    }
    super((message, transfer = []) => worker.postMessage(message, [...transfer]))
    this.worker = worker
    worker.onmessage = ({ data }: MessageEvent) => {
      this.hear(data)
      if (this.isReady) return
      this.isReady = true
      // Before that the worker might not have had it yet.
      const fail = (): void => this.fail(new Error('a worker of the page has ended'))
      this.gone()?.then(fail, () => undefined)
    }
    worker.onerror = (event) => {
      event.preventDefault()
      const why = event.message || 'it could not be loaded'
      const failed = new Error(`a worker of the page failed: ${why}`)
      this.fail(this.isReady ? failed : noStart(url, why))
    }
    worker.postMessage(this.lock)
  }

  /** Settled when it has ended, where the browser tells: its lock is free then. */
  private gone(): Promise<unknown> | undefined {
    return globalThis.navigator?.locks?.request(this.lock, () => {})
  }

  /** Ends it, and waits until it has ended. */
  async end(): Promise<void> {
    this.fail(new Error('the worker was ended'))
    this.worker.terminate()
    const gone = this.isReady && this.gone()?.catch(() => undefined)
    if (gone) await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, END_MS))])
  }
}

function noStart(url: string | URL | undefined, why: string): SpikewasmError {
  return new SpikewasmError(
    url === undefined
      ? `the page could not start a worker (${why}); a Content-Security-Policy must allow ` +
          'worker-src blob:, or serve the file spikewasm/worker and give its address: ' +
          'compile(network, { worker: url })'
      : `the page could not start a worker from ${url} (${why}); compile's worker must be the ` +
          'address of the file spikewasm/worker, from the origin of the page',
  )
}
