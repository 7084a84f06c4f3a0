/**
 * Calls of functions in another thread or process: a request, news on the way, then a result or the
 * error that was thrown. Who carries the messages is told how to post them.
 */

import { SpikewasmError } from '../errors.js'

/** Sends a message; settled when it has left. */
export type Post = (message: unknown, transfer?: readonly Transferable[]) => void | Promise<void>

/** What a function that is called from outside knows of its call. */
export interface Ask<N = never> {
  /** Tells the caller something before the result. */
  say(news: N): void | Promise<void>
  /** Aborted when the caller's signal is. */
  readonly signal: AbortSignal
}

/** Functions by name: `(argument, ask) => result`. */
// biome-ignore lint/suspicious/noExplicitAny: arguments of functions differ.
export type Functions<F> = { readonly [K in keyof F]: (argument: any, ask: Ask<any>) => unknown }

type Argument<C> = C extends (argument: infer A, ...more: never[]) => unknown ? A : never
type News<C> = C extends (argument: never, ask: Ask<infer N>) => unknown ? N : never
type Result<C> = C extends (...given: never[]) => infer R ? Unmoved<Awaited<R>> : never
type Unmoved<R> = R extends Moved<infer V> ? V : R

export interface CallOptions<N> {
  /** What the other side owns from now on. */
  readonly transfer?: readonly Transferable[]
  readonly signal?: AbortSignal
  onNews?(news: N): void
}

/** A result, and what of it the caller owns from now on. */
export class Moved<V> {
  constructor(
    readonly value: V,
    readonly transfer: readonly Transferable[],
  ) {}
}

/** An error as plain data. */
interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: unknown
  readonly cause?: PlainError
}

/** What goes to and fro; the called side begins with `ready`, and `call` asks for something. */
type Message = { readonly id: number } & (
  | { readonly ready: true }
  | { readonly call: string; readonly argument: unknown }
  | { readonly abort: true }
  | { readonly news: unknown }
  | { readonly error: PlainError }
  | { readonly result: unknown }
)

interface Open {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly onNews?: (news: never) => void
}

/** The side that calls. */
export class Calls<F extends Functions<F>> {
  private readonly open = new Map<number, Open>()
  private count = 0
  private begun = { resolve(): void {}, reject(_error: Error): void {} }
  /** Settled when the other side has loaded; rejects with `failure`. */
  readonly ready = new Promise<void>((resolve, reject) => {
    this.begun = { resolve, reject }
  })
  /** Why the other side is gone: then every call rejects with it. */
  failure: Error | undefined

  /** @param hold told when something is waited for, and when nothing is any more */
  constructor(
    private readonly post: Post,
    private readonly hold: (isCalled: boolean) => void = () => {},
  ) {
    this.ready.catch(() => undefined)
  }

  /** @throws what the function throws, or `failure` */
  async call<K extends keyof F & string>(
    name: K,
    argument: Argument<F[K]>,
    { transfer, signal, onNews }: CallOptions<News<F[K]>> = {},
  ): Promise<Result<F[K]>> {
    if (this.failure) throw this.failure
    const id = this.count++
    const abort = (): void => void this.post({ id, abort: true })
    this.post({ id, call: name, argument }, transfer)
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
    if (this.open.size === 0) this.hold(true)
    try {
      return await new Promise((resolve, reject) => {
        this.open.set(id, { resolve: resolve as Open['resolve'], reject, onNews })
      })
    } finally {
      signal?.removeEventListener('abort', abort)
      this.open.delete(id)
      if (this.open.size === 0) this.hold(false)
    }
  }

  /** To be called with each message of the other side. */
  readonly hear = (message: unknown): void => {
    const of = message as Message
    const call = this.open.get(of.id)
    if ('ready' in of) this.begun.resolve()
    else if ('news' in of) call?.onNews?.(of.news as never)
    else if ('error' in of) call?.reject(errorOf(of.error))
    else call?.resolve('result' in of ? of.result : undefined)
  }

  /** The other side is gone. The first reason counts. */
  readonly fail = (error: Error): void => {
    this.failure ??= error
    this.begun.reject(this.failure)
    for (const { reject } of this.open.values()) reject(this.failure)
  }
}

/** The other side has ended without having been asked to, or could not begin. */
export class Gone extends Error {}

/** How long the other side may be silent, in milliseconds. */
export interface Patience {
  /** Until it first says something: a busy machine takes long to start it. */
  readonly firstMs: number
  readonly ms: number
}

/** The other side was silent for too long, and was killed. */
export class Silent extends Error {
  constructor(readonly seconds: number) {
    super(`was silent for ${seconds} s`)
  }
}

/**
 * Calls what may never answer.
 *
 * @param ask gets what is to be called with each sign of life
 * @throws Silent when there was none for too long
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
      side.fail(new Silent(most / 1000))
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

/** The side that is called: says that it is ready, and gives what to do with each message. */
export function serve<F extends Functions<F>>(
  functions: F,
  post: Post,
): (message: unknown) => Promise<void> {
  const going = new Map<number, AbortController>()
  void post({ ready: true })
  return async (message) => {
    const of = message as Message
    const { id } = of
    if (!('call' in of)) {
      going.get(id)?.abort()
      return
    }
    const controller = new AbortController()
    going.set(id, controller)
    try {
      const { signal } = controller
      const say = (news: unknown): void | Promise<void> => post({ id, news })
      const found: unknown = await functions[of.call as keyof F](of.argument, { say, signal })
      if (found instanceof Moved) await post({ id, result: found.value }, found.transfer)
      else await post({ id, result: found })
    } catch (error) {
      await post({ id, error: plainError(error) })
    } finally {
      going.delete(id)
    }
  }
}

/** How deep causes of causes are kept. */
const MOST_CAUSES = 4

function plainError(thrown: unknown, depth = 0): PlainError {
  if (!(thrown instanceof Error)) return { name: '', message: String(thrown) }
  const { name, message, stack, cause } = thrown
  const { code } = thrown as { readonly code?: unknown }
  return {
    ...{ name, message, stack },
    ...(['string', 'number'].includes(typeof code) && { code }),
    ...(cause !== undefined && depth < MOST_CAUSES && { cause: plainError(cause, depth + 1) }),
  }
}

const kinds: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>> = {
  ...{ SpikewasmError, RangeError, TypeError },
}

function errorOf({ name, message, cause, ...others }: PlainError): Error {
  const Kind = kinds[name] ?? Error
  const error = new Kind(message, cause && { cause: errorOf(cause) })
  return Object.assign(error, error.name === name ? {} : { name }, others)
}
