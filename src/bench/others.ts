/** How much of the machine is taken from us while something is measured. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

const read = (path: string): string | undefined => {
  if (process.platform !== 'linux') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** `0-2,5` → 0, 1, 2, 5 */
export function parseRanges(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number)
    return Number.isInteger(from) && Number.isInteger(to) && to >= from
      ? Array.from({ length: Math.min(4096, to - from + 1) }, (_, i) => from + i)
      : []
  })
}

let allowed: ReadonlySet<number> | undefined

/** Processors that this process may run on, where the system tells; empty: all. */
function allowedProcessors(): ReadonlySet<number> {
  const list = () => /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1]
  allowed ??= new Set(parseRanges(list() ?? ''))
  return allowed
}

/** What processors have done so far. */
export interface Work {
  /** Milliseconds for whomever, what a host took from a virtual machine included. */
  readonly busyMs: number
  readonly processors: number
}

/** Ticks of /proc/stat. */
const TICK_MS = 10

/**
 * From the text of /proc/stat.
 * @param chosen processors that count; empty: all
 */
export function parseStat(text: string, chosen: ReadonlySet<number>): Work {
  let [busyMs, processors] = [0, 0]
  for (const [, number, fields] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (chosen.size > 0 && !chosen.has(Number(number))) continue
    const [user, nice, system, , , irq, softirq, steal = 0] = fields.trim().split(/\s+/).map(Number)
    busyMs += TICK_MS * (user + nice + system + irq + softirq + steal)
    processors++
  }
  return { busyMs, processors }
}

function work(): Work {
  const found = parseStat(read('/proc/stat') ?? '', allowedProcessors())
  if (found.processors > 0 && Number.isFinite(found.busyMs)) return found
  const all = cpus()
  const busyMs = all.reduce((sum, { times }) => sum + times.user + times.nice + times.sys, 0)
  return { busyMs, processors: Math.max(1, all.length) }
}

/** Milliseconds for which a control group has been stopped, because it had used up its share. */
export function parseThrottled(text: string): number {
  return Number(/^throttled_usec (\d+)$/m.exec(text)?.[1] ?? 0) / 1000
}

let group: string | undefined

function throttledMs(): number {
  group ??= /^0::(\S*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? ''
  const own = read(`/sys/fs/cgroup${group}/cpu.stat`)
  return parseThrottled(own ?? read('/sys/fs/cgroup/cpu.stat') ?? '')
}

/** Shares, 0…1. */
export interface Taken {
  /** Of the processors that we may use: others had it. */
  readonly others: number
  /** Of the time: this process was on no processor. It may have waited for something. */
  readonly away: number
  /** Of the time: a control group was stopped. */
  readonly quota: number
}

const share = (value: number): number => Math.min(1, Math.max(0, value))

/**
 * Starts to watch.
 * @returns a function that says what was taken since then; `childMs`: processor time of children of
 *   ours meanwhile
 */
export function watchTaken(): (childMs?: number) => Taken {
  const [start, { busyMs, processors }] = [performance.now(), work()]
  const [own, throttled] = [process.cpuUsage(), throttledMs()]
  return (childMs = 0) => {
    const { user, system } = process.cpuUsage(own)
    const [ms, ownMs] = [performance.now() - start, (user + system) / 1000]
    return {
      // The clock of the processors ticks every 10 ms.
      others: share((work().busyMs - busyMs - ownMs - childMs) / (ms * processors)),
      away: share(1 - ownMs / ms),
      quota: share((throttledMs() - throttled) / ms),
    }
  }
}

/** The same, of which only what others took counts. */
export function watchOthers(): (childMs?: number) => number {
  const taken = watchTaken()
  return (childMs) => taken(childMs).others
}
