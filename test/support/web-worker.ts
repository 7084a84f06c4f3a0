/** A page's workers on threads of Node, so that what a page does can be tested without a browser. */
import { Worker as Thread } from 'node:worker_threads'
import '../../src/model/node.js'
import { script } from '../../src/engine/page/script.js'
import { type Platform, platform, registerPlatform } from '../../src/engine/platform.js'

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

// Locks of Node 24 and later do not notice when a thread ends; test/web shows that browsers' do.
Object.assign(globalThis, { Worker: WorkerInNode })
if (globalThis.navigator?.locks) giveLocks(undefined)
export const node = platform()
// It registers itself.
const { pagePlatform } = await import('../../src/engine/page/platform.js')
registerPlatform(node)

const { apart, threads, executors, staysFree } = pagePlatform
/** Node's, but for where programs run: as in a page that may not share memory. */
export const page: Platform = {
  ...node,
  apart,
  threads,
  executors,
  staysFree,
  sharesMemory: () => false,
}

export async function onPlatform<T>(platform: Platform, body: () => Promise<T>): Promise<T> {
  try {
    registerPlatform(platform)
    return await body()
  } finally {
    registerPlatform(node)
  }
}

/** Gives this process locks, or none. */
export function giveLocks(locks: unknown): void {
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true })
}
