/** What disturbed a figure: how much of the machine was taken from us, in a word. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { median } from '../base/numbers.js'
import type { Measured } from './compare/process.js'

/** `0-2,5` → 0, 1, 2, 5 */
export const parseRanges = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number)
    return to >= from && to < 4096 ? Array.from({ length: to - from + 1 }, (_, i) => from + i) : []
  })

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Ticks of /proc/stat. */
const TICK_MS = 10

/**
 * What processors have done for whomever, what a host took from a virtual machine included.
 * @param text of /proc/stat; where there is none, the system is asked
 * @param chosen processors that count; empty: all
 */
export function parseStat(text: string, chosen: ReadonlySet<number>) {
  let [busyMs, processors] = [0, 0]
  for (const [, number, fields] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (chosen.size > 0 && !chosen.has(Number(number))) continue
    const [user, nice, system, , , irq, softirq, steal = 0] = fields.trim().split(/\s+/).map(Number)
    busyMs += TICK_MS * (user + nice + system + irq + softirq + steal)
    processors++
  }
  if (processors > 0) return { busyMs, processors }
  const all = cpus()
  busyMs = all.reduce((sum, { times }) => sum + times.user + times.nice + times.sys, 0)
  return { busyMs, processors: Math.max(1, all.length) }
}

/** Processors that this process may run on, where the system tells; empty: all. */
let allowed: ReadonlySet<number> | undefined

function work(): { busyMs: number; processors: number } {
  allowed ??= new Set(
    parseRanges(/^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status'))?.[1] ?? ''),
  )
  return parseStat(read('/proc/stat'), allowed)
}

/**
 * Starts to watch.
 * @returns a function that says which share of the processors others took since then, 0…1;
 *   `childMs`: processor time of children of ours meanwhile
 */
export function watchOthers(): (childMs?: number) => number {
  const [start, { busyMs, processors }, own] = [performance.now(), work(), process.cpuUsage()]
  return (childMs = 0) => {
    const { user, system } = process.cpuUsage(own)
    const taken = work().busyMs - busyMs - (user + system) / 1000 - childMs
    return Math.min(1, Math.max(0, taken / ((performance.now() - start) * processors)))
  }
}

/** Figures with these marks come from a machine that was not left alone. */
export type Mark = 'busy' | 'throttled' | 'noisy' | 'unsteady'

/** Share of the processors that others may take before it is said. */
export const BUSY = 0.1
/** Multiplications a second below this share of the best ones: the processor was slowed down. */
const THROTTLED = 0.85

/** The highest rate of multiplications and additions that any benchmark had beside it. */
export const bestRate = (measured: readonly Measured[]): number =>
  measured.reduce(
    (best, { calibration }) => Math.max(best, calibration.multiplyAdd),
    Number.NEGATIVE_INFINITY,
  )

/** Share of the processors that others took while benchmarks ran, 0…1. */
export function othersOf(measured: readonly Measured[]): number {
  const watched = measured.reduce((sum, { spentMs }) => sum + spentMs, 0)
  const taken = measured.reduce((sum, { others, spentMs }) => sum + others * spentMs, 0)
  return watched > 0 ? taken / watched : 0
}

/**
 * @param measured of one benchmark, all processes
 * @param best of `bestRate`
 * @param isNoisy whether figures scatter by more than they should
 */
export function marksOf(measured: readonly Measured[], best: number, isNoisy: boolean): Mark[] {
  if (measured.length === 0) return []
  const rate = median(measured.map(({ calibration }) => calibration.multiplyAdd))
  const unsteady = measured.filter(({ isSteady }) => !isSteady).length
  const marks: Readonly<Record<Mark, boolean>> = {
    busy: othersOf(measured) > BUSY,
    throttled: rate < best + Math.log(THROTTLED),
    noisy: isNoisy,
    unsteady: 2 * unsteady > measured.length,
  }
  return (Object.keys(marks) as Mark[]).filter((mark) => marks[mark])
}
