/** What a page says to its workers and makes of their answers: test/runtime/page-workers.txt. */
import { test } from 'uvu'
import { Control, Fault } from '../../assembly/opcodes.js'
import { nodePlatform } from '../../src/runtime/node/platform.js'
import { sharedExecutor } from '../../src/runtime/page/shared.js'
import { startWorker } from '../../src/runtime/page/start.js'
import { registerPlatform } from '../../src/runtime/platform.js'
import { expectSnapshot } from '../support/snapshot.js'

// One that has warned of nothing so far, whatever other tests of this process have done.
const fresh = '../../src/runtime/page/platform.js?fresh'
const { pagePlatform } = (await import(
  fresh
)) as typeof import('../../src/runtime/page/platform.js')
// It has registered itself.
registerPlatform(nodePlatform)

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
  postMessage(message: { worker?: number; lock?: string }, transfer?: unknown[]): void {
    const { worker, lock, ...more } = message
    const name = lock?.replace(/ \w+ (\d+)$/, ' … …')
    tell(
      `told worker ${worker}, lock ${name}, ${Object.keys(more)}, ${transfer?.length ?? 0} given`,
    )
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

const run = {
  ...{ program: 4096, workers: 2, scratch: 64, scratchBytes: 32, spins: 7, timeoutMs: 2500 },
}

function executorOf(threads: number) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const shared: { go?: Int32Array } = {}
  const post = FakeWorker.prototype.postMessage
  FakeWorker.prototype.postMessage = function (message, transfer) {
    Object.assign(shared, { go: (message as { go?: Int32Array }).go })
    post.call(this, message, transfer)
  }
  const executor = sharedExecutor({} as never, memory, threads, 'w.js')
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

test('runs, faults and ends of workers over shared memory', () =>
  inPage(undefined, async () => {
    for (const [name, faults, messages] of [
      ['well', [0, 0], []],
      ['timed out', [0, Fault.TimedOut], []],
      ['aborted', [Fault.Aborted, 0], []],
      ['trapped', [0, Fault.Trapped], [{ error: 'unreachable' }, { error: 'a second one' }]],
      ['trapped and timed out', [Fault.TimedOut, Fault.Trapped], [{ error: 'unreachable' }]],
      ['trapped beyond', [0, 0, Fault.Trapped], []],
    ] as [string, number[], object[]][]) {
      tell(`== ${name}`)
      FakeWorker.all = []
      const { executor, go, words, say } = executorOf(3)
      const running = executor.run(run)
      running.catch(() => undefined)
      await settled('before workers listen', running)
      words()
      for (const worker of [0, 1, 2]) say(worker, { ready: true })
      await settled('all listen', executor.ready!)
      await settled('begun', running)
      words()
      for (const [worker, fault] of faults.entries()) go[16 * (worker + 1) + 1] = fault
      say(1, { done: true })
      await settled('done', running)
      for (const message of messages) say(1, message)
      await settled('told', running)
      words()
      const timing = executor.time!(run)
      timing.catch(() => undefined)
      await settled('timing', timing)
      words()
      go.fill(0, 16)
      say(0, { times: [{ op: 1 }] })
      say(0, { done: true })
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
    for (const worker of [0, 1]) say(worker, { ready: true })
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
      say(0, { done: true })
      await settled('run', running)
    }
    await executor.dispose()
    go.fill(0)
  }))

test('workers that do not start, fail, or end by themselves', async () => {
  const events = {
    message: (data: unknown) => tell(`heard ${JSON.stringify(data)}`),
    failed: (error: Error) => tell(`failed: ${error.message}`),
  }
  await inPage(undefined, async () => {
    for (const [url, refuses] of [
      ['w.js', new Error('refused')],
      [undefined, 'a text'],
    ] as const) {
      FakeWorker.refuses = refuses
      await settled(
        'no start',
        Promise.resolve().then(() => startWorker(url, {}, events)),
      )
    }
    FakeWorker.refuses = undefined
    for (const message of ['', 'a syntax error']) {
      const { ready } = startWorker(message && 'w.js', {}, events)
      FakeWorker.all.at(-1)!.fail(message)
      await settled('not ready', ready)
    }
    const worker = startWorker(undefined, {}, events)
    const fake = FakeWorker.all.at(-1)!
    for (const data of [{ ready: true }, { more: 1 }]) fake.onmessage({ data })
    await settled('ready', worker.ready)
    fake.fail('a trap')
    worker.post({ a: 1 })
    worker.post({ a: 1 }, [new ArrayBuffer(1)])
    await settled('ended', worker.end())
    fake.fail('after its end')
  })
  for (const kind of ['given', 'refused', 'never'] as const) {
    tell(`== locks: ${kind}`)
    let mine = (): void => {}
    const request = (name: string, call: () => void): Promise<void> => {
      tell(`lock ${name.replace(/ \w+ (\d+)$/, ' … …')}`)
      mine = call
      return kind === 'refused' ? Promise.reject(new Error('no')) : Promise.resolve()
    }
    await inPage({ request }, async () => {
      const worker = startWorker(undefined, {}, events)
      FakeWorker.all[0].onmessage({ data: { ready: true } })
      if (kind === 'given') mine()
      const { setTimeout: later } = globalThis
      const waits: unknown[] = []
      globalThis.setTimeout = ((call: () => void, ms: number) =>
        waits.push(ms) && later(call, 0)) as never
      await worker.end().finally(() => {
        globalThis.setTimeout = later
      })
      tell(`waited ${waits} ms`)
      mine()
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
    tell(`${pagePlatform.processors()} processors, ${pagePlatform.address?.('d/e.js')}`)
    for (const file of ['engine', 'engine-threads', 'engine-debug'])
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
  expectSnapshot('runtime/page-workers.txt', `${written.join('\n')}\n`, 'runtime/page-workers'),
)

test.run()
