/** Starts the workers of a page, and notices when one ends. */

import { SpikewasmError } from '../../errors.js'
import type { OwnSetup, Setup, SharedSetup } from './protocol.js'
import { script } from './script.js'

export interface PageWorker {
  /** Settled when it listens. */
  readonly ready: Promise<void>
  post(message: unknown, transfer?: Transferable[]): void
  /** Ends it, and waits until it has ended where the browser tells. */
  end(): Promise<void>
}

export interface WorkerEvents {
  message(data: unknown): void
  /** It has failed, or ended without having been asked to. */
  failed(error: Error): void
}

/** A host whose locks outlive its workers would hold up whoever waits for their end. */
const END_MS = 2000

let own: string | undefined

/** The address of the script, which is part of this code. */
function ownScript(): string {
  own ??= URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  return own
}

const names = Math.random().toString(36).slice(2)
let count = 0

/**
 * @param url of the worker's script, where the user gives one
 * @param setup what the worker needs
 */
export function startWorker(
  url: string | URL | undefined,
  setup: Omit<SharedSetup, 'lock'> | Omit<OwnSetup, 'lock'>,
  events: WorkerEvents,
): PageWorker {
  const lock = `spikewasm ${names} ${count++}`
  let ended = false
  let isReady = false
  let gone = (): void => {}
  const end = new Promise<void>((resolve) => {
    gone = resolve
  })
  let listens = (): void => {}
  let refuse = (_error: Error): void => {}
  const ready = new Promise<void>((resolve, reject) => {
    listens = resolve
    refuse = reject
  })
  ready.catch(() => undefined)
  const fail = (error: Error): void => {
    refuse(error)
    if (!ended) events.failed(error)
  }
  let worker: Worker
  try {
    worker = new Worker(url ?? ownScript(), { name: 'spikewasm' })
  } catch (error) {
    throw noStart(url, error instanceof Error ? error.message : String(error))
  }
  worker.onmessage = ({ data }: MessageEvent) => {
    if (isReady) {
      events.message(data)
      return
    }
    isReady = true
    listens()
    // Before that the worker might not have had it yet.
    const { locks } = globalThis.navigator ?? {}
    const mine = (): void => {
      gone()
      fail(new Error('a worker of the page has ended'))
    }
    locks?.request(lock, mine).catch(gone)
  }
  worker.onerror = (event) => {
    event.preventDefault()
    const why = event.message || 'it could not be loaded'
    fail(isReady ? new Error(`a worker of the page failed: ${why}`) : noStart(url, why))
  }
  worker.postMessage({ ...setup, lock } satisfies Setup)
  return {
    ready,
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    async end() {
      ended = true
      worker.terminate()
      refuse(new Error('the worker was ended'))
      if (isReady && globalThis.navigator?.locks)
        await Promise.race([end, new Promise((resolve) => setTimeout(resolve, END_MS))])
    },
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
