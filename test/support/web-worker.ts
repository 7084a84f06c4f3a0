/** A page's workers on threads of Node, so that what a page does can be tested without a browser. */
import { Worker as Thread } from 'node:worker_threads'
import { script } from '../../src/engine/page/script.js'

/** What a worker of a page has, by what a thread has. */
const surroundings = `
Object.defineProperty(globalThis, 'navigator', { value: {} })
const { parentPort } = require('node:worker_threads')
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer)
parentPort.on('message', (data) => globalThis.onmessage({ data }))
`

/** As much of the class `Worker` of browsers as the package uses. */
class WorkerInNode {
  onmessage: ((event: { data: unknown }) => void) | null = null
  onerror: ((event: { message: string; preventDefault(): void }) => void) | null = null
  private readonly thread: Thread

  constructor() {
    this.thread = new Thread(surroundings + script, { eval: true })
    all.add(this)
    this.thread.on('message', (data) => this.onmessage?.({ data }))
    this.thread.on('error', ({ message }) => this.onerror?.({ message, preventDefault() {} }))
    this.thread.on('exit', () => all.delete(this))
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.thread.postMessage(message, transfer as never)
  }

  terminate(): void {
    void this.thread.terminate()
  }
}

const all = new Set<WorkerInNode>()

/** Workers that have not ended. */
export const workersAlive = (): number => all.size

/**
 * Gives this process the class `Worker` of browsers. Its locks go: those of Node 24 and later do
 * not notice when a thread ends. Real browsers show in `test/web` that theirs do.
 */
export function installWorkers(): void {
  Object.assign(globalThis, { Worker: WorkerInNode })
  if (globalThis.navigator?.locks) giveLocks(undefined)
}

/** Gives this process locks, or none. */
export function giveLocks(locks: unknown): void {
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true })
}
