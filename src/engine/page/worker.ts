/**
 * A worker of a page. `tools/bundle.mjs` makes one script of it, with all that it imports, so that
 * it can start from a text whatever a bundler did to the files of the package.
 */

import { Control, Fault } from '../../../assembly/opcodes.js'
import type { Kernels } from '../../kernels/equations/kernel-set.js'
import { engineImports } from '../kernel-table.js'
import type { Engine, EngineExports } from '../load.js'
import { timeRecords } from '../run/record-times.js'
import { type Ask, type Post, serve } from '../threads/calls.js'
import {
  type Answer,
  Go,
  Kind,
  type Lock,
  type OwnSetup,
  type Request,
  type SharedNews,
  type SharedSetup,
} from './protocol.js'

/** What a worker has of its surroundings. */
interface Scope {
  onmessage: ((event: { readonly data: unknown }) => void) | null
  postMessage(message: unknown, transfer?: Transferable[]): void
  close(): void
}

const PAGE = 65536
const MAX_PAGES = 65536

const scope = globalThis as unknown as Scope

/** The page gets the lock when this worker is gone, whatever has ended it. */
function holdLock(lock: Lock): Promise<void> {
  return new Promise((resolve) => {
    const held = (): Promise<never> => {
      resolve()
      return new Promise(() => {})
    }
    const request = globalThis.navigator?.locks?.request(lock, held)
    if (request) request.catch(resolve)
    else resolve()
  })
}

function instanceOf(module: WebAssembly.Module, memory: WebAssembly.Memory): Engine {
  const { env, take } = engineImports(memory)
  const exports = new WebAssembly.Instance(module, { env }).exports as unknown as EngineExports
  return { ...exports, take }
}

let shared: Engine | undefined
/** The kernels of a shared engine, and who waits for them. */
let taken = 0
let came = (): void => {}

function take(kernels: Kernels): void {
  shared?.take(kernels)
  taken = kernels.id
  came()
}

/** Runs what the page starts by shared words, until it says that this is all. */
async function work(
  { module, memory, go, worker }: SharedSetup,
  { say }: Ask<SharedNews>,
): Promise<void> {
  const control = new Int32Array(memory.buffer)
  const line = Go.Line * (worker + 1)
  const at = line + Go.Started
  const engine = instanceOf(module, memory)
  shared = engine
  for (let seen = 0; ; seen++) {
    while (Atomics.load(go, at) === seen) Atomics.wait(go, at, seen)
    const kind = go[Go.Kind]
    const kernels = go[Go.Kernels]
    if (kind === Kind.End) return scope.close()
    // Their message is on its way.
    if (kernels !== 0 && kernels !== taken)
      await new Promise<void>((resolve) => {
        came = resolve
      })
    go[line + Go.Fault] = perform(kind)
    if (Atomics.sub(go, Go.Pending, 1) === 1) void say('done')
  }

  function perform(kind: number): number {
    const [program, workers, scratch, scratchBytes, spins, timeoutMs] = go.subarray(Go.Arguments)
    try {
      const own = scratch + worker * scratchBytes
      if (kind === Kind.Run) return engine.run(program, worker, workers, own, spins, timeoutMs)
      void say(timeRecords(engine.execute, memory, program >>> 0, scratch))
      return Fault.None
    } catch (error) {
      Atomics.store(control, Control.Poison / 4, Fault.Trapped)
      Atomics.notify(control, Control.Epoch / 4)
      throw error
    }
  }
}

let own: { readonly memory: WebAssembly.Memory; readonly engine: Engine } | undefined

/** Makes the memory that there is large enough, or another one. */
function open({ module, bytes, shared }: OwnSetup): void {
  const pages = Math.ceil(bytes / PAGE)
  let memory = own?.memory
  if (memory && shared !== memory.buffer instanceof ArrayBuffer) {
    const missing = pages - memory.buffer.byteLength / PAGE
    if (missing > 0) memory.grow(missing)
    new Uint8Array(memory.buffer).fill(0)
  } else memory = new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared })
  own = { memory, engine: instanceOf(module, memory) }
}

/** Does what the page asks for with the worker's own memory. */
function perform(
  { writes = [], bytes, kernels, run, time, reads }: Request,
  { transfer }: Ask,
): Answer {
  const { engine, memory } = own!
  engine.take(kernels)
  const all = new Uint8Array(memory.buffer)
  if (bytes)
    for (let i = 0, at = 0; i < writes.length; at += writes[i + 1], i += 2)
      all.set(new Uint8Array(bytes, at, writes[i + 1]), writes[i])
  const fault = run && engine.run(run.program, 0, 1, run.scratch, 0, run.timeoutMs)
  const times = time && timeRecords(engine.execute, memory, time.program, time.scratch)
  if (!reads) return { fault, times }
  let size = 0
  for (let i = 1; i < reads.length; i += 2) size += reads[i]
  const copy = new Uint8Array(size)
  for (let i = 0, at = 0; i < reads.length; at += reads[i + 1], i += 2)
    copy.set(all.subarray(reads[i], reads[i] + reads[i + 1]), at)
  transfer.push(copy.buffer)
  return { fault, times, bytes: copy.buffer }
}

const calls = { work, take, open, perform }

export type PageCalls = typeof calls

let begun: Promise<(message: unknown) => Promise<void>> | undefined

scope.onmessage = ({ data }) => {
  if (begun) void begun.then((hear) => hear(data))
  else {
    const post: Post = (message, transfer = []) => scope.postMessage(message, [...transfer])
    begun = holdLock(data as Lock).then(() => serve(calls, post))
  }
}
