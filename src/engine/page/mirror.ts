/**
 * One worker with a memory of its own, for pages that may not share memory. The host keeps a mirror
 * of the memory's first bytes, which hold all that it reads and writes. Around each run what has
 * changed is copied: what the host wrote before it, results behind it. Parameters, gradients and
 * the like are copied when somebody may look at them.
 */

import { Control, Fault } from '../../../assembly/opcodes.js'
import type { Plan } from '../../compile/plan.js'
import type { Kernels } from '../../kernels/equations/kernel-set.js'
import { accesses } from '../../kernels/records/schema.js'
import type { Buffer } from '../../kernels/records/words.js'
import { readByHost, type Wanted } from '../run/predict.js'
import type { RecordTime } from '../run/record-times.js'
import type { Executor, Mirror, RunArguments } from '../threads/executor.js'
import type { Answer, Places, Request } from './protocol.js'
import { PageWorker } from './start.js'
import type { PageCalls } from './worker.js'

// Which places of a plan's memory a host reads, and which programs write them. Where programs run
// in a memory of their own, the host's copy of these places follows from it.

interface Area {
  readonly address: number
  readonly bytes: number
}

/** What the host writes for every run. */
const ASKED: readonly Area[] = [
  { address: Control.Input, bytes: Control.Loss - Control.Input },
  { address: Control.NonFinite, bytes: 4 },
]

/** What every run leaves for the host. */
const FOUND: readonly Area[] = [
  { address: Control.Progress, bytes: 4 },
  { address: Control.Loss, bytes: Control.Weight + 8 - Control.Loss },
]

/** What a program writes that the host may read. */
type Written = Readonly<Record<Wanted, readonly Buffer[]>>

/** By the address of each program, and of each part that the host runs by itself. */
function areasOf(plan: Plan): ReadonlyMap<number, Written> {
  const wanted = readByHost(plan)
  return new Map(
    Object.values(plan.programs).flatMap(({ address, records, cuts = [] }) => {
      const found = { prompt: new Set<Buffer>(), later: new Set<Buffer>() }
      for (const { schema, fields } of records)
        for (const { buffer, use } of accesses(schema, fields)) {
          const when = wanted.get(buffer)
          if (when && use !== 'reads') found[when].add(buffer)
        }
      const written = { prompt: [...found.prompt], later: [...found.later] }
      return [{ address }, ...cuts].map((part) => [part.address, written] as const)
    }),
  )
}

/** States of an optimizer that only a snapshot holds. */
function unseen({ named }: Plan): ReadonlySet<Buffer> {
  const { average: _, ...others } = named.training?.states ?? {}
  return new Set(Object.values(others))
}

/** Bytes from the start of memory that hold all that a host reads and writes. */
export function hostBytes({ buffers, programs, encodedAt, encoded }: Plan): number {
  const probes = Object.values(programs).flatMap(({ outputs = [] }) => outputs.flat())
  const outputs = probes.flatMap(({ mean, logits, delta = mean }) => [mean, logits, delta])
  return [...buffers.filter(({ persistent }) => persistent), ...outputs].reduce(
    (most, { address, bytes }) => Math.max(most, address + bytes),
    encodedAt + encoded.bytes.length,
  )
}

/** The same places, those that touch put together, in the order of addresses. */
export function merged(areas: readonly Area[]): Area[] {
  const out: { address: number; bytes: number }[] = []
  for (const { address, bytes } of [...areas].sort((a, b) => a.address - b.address)) {
    const last = out.at(-1)
    if (last && address <= last.address + last.bytes)
      last.bytes = Math.max(last.bytes, address + bytes - last.address)
    else if (bytes > 0) out.push({ address, bytes })
  }
  return out
}

/** In groups of at most so many bytes. */
export function inParts(areas: readonly Area[], most: number): Area[][] {
  const parts: Area[][] = [[]]
  let room = most
  for (let { address, bytes } of areas)
    while (bytes > 0) {
      if (room === 0) {
        parts.push([])
        room = most
      }
      const now = Math.min(bytes, room)
      parts.at(-1)?.push({ address, bytes: now })
      address += now
      bytes -= now
      room -= now
    }
  return parts
}

/** What one message copies at most: a copy must not keep the page for longer than some 10 ms. */
const PART_BYTES = 2 ** 23

const placesOf = (areas: readonly Area[]): Places => areas.flatMap((a) => [a.address, a.bytes])

const sizeOf = (areas: readonly Area[]): number => areas.reduce((n, { bytes }) => n + bytes, 0)

export class MirrorExecutor implements Executor, Mirror {
  readonly mirror: Mirror = this
  private readonly written: ReadonlyMap<number, Written>
  private readonly unseen: ReadonlySet<Buffer>
  /** What the host has written and the worker has not. */
  private changed: Area[] = []
  /** What the worker has written and the host has not. */
  private readonly stale = new Set<Buffer>()
  private disposed: Promise<void> | undefined
  /** The id of the last kernels that the worker has got. */
  private kernelsSent: number | undefined

  private constructor(
    private link: PageWorker<PageCalls> | undefined,
    private readonly plan: Plan,
    private readonly memory: WebAssembly.Memory,
  ) {
    this.written = areasOf(plan)
    this.unseen = unseen(plan)
  }

  /**
   * @param memory the mirror, zero
   * @param shared whether the engine needs a memory that is shared
   * @param before the executor that it takes the place of, which is of no use any more
   * @throws SpikewasmError when no worker starts, RangeError when there is not as much memory: then
   *   `before` is as it was
   */
  static async open(
    plan: Plan,
    memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    { url, shared }: { readonly url?: string | URL; readonly shared: boolean },
    before?: Executor,
  ): Promise<MirrorExecutor> {
    const old = before instanceof MirrorExecutor ? before : undefined
    const link = old?.link ?? new PageWorker<PageCalls>(url)
    const { total } = plan.memory
    try {
      await link.call('open', { module, bytes: total, shared })
    } catch (error) {
      if (!old || link.failure) await link.end()
      throw link.failure ?? new RangeError((error as Error).message)
    }
    if (old) old.link = undefined
    return new MirrorExecutor(link, plan, memory)
  }

  async run({ kernels, ...run }: RunArguments): Promise<void> {
    const { fault } = await this.perform(run.program, { run, ...this.unsent(kernels) })
    if (fault !== Fault.None) throw new Error(`the engine gave up (fault ${fault})`)
  }

  async time({ program, scratch, kernels }: RunArguments): Promise<readonly RecordTime[]> {
    const time = { program, scratch }
    const { times = [] } = await this.perform(program, { time, ...this.unsent(kernels) })
    return times
  }

  private unsent(kernels: Kernels | undefined): Pick<Request, 'kernels'> {
    if (!kernels || kernels.id === this.kernelsSent) return {}
    this.kernelsSent = kernels.id
    return { kernels }
  }

  wrote(address: number, bytes: number): void {
    this.changed.push({ address, bytes })
  }

  async refresh(what: 'all' | 'seen' | readonly Buffer[]): Promise<void> {
    const buffers =
      typeof what === 'string'
        ? [...this.stale].filter((buffer) => what === 'all' || !this.unseen.has(buffer))
        : what
    if (buffers.length === 0) return
    // First: a buffer that is read may hold what the host has written into it.
    await this.send()
    await this.read(buffers)
    for (const buffer of buffers) this.stale.delete(buffer)
  }

  dispose(): Promise<void> {
    this.disposed ??= this.link ? this.link.end() : Promise.resolve()
    return this.disposed
  }

  /** Lets the worker do something with a program, and takes its results. */
  private async perform(program: number, request: Request): Promise<Answer> {
    const written = this.written.get(program)
    if (!written) throw new Error(`there is no program at ${program}`)
    const { numbers } = this.plan.named.training ?? {}
    this.changed.push(...ASKED, ...(numbers ? [numbers] : []))
    const writes = await this.send(true)
    for (const buffer of written.later) this.stale.add(buffer)
    const areas = merged([...FOUND, ...written.prompt])
    const [first, ...others] = inParts(areas, PART_BYTES)
    const asked = { ...writes, ...request, reads: placesOf(first) }
    const answer = await this.ask(asked).catch(async (error: unknown) => {
      // Results say how far it came.
      await this.readPart(first)
      throw error
    })
    this.take(first, answer)
    for (const part of others) await this.readPart(part)
    return answer
  }

  private ask(request: Request): Promise<Answer> {
    if (!this.link) return Promise.reject(new Error('the worker belongs to another plan'))
    return this.link.call('perform', request, { transfer: request.bytes ? [request.bytes] : [] })
  }

  /** Sends what has changed; with `keepsLast`, all but the last part, which it returns. */
  private async send(keepsLast = false): Promise<Pick<Request, 'writes' | 'bytes'>> {
    const parts = inParts(merged(this.changed.splice(0)), PART_BYTES)
    const last = keepsLast ? parts.pop() : undefined
    for (const part of parts) if (part.length > 0) await this.ask(this.copy(part))
    return last ? this.copy(last) : {}
  }

  private copy(areas: readonly Area[]): Pick<Request, 'writes' | 'bytes'> {
    const copy = new Uint8Array(sizeOf(areas))
    let at = 0
    for (const { address, bytes } of areas) {
      copy.set(new Uint8Array(this.memory.buffer, address, bytes), at)
      at += bytes
    }
    return { writes: placesOf(areas), bytes: copy.buffer }
  }

  private async read(areas: readonly Area[]): Promise<void> {
    for (const part of inParts(merged(areas), PART_BYTES)) await this.readPart(part)
  }

  private async readPart(part: readonly Area[]): Promise<void> {
    const answer = await this.ask({ reads: placesOf(part) })
    this.take(part, answer)
  }

  /** Puts an answer's bytes in their places. */
  private take(areas: readonly Area[], { bytes: found }: Answer): void {
    if (!found) return
    let at = 0
    for (const { address, bytes } of areas) {
      new Uint8Array(this.memory.buffer, address, bytes).set(new Uint8Array(found, at, bytes))
      at += bytes
    }
  }
}
