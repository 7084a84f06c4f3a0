/** What a page says to its workers and makes of their answers: test/engine/page-workers.txt. */
import { test } from 'uvu'
import { Control, Fault } from '../../assembly/opcodes.js'
import { SharedExecutor } from '../../src/engine/page/shared.js'
import { PageWorker } from '../../src/engine/page/start.js'
import { platform, registerPlatform } from '../../src/engine/platform.js'
import '../../src/model/node.js'
import { expectSnapshot } from '../support/snapshot.js'

// One that has warned of nothing so far, whatever other tests of this process have done.
const before = platform()
const fresh = '../../src/engine/page/platform.js?fresh'
const { pagePlatform } = (await import(fresh)) as typeof import('../../src/engine/page/platform.js')
// It has registered itself.
registerPlatform(before)

const written: string[] = []
const tell = (text: string): void => void written.push(text)

/** A worker that only keeps what it is told. */
class FakeWorker {
  static refuses: unknown
  static all: FakeWorker[] = []
  onmessage!: (event: { data: unknown }) => void
  onerror!: (event: { message: string; preventDefault(): void }) => void

  constructor(url: string | URL, options: object) {
    if (FakeWorker.refuses) throw FakeWorker.refuses
    tell(`worker of ${String(url).replace(/^blob:.*/, 'blob')} ${JSON.stringify(options)}`)
    FakeWorker.all.push(this)
  }
  postMessage(message: string | { call: string; argument: object }, transfer?: unknown[]): void {
    if (typeof message === 'string') tell(`told lock ${message.replace(/ [\d.]+$/, ' …')}`)
    else
      tell(`told ${message.call}, ${Object.keys(message.argument)}, ${transfer?.length ?? 0} given`)
  }
  terminate(): void {
    tell('terminated')
  }
  fail(message: string): void {
    this.onerror({ message, preventDefault: () => tell('prevented') })
  }
}

/** Runs with globals of a page. */
async function inPage(locks: unknown, run: () => Promise<void>): Promise<void> {
  const names = ['Worker', 'navigator', 'crossOriginIsolated', 'location', 'fetch'] as const
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)])
  FakeWorker.all = []
  FakeWorker.refuses = undefined
  const set = (name: string, value: unknown): void => {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  }
  set('Worker', FakeWorker)
  set('navigator', { locks, hardwareConcurrency: 0 })
  set('location', { href: 'https://a.b/c/' })
  try {
    await run()
  } finally {
    for (const [name, own] of before as [string, PropertyDescriptor | undefined][])
      if (own) Object.defineProperty(globalThis, name, own)
      else Reflect.deleteProperty(globalThis, name)
  }
}

const settled = async (name: string, promise: Promise<unknown>): Promise<void> => {
  const open = new Promise((resolve) => setTimeout(() => resolve('open'), 20))
  const found = await Promise.race([promise, open]).then(
    (value) => JSON.stringify(value) ?? 'done',
    (error: Error) => `${error.name}: ${error.message}`,
  )
  tell(`${name}: ${found}`)
}

const run = { program: 4096, workers: 2, scratch: 64, scratchBytes: 32, spins: 7, timeoutMs: 2500 }

function executorOf(threads: number) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const shared: { go?: Int32Array } = {}
  const post = FakeWorker.prototype.postMessage
  FakeWorker.prototype.postMessage = function (message, transfer) {
    const { argument } = Object(message) as { argument?: { go?: Int32Array } }
    if (argument?.go) shared.go = argument.go
    post.call(this, message, transfer)
  }
  const executor = new SharedExecutor({} as never, memory, threads, 'w.js')
  FakeWorker.prototype.postMessage = post
  const go = shared.go!
  const words = (): void => {
    tell(
      `go ${[...go.entries()]
        .filter(([, word]) => word !== 0)
        .map(([at, word]) => `${at}:${word}`)
        .join(' ')}`,
    )
    tell(`poison ${new Int32Array(memory.buffer)[Control.Poison / 4]}`)
  }
  const say = (worker: number, data: unknown): void => FakeWorker.all[worker].onmessage({ data })
  return { executor, go, words, say }
}

const done = { id: 1, news: 'done' }
const trap = (message: string) => ({ id: 1, error: { name: 'RuntimeError', message } })

test('runs, faults and ends of workers over shared memory', () =>
  inPage(undefined, async () => {
    for (const [name, faults, ...messages] of [
      ['well', [0, 0], done],
      ['timed out', [0, Fault.TimedOut], done],
      ['aborted', [Fault.Aborted, 0], done],
      ['beyond', [0, 0, Fault.Aborted], done],
      ['trapped', [0, 0], trap('unreachable'), trap('a second one')],
    ] as [string, number[], ...object[]][]) {
      tell(`== ${name}`)
      FakeWorker.all = []
      const { executor, go, words, say } = executorOf(3)
      const running = executor.run(run)
      running.catch(() => undefined)
      await settled('before workers listen', running)
      words()
      for (const worker of [0, 1, 2]) say(worker, { id: 0 })
      await settled('all listen', executor.ready!)
      await settled('begun', running)
      words()
      for (const [worker, fault] of faults.entries()) go[16 * (worker + 1) + 1] = fault
      for (const [i, message] of messages.entries()) say(1 + i, message)
      await settled('told', running)
      words()
      const timing = executor.time!(run)
      timing.catch(() => undefined)
      await settled('timing', timing)
      words()
      go.fill(0, 16)
      say(0, { id: 1, news: [{ op: 1 }] })
      say(0, done)
      await settled('timed', timing)
      const ending = executor.run(run)
      ending.catch(() => undefined)
      await settled('again', ending)
      const ended = executor.dispose()
      tell(`once: ${ended === executor.dispose()}`)
      await settled('ended', ended)
      await settled('the run', ending)
      words()
    }
  }))

test('each worker is told once of kernels, and at each run of those that it needs', () =>
  inPage(undefined, async () => {
    tell('== kernels')
    const { executor, go, words, say } = executorOf(2)
    for (const worker of [0, 1]) say(worker, { id: 0 })
    for (const [id, workers] of [
      [3, 1],
      [3, 2],
      [4, 2],
    ]) {
      const kernels = { id, module: {} as WebAssembly.Module, count: 1 }
      const running = executor.run({ ...run, workers, kernels })
      await executor.ready
      tell(`run of kernels ${id}`)
      words()
      say(0, done)
      await settled('run', running)
    }
    await executor.dispose()
    go.fill(0)
  }))

test('workers that do not start, fail, or end by themselves', async () => {
  type Calls = { ask(argument: object): number }
  await inPage(undefined, async () => {
    for (const [url, refuses] of [
      ['w.js', new Error('refused')],
      [undefined, 'a text'],
    ] as const) {
      FakeWorker.refuses = refuses
      await settled(
        'no start',
        Promise.resolve().then(() => new PageWorker(url)),
      )
    }
    FakeWorker.refuses = undefined
    for (const message of ['', 'a syntax error']) {
      const { ready } = new PageWorker(message && 'w.js')
      FakeWorker.all.at(-1)!.fail(message)
      await settled('not ready', ready)
    }
    const worker = new PageWorker<Calls>()
    const fake = FakeWorker.all.at(-1)!
    fake.onmessage({ data: { id: 0 } })
    await settled('ready', worker.ready)
    const calls = [worker.call('ask', {}), worker.call('ask', { a: 1 })]
    fake.onmessage({ data: { id: 2, result: 7 } })
    fake.fail('a trap')
    for (const call of calls) await settled('call', call)
    const transfer = [new ArrayBuffer(1)]
    await settled('a later one', worker.call('ask', {}, { transfer }))
    await settled('ended', worker.end())
    fake.fail('after its end')
    const other = new PageWorker<Calls>()
    other.call('ask', { a: 1 }, { transfer }).catch((error) => tell(error.message))
    await settled('ended', other.end())
  })
  for (const kind of ['given', 'refused', 'never'] as const) {
    tell(`== locks: ${kind}`)
    const grants: (() => void)[] = []
    const request = (name: string, call: () => void): Promise<void> => {
      tell(`lock ${name.replace(/ [\d.]+$/, ' …')}`)
      if (kind === 'refused') return Promise.reject(new Error('no'))
      return new Promise((resolve) => grants.push(() => resolve(call())))
    }
    await inPage({ request }, async () => {
      const worker = new PageWorker<Calls>()
      FakeWorker.all[0].onmessage({ data: { id: 0 } })
      const asked = worker.call('ask', {})
      if (kind === 'given') grants[0]()
      await settled('asked', asked)
      const { setTimeout: later } = globalThis
      const waits: unknown[] = []
      globalThis.setTimeout = ((call: () => void, ms: number) =>
        waits.push(ms) && kind === 'never' && later(call, 0)) as never
      const ended = worker.end()
      if (kind === 'given') grants[1]()
      await ended.finally(() => {
        globalThis.setTimeout = later
      })
      tell(`waited ${waits} ms`)
    })
  }
})

test('the surroundings of a page', () =>
  inPage(undefined, async () => {
    const { warn } = console
    console.warn = (text: string) => tell(`warned: ${text}`)
    const set = (value: unknown): void => {
      Object.defineProperty(globalThis, 'crossOriginIsolated', { value, configurable: true })
    }
    try {
      for (const isolated of [true, false, undefined]) {
        set(isolated)
        const threads = [1, 2, 3].map((asked) => pagePlatform.threads?.(asked))
        tell(
          `isolated ${isolated}: ${threads}, ${pagePlatform.sharesMemory(2)}, ${typeof pagePlatform.apart?.()}`,
        )
      }
    } finally {
      console.warn = warn
    }
    tell(`wide engine: ${pagePlatform.wideSettings}`)
    tell(`${pagePlatform.processors()} processors, ${pagePlatform.address?.('d/e.js')}`)
    for (const file of ['engine', 'engine-threads', 'engine-debug', 'engine-wide'])
      tell(
        `${file}: ${pagePlatform.packageFile(`build/wasm/${file}.wasm`)?.href.replace(/.*\/build/, '')}`,
      )
    for (const ok of [true, false]) {
      const answer = { ok, status: 404, arrayBuffer: async () => Uint8Array.of(1, 2).buffer }
      Object.defineProperty(globalThis, 'fetch', { value: async () => answer, configurable: true })
      await settled('read', pagePlatform.readPackageFile(new URL('https://a.b/c')))
    }
  }))

test.after(() =>
  expectSnapshot('engine/page-workers.txt', `${written.join('\n')}\n`, 'engine/page-workers'),
)

test.run()
