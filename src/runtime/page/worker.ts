/**
 * A worker of a page. `tools/bundle.mjs` makes one script of it, with all that it imports, so that
 * it can start from a text whatever a bundler did to the files of the package.
 */

import { Control, Fault } from '../../../assembly/opcodes.js'
import type { Kernels } from '../../equations/kernel-set.js'
import { engineImports } from '../kernel-table.js'
import type { Engine, EngineExports } from '../load.js'
import { timeRecords } from '../record-times.js'
import {
  type Answer,
  Go,
  Kind,
  type OwnSetup,
  type Request,
  type Setup,
  type SharedReply,
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

scope.onmessage = async ({ data }) => {
  const setup = data as Setup
  await holdLock(setup)
  if (setup.go) serve(setup)
  else {
    scope.onmessage = ({ data }) => answer(data as Request)
    say({ ready: true })
  }
}

/** The page gets the lock when this worker is gone, whatever has ended it. */
function holdLock({ lock }: SharedSetup | OwnSetup): Promise<void> {
  return new Promise((resolve) => {
    const { locks } = globalThis.navigator ?? {}
    const held = (): Promise<never> => {
      resolve()
      return new Promise(() => {})
    }
    if (!locks) resolve()
    else locks.request(lock, held).catch(() => resolve())
  })
}

function say(reply: SharedReply): void {
  scope.postMessage(reply)
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function instanceOf(module: WebAssembly.Module, memory: WebAssembly.Memory): Engine {
  const { env, take } = engineImports(memory)
  const exports = new WebAssembly.Instance(module, { env }).exports as unknown as EngineExports
  return { ...exports, take }
}

/** Runs what the page starts by shared words, until it says that this is all. */
function serve({ module, memory, go, worker }: SharedSetup): void {
  const control = new Int32Array(memory.buffer)
  const line = Go.Line * (worker + 1)
  const at = line + Go.Started
  const engine = instanceOf(module, memory)
  let taken = 0
  let seen = 0
  scope.onmessage = ({ data }) => {
    engine.take(data as Kernels)
    taken = (data as Kernels).id
    wait()
  }
  say({ ready: true })
  wait()

  function wait(): void {
    for (; ; seen++) {
      while (Atomics.load(go, at) === seen) Atomics.wait(go, at, seen)
      const kind = go[Go.Kind]
      const kernels = go[Go.Kernels]
      if (kind === Kind.End) scope.close()
      // Their message is on its way, and comes when this function is left.
      if (kind === Kind.End || (kernels !== 0 && kernels !== taken)) return
      go[line + Go.Fault] = perform(kind)
      if (Atomics.sub(go, Go.Pending, 1) === 1) say({ done: true })
    }
  }

  function perform(kind: number): number {
    const [program, workers, scratch, scratchBytes, spins, timeoutMs] = go.subarray(Go.Arguments)
    try {
      if (kind === Kind.Run)
        return engine.run(
          program,
          worker,
          workers,
          scratch + worker * scratchBytes,
          spins,
          timeoutMs,
        )
      say({ times: timeRecords(engine.execute, memory, program >>> 0, scratch) })
      return Fault.None
    } catch (error) {
      say({ error: textOf(error) })
      // The order matters: first the reason, then the wake-up of the workers that wait.
      Atomics.store(control, Control.Poison / 4, Fault.Trapped)
      Atomics.notify(control, Control.Epoch / 4)
      return Fault.Trapped
    }
  }
}

let own: { readonly memory: WebAssembly.Memory; readonly engine: Engine } | undefined

/** Does what the page asks for with the worker's own memory. */
function answer({ id, memory, writes = [], bytes, kernels, run, time, reads }: Request): void {
  let answer: Answer = { id }
  try {
    if (memory) own = zeroed(memory)
    own?.engine.take(kernels)
    if (own && bytes) {
      const all = new Uint8Array(own.memory.buffer)
      for (let i = 0, at = 0; i < writes.length; at += writes[i + 1], i += 2)
        all.set(new Uint8Array(bytes, at, writes[i + 1]), writes[i])
    }
    if (own && run)
      answer = { id, fault: own.engine.run(run.program, 0, 1, run.scratch, 0, run.timeoutMs) }
    if (own && time)
      answer = {
        id,
        times: timeRecords(own.engine.execute, own.memory, time.program, time.scratch),
      }
  } catch (error) {
    answer = { id, error: textOf(error) }
  }
  if (!own || !reads) {
    scope.postMessage(answer)
    return
  }
  let size = 0
  for (let i = 1; i < reads.length; i += 2) size += reads[i]
  const copy = new Uint8Array(size)
  for (let i = 0, at = 0; i < reads.length; at += reads[i + 1], i += 2)
    copy.set(new Uint8Array(own.memory.buffer, reads[i], reads[i + 1]), at)
  scope.postMessage({ ...answer, bytes: copy.buffer }, [copy.buffer])
}

/** The memory that there is, made large enough, or another one. */
function zeroed({ module, bytes, shared }: NonNullable<Request['memory']>) {
  const pages = Math.ceil(bytes / PAGE)
  const before = own?.memory
  const fits = before !== undefined && shared === !(before.buffer instanceof ArrayBuffer)
  const missing = fits ? Math.max(0, pages - before.buffer.byteLength / PAGE) : pages
  if (!fits) {
    const memory = new WebAssembly.Memory({ initial: missing, maximum: MAX_PAGES, shared })
    return { memory, engine: instanceOf(module, memory) }
  }
  if (missing > 0) before.grow(missing)
  new Uint8Array(before.buffer).fill(0)
  return { memory: before, engine: instanceOf(module, before) }
}
