/**
 * The course of a comparison: a screen in a few processes, then fresh ones for suspects alone, all
 * within a budget of time. The budget decides nothing: what is open at its end is undecided.
 */

import { describe, fail } from '../../base/errors.js'
import { bestRate, type Mark, marksOf, othersOf } from '../conditions.js'
import { type Measured, runChild, type SharedJob } from './process.js'
import {
  type Estimate,
  hull,
  type Interval,
  interval,
  judge,
  levelOf,
  looks,
  needsMore,
  type Screened,
  SHOWN,
  screenLevel,
  suspectsOf,
  type Verdict,
  WAVES,
} from './statistics.js'

/**
 * What processes say about a benchmark. Several estimates are answers to the same question under
 * different assumptions; the interval holds all of them. Undefined: nothing to compare with.
 */
export type Judge = (name: string, measured: readonly Measured[]) => readonly Estimate[] | undefined

/** What processes found, by name. */
type Figures = Map<string, Measured[]>

export interface CampaignOptions {
  readonly job: SharedJob
  readonly judge: Judge
  /** Difference of logarithms that counts as none. */
  readonly threshold: number
  readonly seconds: number
  /** Seconds without a sign of life before a process is killed. */
  readonly patience: number
  readonly seed: number
  /**
   * Whether the other side's figures are the same in the screen and behind it. Then a suspect has
   * not proved itself on fresh figures alone, and the alarm rate is shared by all benchmarks.
   */
  readonly isOtherFixed: boolean
  /** Whether time that is left is spent on what is undecided. */
  readonly isThorough: boolean
  /** One line that says what happens now. */
  progress(text: string): void
  /** Runs a process; tests put made-up ones here, and their clock, in milliseconds. */
  readonly runProcess?: typeof runChild
  readonly clock?: () => number
}

export interface Row {
  readonly name: string
  /** What the verdict rests on: of fresh processes where there are any. */
  readonly measured: readonly Measured[]
  /** Undefined where nothing was measured, or there is nothing to compare with. */
  readonly interval?: Interval
  readonly verdict: Verdict
  readonly marks: readonly Mark[]
  /** Why the verdict is what it is, if that is not plain. */
  readonly remark?: string
}

/** `skipped`: reasons by name why the other build cannot run it; `failed`: why this one cannot. */
export type Campaign = Readonly<ReturnType<Run['result']>>

const SCREENS = 3
/** So many more where benchmarks end their processes. */
const MOST_BROKEN = 20
/** Processes of an extension, by wave: the screen has 5, then 8, then 12. */
const EXTENSIONS = [2, 3, 4]
/** Share of the budget for the screen. */
const SCREEN_SHARE = 0.6
/** Seconds of a suspect in a fresh process, at least and at most. */
const [LEAST_SECONDS, MOST_SECONDS] = [0.4, 3]
/** Seconds that a process needs before its first benchmark, until one has shown it. */
const START_SECONDS = 1
const MOST_LOOKS = looks[looks.length - 1]

/**
 * Figures without verdicts, of processes that have all of the time: what a baseline is made of. It
 * ends when a benchmark fails.
 */
export async function measureAll(
  options: Omit<CampaignOptions, 'judge' | 'isOtherFixed'>,
  processes: number,
): Promise<Campaign> {
  const run = new Run({ ...options, judge: () => undefined, isOtherFixed: true })
  await run.screen(processes, true)
  return run.result()
}

export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const run = new Run(options)
  await run.screen()
  for (let wave = 0; wave < WAVES; wave++) {
    await run.confirm(1, wave)
    await run.confirm(-1, wave)
    if (!(options.isThorough && (await run.extend(wave))) && !run.hasSuspects()) break
  }
  return run.result()
}

class Run {
  private readonly clock: () => number
  private readonly start: number
  private readonly screened: Figures = new Map()
  private readonly fresh: Figures = new Map()
  private readonly decided = new Map<string, { interval: Interval; verdict: Verdict }>()
  private readonly remarks = new Map<string, string>()
  private readonly skipped = new Map<string, string>()
  private readonly failed = new Map<string, string>()
  private names: readonly string[] = []
  private processes = 0
  private startSeconds = START_SECONDS

  constructor(private readonly options: CampaignOptions) {
    this.clock = options.clock ?? (() => performance.now())
    this.start = this.clock()
  }

  private left(): number {
    return this.options.seconds - (this.clock() - this.start) / 1000
  }

  /** @param isAll nothing comes behind it; then at least two processes show how they differ */
  async screen(count = SCREENS, isAll = false): Promise<void> {
    const end = isAll ? 0 : (1 - SCREEN_SHARE) * this.options.seconds
    for (let whole = 0; whole < count && this.processes < count + MOST_BROKEN; ) {
      if (this.processes > Number(isAll) && this.left() <= 0) break
      const seconds = (this.left() - end) / (count - whole) - this.startSeconds
      const names = this.processes > 0 ? this.names.filter((n) => this.isOpen(n)) : undefined
      if (names?.length === 0) break
      const stage = `screen ${whole + 1}/${count}`
      // A process that ended early has looked at a part.
      whole += Number(await this.process(this.screened, names, Math.max(1, seconds), stage))
      if (isAll && this.failed.size > 0) break
    }
  }

  private isOpen(name: string): boolean {
    return !this.skipped.has(name) && !this.failed.has(name)
  }

  /** @returns whether the process came to its end */
  private async process(
    into: Figures,
    names: readonly string[] | undefined,
    seconds: number,
    stage: string,
  ): Promise<boolean> {
    const { job, seed, patience, progress, runProcess = runChild } = this.options
    const before = this.clock()
    let done = 0
    const onBegin = (name: string): void =>
      progress(`${stage}, ${++done}/${names?.length ?? '…'}: ${name}`)
    // Names with few figures come first.
    const measured = Object.fromEntries([...into].map(([name, list]) => [name, list.length]))
    const outcome = await runProcess(
      { ...job, names, measured, seconds, seed: seed + 7919 * this.processes++ },
      { patienceMs: 1000 * patience, onBegin },
    )
    for (const found of outcome.measured)
      into.set(found.name, [...(into.get(found.name) ?? []), found])
    progress('')
    if (this.names.length === 0) this.names = outcome.names
    if (this.names.length === 0)
      fail(
        `bench.filter must be a part of the name of a benchmark, got ${describe(job.filter)}, ` +
          'which is in none of those that can be compared',
      )
    for (const [name, reason] of outcome.skipped) this.skipped.set(name, reason)
    for (const [name, reason] of outcome.failed) this.failed.set(name, reason)
    const spent = outcome.measured.reduce((sum, { spentMs }) => sum + spentMs, 0)
    if (outcome.isWhole)
      this.startSeconds = Math.min(5, Math.max(0.2, (this.clock() - before - spent) / 1000))
    return outcome.isWhole
  }

  /**
   * Spends time on more processes for what is undecided. They accuse nobody, but who looks slower
   * then is a suspect of the next wave; time for one of those is left.
   * @returns whether there were more processes
   */
  async extend(wave: number): Promise<boolean> {
    const suspects = new Set([1, -1].flatMap((sign) => this.suspects(sign).map((s) => s.name)))
    const open = this.names.filter(
      (name) =>
        this.isOpen(name) &&
        !this.decided.has(name) &&
        !suspects.has(name) &&
        this.row(name, 0).verdict === 'undecided',
    )
    const costs = open.map((name) => this.cost(name))
    const reserve = looks[0] * (this.startSeconds + Math.max(0, ...costs))
    const seconds = costs.reduce((sum, cost) => sum + cost / 1.5, 0)
    const count = open.length > 0 ? (EXTENSIONS[wave] ?? 0) : 0
    for (let i = 1; i <= count; i++) {
      const left = this.left() - this.startSeconds - reserve
      if (left < 1) return i > 1
      await this.process(this.screened, open, Math.min(left, seconds), `more ${wave + 1}.${i}`)
    }
    return count > 0
  }

  hasSuspects(): boolean {
    return this.suspects(1).length + this.suspects(-1).length > 0
  }

  /**
   * Takes suspects to fresh processes.
   * @param sign 1: those that look slower, −1: faster
   * @param wave of so many choices of suspects before this one
   */
  async confirm(sign: 1 | -1, wave: number): Promise<void> {
    const all = this.suspects(sign)
    const suspects = all.slice(0, this.fitting(all))
    for (const { name } of all.slice(suspects.length))
      this.remarks.set(name, 'no time was left to look again')
    const level = levelOf(this.options.isOtherFixed ? this.names.length : suspects.length, wave)
    const active = new Set(suspects.map(({ name }) => name))
    for (let round = 1; round <= MOST_LOOKS && active.size > 0; round++) {
      const seconds = [...active].reduce((sum, name) => sum + this.cost(name), 0)
      if (this.left() < seconds + this.startSeconds) break
      const stage = sign > 0 ? 'slower?' : 'faster?'
      await this.process(this.fresh, [...active], seconds, `${stage} process ${round}`)
      for (const name of active) {
        const processes = this.fresh.get(name)?.length ?? 0
        const isDone = looks.includes(processes) && this.look(name, level, sign)
        if (!this.isOpen(name) || isDone || processes >= MOST_LOOKS) active.delete(name)
      }
    }
    // A last look, at what there was time for; the level counts as many looks as are planned.
    for (const name of active) this.look(name, level, sign)
  }

  /** Those that look slower or faster, and were not looked at again; the clearest first. */
  private suspects(sign: number): Screened[] {
    const all = [...this.screened.keys()].flatMap((name): Screened[] => {
      const isNew = this.isOpen(name) && !this.decided.has(name)
      const at = isNew ? this.intervals(name, this.screened) : undefined
      return at ? [{ name, effect: sign * at(SHOWN).effect }] : []
    })
    return suspectsOf(all, this.options.threshold)
  }

  /** How many of them there is time for. */
  private fitting(suspects: readonly Screened[]): number {
    let seconds = this.startSeconds
    const most = suspects.findIndex(({ name }, i) => {
      seconds += this.cost(name)
      // The worst one is looked at in any case, if with fewer processes than are planned.
      return i > 0 && looks[0] * seconds > this.left()
    })
    return most < 0 ? suspects.length : most
  }

  /** Seconds of a benchmark in a fresh process; large networks take what a few calls take. */
  private cost(name: string): number {
    const spent = (this.screened.get(name) ?? []).map(({ spentMs }) => spentMs / 1000)
    const usual = Math.min(MOST_SECONDS, Math.max(LEAST_SECONDS, 1.5 * Math.max(0, ...spent)))
    return Math.max(usual, spent.length > 0 ? Math.min(...spent) : 0)
  }

  /** The interval of a benchmark at a level; undefined where there is nothing to say. */
  private intervals(name: string, from: Figures): ((alpha: number) => Interval) | undefined {
    const measured = from.get(name)
    const estimates = measured && this.options.judge(name, measured)
    return estimates && ((alpha) => hull(estimates.map((e) => interval(e, alpha))))
  }

  /** Judges fresh figures. @returns whether no more are needed */
  private look(name: string, level: number, sign: 1 | -1): boolean {
    const at = this.intervals(name, this.fresh)
    if (!at || (this.fresh.get(name)?.length ?? 0) < looks[0]) {
      this.remarks.set(name, 'too few processes fitted into the time to look again')
      return false
    }
    const { threshold } = this.options
    const [decisive, usual] = [at(level), at(SHOWN)]
    this.decided.set(name, judge(decisive, usual, threshold))
    const mirrored = ({ effect, low, high }: Interval): Interval =>
      sign < 0 ? { effect: -effect, low: -high, high: -low } : { effect, low, high }
    return !needsMore(mirrored(decisive), mirrored(usual), threshold)
  }

  result() {
    const { skipped, failed, processes } = this
    const all = [...this.screened.values(), ...this.fresh.values()].flat()
    const open = this.names.filter((name) => this.isOpen(name))
    return {
      rows: open.map((name) => this.row(name, bestRate(all))),
      skipped,
      failed,
      processes,
      seconds: (this.clock() - this.start) / 1000,
      others: othersOf(all),
    }
  }

  private row(name: string, best: number): Row {
    const decided = this.decided.get(name)
    const from = decided ? this.fresh : this.screened
    const [measured, at] = [from.get(name) ?? [], this.intervals(name, from)]
    if (!at) {
      const remark = measured.length === 0 ? 'not measured: no time was left' : undefined
      return { name, measured, verdict: 'undecided', marks: [], remark }
    }
    const { threshold } = this.options
    const usual = at(SHOWN)
    const marks = marksOf(measured, best, (usual.high - usual.low) / 2 > threshold)
    // A screen alone accuses at a level that all benchmarks share.
    const judged = decided ?? judge(at(screenLevel(this.names.length)), usual, threshold)
    const isOpen = !decided && judged.verdict === 'undecided'
    return { name, measured, marks, remark: isOpen ? this.remarks.get(name) : undefined, ...judged }
  }
}
