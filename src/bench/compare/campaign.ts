/**
 * The course of a comparison: a screen in a few processes, then fresh ones for suspects alone, all
 * within a budget of time. The budget decides nothing: what is open at its end is undecided.
 */
import { describe, expect } from '../../errors.js'
import type { Measured, SharedJob } from './job.js'
import { bestRate, type Mark, marksOf, othersOf } from './marks.js'
import { type Outcome, runChild } from './process.js'
import { type Estimate, hull, type Interval, interval } from './statistics.js'
import {
  judge,
  levelOf,
  looks,
  needsMore,
  SHOWN,
  screenLevel,
  suspectsOf,
  type Verdict,
  WAVES,
} from './verdict.js'

/**
 * What processes say about a benchmark. Several estimates are answers to the same question under
 * different assumptions; the interval holds all of them. Undefined: nothing to compare with.
 */
export type Judge = (name: string, measured: readonly Measured[]) => readonly Estimate[] | undefined

export interface CampaignOptions {
  readonly job: SharedJob
  readonly judge: Judge
  /** Difference of logarithms that counts as none. */
  readonly threshold: number
  readonly seconds: number
  /** Seconds without a sign of life before a child is killed. */
  readonly patience: number
  readonly seed: number
  /**
   * Whether the other side's figures are the same in the screen and behind it. Then a suspect has
   * not proved itself on fresh figures alone, and the alarm rate is shared by all benchmarks.
   */
  readonly isOtherFixed: boolean
  /** Names that can be judged; absent: all. Others are not measured. */
  readonly known?: ReadonlySet<string>
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

export interface Campaign {
  readonly rows: readonly Row[]
  /** Reasons by name: the other build cannot run it. */
  readonly skipped: ReadonlyMap<string, string>
  /** Reasons by name: it threw, hung, or ended its process. */
  readonly failed: ReadonlyMap<string, string>
  readonly processes: number
  readonly seconds: number
  /** Share of the processors that others took, 0…1. */
  readonly others: number
}

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

interface Suspect {
  readonly name: string
  readonly effect: number
  readonly freedom: number
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
  private readonly screened = new Map<string, Measured[]>()
  private readonly fresh = new Map<string, Measured[]>()
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

  async screen(): Promise<void> {
    const end = (1 - SCREEN_SHARE) * this.options.seconds
    for (let whole = 0; whole < SCREENS && this.processes < SCREENS + MOST_BROKEN; ) {
      if (this.processes > 0 && this.left() <= 0) break
      const seconds = (this.left() - end) / (SCREENS - whole) - this.startSeconds
      const { known } = this.options
      const first = known && [...known]
      const names = this.names.length > 0 ? this.names.filter((n) => this.isOpen(n)) : first
      if (names?.length === 0) break
      const stage = `screen ${whole + 1}/${SCREENS}`
      // A process that ended early has looked at a part.
      whole += Number(await this.process(this.screened, names, Math.max(1, seconds), stage))
    }
  }

  private isOpen(name: string): boolean {
    return !this.skipped.has(name) && !this.failed.has(name)
  }

  /** @returns whether the process came to its end */
  private async process(
    into: Map<string, Measured[]>,
    names: readonly string[] | undefined,
    seconds: number,
    stage: string,
  ): Promise<boolean> {
    const { job, seed, patience, progress, known, runProcess = runChild } = this.options
    const measured = Object.fromEntries([...into].map(([name, list]) => [name, list.length]))
    const before = this.clock()
    let done = 0
    const outcome: Outcome = await runProcess(
      { ...job, names, measured, seconds, seed: seed + 7919 * this.processes },
      {
        patienceMs: 1000 * patience,
        onBegin: (name) => {
          done++
          progress(`${stage}, ${done}/${names?.length ?? '…'}: ${name}`)
        },
      },
    )
    this.processes++
    progress('')
    if (this.names.length === 0)
      this.names = outcome.names.filter((name) => this.options.known?.has(name) ?? true)
    expect(
      this.names.length > 0,
      () =>
        `bench.filter must be a part of the name of a benchmark, got ${describe(job.filter)}, ` +
        `which is in none of those that can be compared${known ? ' with this baseline' : ''}`,
    )
    for (const [name, reason] of outcome.skipped) this.skipped.set(name, reason)
    for (const [name, reason] of outcome.failed) this.failed.set(name, reason)
    let spent = 0
    for (const found of outcome.measured) {
      const list = into.get(found.name)
      if (list) list.push(found)
      else into.set(found.name, [found])
      spent += found.spentMs
    }
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
    const reserve = looks[0] * (this.startSeconds + largest(costs, 0))
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

  private estimates(name: string, measured: readonly Measured[] | undefined) {
    return measured && measured.length > 0 ? this.options.judge(name, measured) : undefined
  }

  /**
   * Takes suspects to fresh processes.
   * @param sign 1: those that look slower, −1: faster
   * @param wave of so many choices of suspects before this one
   */
  async confirm(sign: 1 | -1, wave: number): Promise<void> {
    const { suspects, left } = this.inTime(this.suspects(sign))
    for (const { name } of left) this.remarks.set(name, 'no time was left to look again')
    const count = this.options.isOtherFixed ? this.names.length : suspects.length
    const level = levelOf(count, wave)
    const active = new Set(suspects.map(({ name }) => name))
    const most = looks[looks.length - 1]
    for (let round = 1; round <= most && active.size > 0; round++) {
      const seconds = [...active].reduce((sum, name) => sum + this.cost(name), 0)
      if (this.left() < seconds + this.startSeconds) break
      const stage = sign > 0 ? 'slower?' : 'faster?'
      await this.process(this.fresh, [...active], seconds, `${stage} process ${round}`)
      for (const name of active) {
        const processes = this.fresh.get(name)?.length ?? 0
        const isDone = looks.includes(processes) && this.look(name, level, sign)
        if (!this.isOpen(name) || isDone || processes >= most) active.delete(name)
      }
    }
    // A last look, at what there was time for; the level counts as many looks as are planned.
    for (const name of active) this.look(name, level, sign)
  }

  /** Those that look slower or faster, and were not looked at again. */
  private suspects(sign: number): Suspect[] {
    const all = [...this.screened].flatMap(([name, measured]): Suspect[] => {
      const isNew = this.isOpen(name) && !this.decided.has(name)
      const estimates = isNew ? this.estimates(name, measured) : undefined
      if (!estimates) return []
      const { effect } = hull(estimates.map((e) => interval(e, SHOWN)))
      return [{ name, effect: sign * effect, freedom: estimates[0].freedom }]
    })
    return suspectsOf(all, this.options.threshold, all.length).suspects
  }

  /** Those that there is time for, and the others. */
  private inTime(suspects: Suspect[]): { suspects: Suspect[]; left: Suspect[] } {
    let seconds = this.startSeconds
    const most = suspects.findIndex(({ name }, i) => {
      seconds += this.cost(name)
      // The worst one is looked at in any case, if with fewer processes than are planned.
      return i > 0 && looks[0] * seconds > this.left()
    })
    return suspectsOf(suspects, this.options.threshold, most < 0 ? suspects.length : most)
  }

  /** Seconds of a benchmark in a fresh process; large networks take what a few calls take. */
  private cost(name: string): number {
    const spent = (this.screened.get(name) ?? []).map(({ spentMs }) => spentMs / 1000)
    const least = spent.length > 0 ? Math.min(...spent) : 0
    const usual = Math.min(MOST_SECONDS, Math.max(LEAST_SECONDS, 1.5 * largest(spent, 0)))
    return Math.max(usual, least)
  }

  /** Judges fresh figures. @returns whether no more are needed */
  private look(name: string, level: number, sign: 1 | -1): boolean {
    const measured = this.fresh.get(name)
    const estimates = this.estimates(name, measured)
    if (!estimates || (measured?.length ?? 0) < looks[0]) {
      this.remarks.set(name, 'too few processes fitted into the time to look again')
      return false
    }
    const at = (alpha: number): Interval => hull(estimates.map((e) => interval(e, alpha)))
    const { threshold } = this.options
    const [decisive, usual] = [at(level), at(SHOWN)]
    this.decided.set(name, judge(decisive, usual, threshold))
    const mirrored = ({ effect, low, high }: Interval): Interval =>
      sign < 0 ? { effect: -effect, low: -high, high: -low } : { effect, low, high }
    return !needsMore(mirrored(decisive), mirrored(usual), threshold)
  }

  result(): Campaign {
    const all = [...this.screened.values(), ...this.fresh.values()].flat()
    const best = bestRate(all)
    const rows = this.names.filter((name) => this.isOpen(name)).map((name) => this.row(name, best))
    return {
      rows,
      skipped: this.skipped,
      failed: this.failed,
      processes: this.processes,
      seconds: (this.clock() - this.start) / 1000,
      others: othersOf(all),
    }
  }

  private row(name: string, best: number): Row {
    const decided = this.decided.get(name)
    const measured = (decided ? this.fresh.get(name) : this.screened.get(name)) ?? []
    const estimates = this.estimates(name, measured)
    if (!estimates) {
      const remark = measured.length === 0 ? 'not measured: no time was left' : undefined
      return { name, measured, verdict: 'undecided', marks: [], remark }
    }
    const usual = hull(estimates.map((e) => interval(e, SHOWN)))
    const { threshold } = this.options
    const half = (usual.high - usual.low) / 2
    const marks = marksOf(measured, best, { half, most: threshold })
    if (decided) return { name, measured, marks, ...decided }
    // A screen alone accuses at a level that all benchmarks share.
    const decisive = hull(estimates.map((e) => interval(e, screenLevel(this.names.length))))
    const judged = judge(decisive, usual, threshold)
    const remark = judged.verdict === 'undecided' ? this.remarks.get(name) : undefined
    return { name, measured, marks, remark, ...judged }
  }
}

const largest = (values: readonly number[], least: number): number =>
  values.reduce((most, value) => Math.max(most, value), least)
