/**
 * Calls of functions in another thread or process: a request, news on the way, then a result or the
 * error that was thrown. Who carries the messages says how to post them.
 */

import { SpikewasmError } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import type { Session } from '../session.js'

/** Sends a message; settled when it has left. */
export type Post = (message: unknown, transfer?: readonly Transferable[]) => void | Promise<void>

/** What a function that is called from outside knows of its call. */
export interface Ask<N = never> {
  /** Tells the caller something before the result. */
  say(news: N): void | Promise<void>
  /** What of the result the caller owns from now on is put here. */
  readonly transfer: Transferable[]
}

/** Functions by name: `(argument, ask) => result`. */
// biome-ignore lint/suspicious/noExplicitAny: arguments of functions differ.
export type Functions<F> = { readonly [K in keyof F]: (argument: any, ask: Ask<any>) => unknown }

type Argument<C> = C extends (argument: infer A, ...more: never[]) => unknown ? A : never
type News<C> = C extends (argument: never, ask: Ask<infer N>) => unknown ? N : never
type Result<C> = C extends (...given: never[]) => infer R ? Awaited<R> : never

export interface CallOptions<N> {
  /** What the other side owns from now on. */
  readonly transfer?: readonly Transferable[]
  onNews?(news: N): void
}

interface Request {
  readonly id: number
  readonly call: string
  readonly argument: unknown
}

/** News, or the end of a call. That of call 0, which nobody asks for, says that all is loaded. */
interface Reply {
  readonly id: number
  readonly news?: unknown
  readonly error?: PlainError
  readonly result?: unknown
}

/** An error as plain data. */
interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: unknown
  readonly cause?: PlainError
}

interface Open {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly onNews?: (news: never) => void
}

/** The side that calls. */
export class Calls<F extends Functions<F>> {
  private readonly open = new Map<number, Open>()
  private count = 0
  /** Settled when the other side has loaded; rejects with `failure`. */
  readonly ready = new Promise<unknown>((resolve, reject) => {
    this.open.set(0, { resolve, reject })
  })
  /** Why the other side is gone: then every call rejects with it. */
  failure: Error | undefined

  constructor(private readonly post: Post) {
    this.ready.catch(() => undefined)
  }

  /** @throws what the function throws, or `failure` */
  call<K extends keyof F & string>(
    call: K,
    argument: Argument<F[K]>,
    { transfer, onNews }: CallOptions<News<F[K]>> = {},
  ): Promise<Result<F[K]>> {
    return new Promise((resolve, reject) => {
      if (this.failure) throw this.failure
      const id = ++this.count
      this.post({ id, call, argument } satisfies Request, transfer)
      this.open.set(id, { resolve: resolve as Open['resolve'], reject, onNews })
      this.hold(true)
    })
  }

  /** Whether something is waited for. */
  protected hold(_isCalled: boolean): void {}

  /** To be called with each message of the other side. */
  readonly hear = (message: unknown): void => {
    const { id, news, error, result } = message as Reply
    const call = this.open.get(id)
    if (news !== undefined) {
      call?.onNews?.(news as never)
      return
    }
    if (error) call?.reject(errorOf(error))
    else call?.resolve(result)
    this.open.delete(id)
    this.hold(this.open.size > 0)
  }

  /** The other side is gone. The first reason counts. */
  readonly fail = (error: Error): void => {
    this.failure ??= error
    for (const { reject } of this.open.values()) reject(this.failure)
    this.open.clear()
    this.hold(false)
  }
}

/** The side that is called: says that it is ready, and gives what to do with each message. */
export function serve<F extends Functions<F>>(
  functions: F,
  post: Post,
): (message: unknown) => Promise<void> {
  void post({ id: 0 })
  return async (message) => {
    const { id, call, argument } = message as Request
    const transfer: Transferable[] = []
    const say = (news: unknown): void | Promise<void> => post({ id, news })
    try {
      const result = await functions[call as keyof F](argument, { say, transfer })
      await post({ id, result }, transfer)
    } catch (error) {
      await post({ id, error: plainError(error) })
    }
  }
}

function plainError(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) return { name: '', message: String(thrown) }
  const { name, message, stack, cause } = thrown
  const { code } = thrown as { readonly code?: unknown }
  return {
    name,
    message,
    stack,
    ...(code !== undefined && { code }),
    ...(cause instanceof Error && { cause: plainError(cause) }),
  }
}

function errorOf({ message, cause, ...others }: PlainError): Error {
  const Kind = others.name === 'SpikewasmError' ? SpikewasmError : Error
  const error = new Kind(message, cause && { cause: errorOf(cause) })
  return Object.assign(error, others)
}

/** The other side has ended without having been asked to, or could not begin. */
export class SideEnded extends Error {}

/** How long the other side may be silent, in milliseconds. */
export interface Patience {
  /** Until it first says something: a busy machine takes long to start it. */
  readonly firstMs: number
  readonly ms: number
}

/** The other side was silent for too long, and was killed. */
export class SideSilent extends Error {
  constructor(readonly seconds: number) {
    super(`was silent for ${seconds} s`)
  }
}

/**
 * Calls what may never answer.
 *
 * @param ask gets what is to be called with each sign of life
 * @throws SideSilent when there was none for too long
 */
export async function patiently<R>(
  side: { fail(error: Error): void; kill(): Promise<void> },
  { firstMs, ms }: Patience,
  ask: (alive: () => void) => Promise<R>,
): Promise<R> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = (most: number): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      side.fail(new SideSilent(most / 1000))
      void side.kill()
    }, most)
  }
  wait(firstMs)
  try {
    return await ask(() => wait(ms))
  } finally {
    clearTimeout(timer)
  }
}

// When an operation runs on a model, and with which arguments: as they are when it is called.

/**
 * The session, when nothing runs.
 *
 * @throws SpikewasmError while the model runs, and after `dispose`
 */
export function idle(session: Session): Session {
  session.checkAlive()
  session.lock.checkIdle()
  return session
}

/**
 * Runs an operation that changes the model, or refuses before it has touched anything.
 *
 * @param args of the operation; it gets copies where it cannot begin at once
 * @param nested whether `fit` allows it in its `onEpoch`
 */
export async function alone<const A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
  nested = true,
): Promise<T> {
  session.checkAlive()
  const { begin, later } = turnOf(session, args, operation)
  return session.lock.hold(begin, nested, later)
}

/** Runs an operation that leaves the model as it is, in its turn. The signal ends the waiting. */
export async function inTurn<const A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
  signal?: host.AbortSignal,
): Promise<T> {
  session.checkAlive()
  const { begin, later } = turnOf(session, args, operation)
  const run = (): Promise<T> => {
    session.checkAlive()
    return begin()
  }
  return session.lock.inTurn(run, signal, later)
}

/** The beginning of an operation, and what is to be called before it has to wait. */
function turnOf<A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
) {
  let own = args
  const later = (): void => {
    own = copyOf(args)
  }
  const begin = (): Promise<T> => {
    const { beginning } = session
    if (!beginning) return operation(...own)
    later()
    return beginning.then(() => operation(...own))
  }
  return { begin, later }
}
