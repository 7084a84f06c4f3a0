/** What a session holds: the memory of its plan, and who runs programs over it. */

import { Control } from '../../../assembly/opcodes.js'
import { kindOfRule } from '../../compile/optimizer-kind.js'
import type { Plan } from '../../compile/plan.js'
import { standardTraining, statesOf } from '../../compile/training.js'
import type { Settings } from '../compile-options.js'
import { loadEngine } from '../load.js'
import { type MakeExecutor, platform } from '../platform.js'
import { noSteps, type StepSource, stepState, takeStepState } from '../run/update.js'
import type { Executor } from '../threads/executor.js'
import { endThreads, haveThreads } from '../threads/idle-threads.js'
import { runsHere } from '../threads/processors.js'
import { allocateLoan } from './allocate.js'
import { floatsAt, trainingOf } from './arena.js'
import { fits, giveBack, type Loan, type Owner } from './memories.js'

// Numbers that stay when a model is planned anew: from the old plan's places to the new one's.

export interface Move {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

/**
 * Moves of parameters, statistics and named states of the optimizer, in the order of both plans.
 * All plans of a model lay out each of them alike.
 */
function movesBetween(before: Plan, after: Plan, states: readonly string[]): Move[] {
  const buffersOf = ({ named }: Plan) => [
    named.parameters,
    named.statistics,
    ...states.flatMap((name) => named.training?.states[name] ?? []),
  ]
  const targets = buffersOf(after)
  return buffersOf(before).map(({ address, bytes }, i) => {
    if (targets[i]?.bytes !== bytes) throw new Error('two plans of a model differ in what it keeps')
    return { from: address, to: targets[i].address, bytes }
  })
}

/**
 * Moves within a memory, without a copy, and makes the rest of its first `end` bytes zero.
 *
 * @param moves in the order of addresses, before and after
 */
export function moveWithin(buffer: ArrayBufferLike, moves: readonly Move[], end: number): void {
  const all = new Uint8Array(buffer)
  const up = moves.filter(({ from, to }) => to > from)
  const down = moves.filter(({ from, to }) => to < from)
  // Up from the last, then down from the first: so nothing is covered that has yet to move.
  for (const { from, to, bytes } of [...up.reverse(), ...down])
    all.copyWithin(to, from, from + bytes)
  let next = 0
  for (const { to, bytes } of moves) {
    all.fill(0, next, to)
    next = to + bytes
  }
  all.fill(0, next, end)
}

/** Moves from one memory to another, which is zero. */
export function moveAcross(
  source: ArrayBufferLike,
  target: ArrayBufferLike,
  moves: readonly Move[],
): void {
  const all = new Uint8Array(target)
  for (const { from, to, bytes } of moves) all.set(new Uint8Array(source, from, bytes), to)
}

type Source = StepSource & { accumulated: number }

/** What the plan before leaves to the next one: arrays, and numbers. */
type Carried = ReturnType<typeof carriedTo>

/** What `plan` goes on with. */
export function carriedTo(source: Source, plan: Plan) {
  const { training: before = standardTraining } = source.plan.options
  const { training: spec = standardTraining } = plan.options
  const sameRule = spec.rule === before.rule
  const names = source.plan.named.training
    ? statesOf(before).filter(
        (name) =>
          statesOf(spec).includes(name) &&
          (sameRule || !kindOfRule(before.rule).states.includes(name)),
      )
    : []
  const { powers, averaged, accumulated, steps } = stepState(source)
  const average = names.includes('average')
  return {
    moves: movesBetween(source.plan, plan, names),
    numbers: {
      ...(sameRule ? { powers, steps } : noSteps),
      averaged: average ? averaged : 0,
      accumulated: names.includes('accumulated') ? accumulated : 0,
    },
    // An average that has taken no step is the parameters.
    averages: average && averaged === 0,
  }
}

/** Goes on with it once the arrays are in their places, or begins. */
export function takeCarried(source: Source, carried?: Pick<Carried, 'numbers' | 'averages'>): void {
  const { numbers, averages } = carried ?? { numbers: noSteps, averages: false }
  if (averages) {
    const { address, bytes } = source.plan.named.parameters
    const parameters = floatsAt(source, address, bytes / 4)
    const { average } = trainingOf(source).states
    floatsAt(source, average.address, bytes / 4).set(parameters)
    source.wrote?.(average.address, bytes)
  }
  takeStepState(source, numbers)
  source.accumulated = numbers.accumulated
}

/** Forgets what the rule keeps and accumulated gradients; with `average`, that too. */
export function forget(source: Source, average = false): void {
  for (const [name, { address, bytes }] of Object.entries(trainingOf(source).states))
    if (average || name !== 'average') {
      floatsAt(source, address, bytes / 4).fill(0)
      source.wrote?.(address, bytes)
    }
  const { averaged } = stepState(source)
  takeStepState(source, { ...noSteps, averaged: average ? 0 : averaged })
  source.accumulated = 0
}

export interface Holding {
  readonly memory: WebAssembly.Memory
  readonly executor: Executor
  /** How many threads it has; 1 stands for the calling one. */
  readonly workers: number
}

/** A memory that a plan has room in, and what is already there. */
export interface Room extends Loan {
  /** Where programs run in another memory: what runs them. */
  readonly executor?: Executor
  /** Whether it is that of the holding before. */
  readonly own: boolean
  /** Whether it had to grow. */
  readonly grew?: boolean
}

/**
 * Room for a plan: in the memory that is held, where that is or can be made large enough, else in
 * another one. Numbers in the held one stay until `hold`.
 *
 * @throws SpikewasmError when there is not as much memory, or no addresses for the threads
 */
export async function roomFor(
  plan: Plan,
  settings: Settings,
  module: WebAssembly.Module,
  threads: Threads,
  held?: Holding,
): Promise<Room> {
  const apart = platform().apart?.()
  if (apart) {
    const { engine, worker: script } = settings
    const of = { module, shared: engine !== 'release', script, before: held?.executor }
    let executor: Executor | undefined
    const loan = await allocateLoan(plan, settings, async () => {
      const room = await apart(plan, of)
      executor = room.executor
      return room
    })
    return { ...loan, executor, own: false }
  }
  const before = held?.memory.buffer.byteLength
  const isOwn = held && plan.memory.total <= 2 ** 32 && fits(held.memory, plan.memory.total)
  const room = isOwn
    ? { memory: held.memory, own: true, grew: held.memory.buffer.byteLength !== before }
    : { ...(await allocateLoan(plan, settings)), own: false }
  await expectThreads(room, module, threads, held)
  return room
}

/** @throws SpikewasmError where threads that `hold` would start have no room; the plan's is left */
async function expectThreads(
  room: Room,
  module: WebAssembly.Module,
  { workers }: Threads,
  held?: Holding,
): Promise<void> {
  const isThere = held?.workers === workers || haveThreads(module, room.memory, workers)
  if (runsHere(workers) || isThere) return
  const check = (): void => platform().expectThreads?.('threads', workers)
  try {
    check()
  } catch {
    // Those that wait for other models have places too.
    await endThreads()
    try {
      check()
    } catch (error) {
      leave(room)
      throw error
    }
  }
}

/** Gives back what nobody will use. */
export function leave({ memory, own, take, executor }: Room): void {
  void executor?.dispose()
  if (own) return
  take?.()
  giveBack(memory)
}

/**
 * Gets threads for a plan in its room, and gives what writes the plan there: once, before anything
 * else of the memory is used. The memory is zero otherwise.
 *
 * @param held the holding before, and what stays of its numbers
 */
export function hold(
  plan: Plan,
  { memory, own, grew, take, executor: given }: Room,
  module: WebAssembly.Module,
  { make, workers }: Threads,
  held?: Holding,
  moves: readonly Move[] = [],
): { readonly holding: Holding; readonly ended: Promise<void>; readonly write: () => void } {
  // A thread that loads while a shared memory grows may never learn its new size: what then uses
  // memory.fill or memory.copy behind the old end traps (V8 in Node 20). Fresh ones know it.
  const isStale = grew && !runsHere(workers)
  const keeps = own && !isStale && held?.workers === workers ? held : undefined
  // Before the memory is cleared: a pool that ends leaves a word in it.
  const ended = keeps ? Promise.resolve() : end(held, own)
  const write = (): void => {
    take?.()
    if (own) moveWithin(memory.buffer, moves, plan.memory.total)
    else if (held) moveAcross(held.memory.buffer, memory.buffer, moves)
    new Uint8Array(memory.buffer).set(plan.encoded.bytes, plan.encodedAt)
    executor.mirror?.wrote(plan.encodedAt, plan.encoded.bytes.length)
    for (const { to, bytes } of moves) executor.mirror?.wrote(to, bytes)
  }
  const executor = given ?? keeps?.executor ?? make(module, memory, workers)
  return { holding: { memory, executor, workers }, ended, write }
}

/** The engine of a model. */
export function moduleFor(settings: Settings): Promise<WebAssembly.Module> {
  const { threads, engine, revectorized, wasm } = settings
  const release = platform().sharesMemory(threads) ? 'engine-threads' : 'engine'
  return loadEngine(engine === 'release' ? release : `engine-${engine}`, revectorized, wasm)
}

/** In a page even one thread is a worker: those of models that nobody can reach any more end. */
const forgotten = new FinalizationRegistry<Executor>((executor) => {
  void executor.dispose()
})

/** Waits until it can run, and ends it where it never will. */
export async function started(executor: Executor): Promise<void> {
  try {
    await executor.ready
  } catch (error) {
    await executor.dispose()
    throw error
  }
}

/** To be told of who runs programs with an executor. */
export function endWith(owner: object, executor: Executor): void {
  if (platform().staysFree) forgotten.register(owner, executor)
}

/** How many threads a holding has, and what makes them. */
export interface Threads {
  readonly workers: number
  readonly make: MakeExecutor
}

/**
 * As many as any program uses. `capped`: of those that it is worth.
 * @throws SpikewasmError when the file that threads start from is missing
 */
export async function threadsFor(
  { programs }: Plan,
  capped: (workers: number) => number,
  script?: string | URL,
): Promise<Threads> {
  const workers = Math.max(1, ...Object.values(programs).map((of) => capped(of.workers)))
  return { workers, make: await platform().executors(workers, script) }
}

/**
 * Ends the threads, or leaves them to the next model over the memory. Then gives it back.
 *
 * @param keepsMemory leaves it to whoever holds it next
 * @param owner who may still read it
 */
export async function end(
  held: Holding | undefined,
  keepsMemory = false,
  owner?: Owner,
): Promise<void> {
  if (!held) return
  await held.executor.dispose(true)
  if (!keepsMemory) giveBack(held.memory, owner)
}

/** What lives on between runs: all that can be read of a model. */
function lasting({ buffers, named }: Plan): { readonly address: number; readonly bytes: number }[] {
  // Averages alone can be read of the optimizer's arrays without running.
  const unread = Object.entries(named.training?.states ?? {})
    .filter(([name]) => name !== 'average')
    .map(([, buffer]) => buffer)
  const read = buffers.filter((b) => b.persistent && b.purpose !== 'input' && !unread.includes(b))
  return [{ address: 0, bytes: Control.Bytes }, ...read]
}

export const lastingBytes = (plan: Plan): number =>
  lasting(plan).reduce((sum, { bytes }) => sum + bytes, 0)

/** A copy of that, at the same addresses. */
export function readable(plan: Plan, { buffer }: { readonly buffer: ArrayBufferLike }) {
  const parts = lasting(plan)
  const copy = new ArrayBuffer(parts.reduce((most, b) => Math.max(most, b.address + b.bytes), 0))
  for (const { address, bytes } of parts)
    new Uint8Array(copy, address, bytes).set(new Uint8Array(buffer, address, bytes))
  return { buffer: copy }
}
