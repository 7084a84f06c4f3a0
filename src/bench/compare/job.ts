/** What the parent and its child processes tell each other. */

/** What a child shall measure. */
export interface Job {
  /** URL of the module that lists benchmarks: it exports `listBenchmarks(selection, filter)`. */
  readonly cases: string
  /** Passed on to `listBenchmarks`, and so is the filter. */
  readonly selection: unknown
  /** Paths of files with benchmarks of the user's own; with them, nothing else is measured. */
  readonly own: readonly string[]
  /** Text that names must contain. */
  readonly filter?: string
  /** Folders of one or two builds: the one under test, and the other. */
  readonly builds: readonly string[]
  /** Names to measure; absent: all. */
  readonly names?: readonly string[]
  /** In how many processes a name has been measured; those with few come first. */
  readonly measured: Readonly<Record<string, number>>
  /** Budget for all benchmarks together. */
  readonly seconds: number
  readonly seed: number
  /** Whether all limits of the machine are looked at beside each benchmark, or one alone. */
  readonly calibrate: boolean
  /** Whether V8 may use wide vectors. */
  readonly wide: boolean
  /** Folder in which processes leave trained weights for the next ones. */
  readonly weights: string
  /** So often, in milliseconds, a child that works on one benchmark says so. Default 2000. */
  readonly aliveMs?: number
}

/** What all children of a comparison are told. */
export type SharedJob = Omit<Job, 'names' | 'measured' | 'seconds' | 'seed'>

/** Rates of the machine beside a benchmark, as logarithms. */
export interface Calibration {
  readonly multiplyAdd: number
  readonly eventAdds?: number
  readonly copy?: number
}

/** What one process found of a benchmark. */
export interface Measured {
  readonly name: string
  /** Milliseconds of a call: a list for each build, a number for each round. */
  readonly times: readonly (readonly number[])[]
  readonly isSteady: boolean
  /** Density of spikes, and what else a figure depends on, of each build that tells it. */
  readonly densities: readonly (string | undefined)[]
  readonly calibration: Calibration
  /** Share of the processors that others took meanwhile. */
  readonly others: number
  /** Milliseconds that it took in all. */
  readonly spentMs: number
}

/** What a child says meanwhile. */
export type CompareNews =
  | { readonly kind: 'list'; readonly names: readonly string[] }
  | { readonly kind: 'begin'; readonly name: string }
  /** The same one still runs. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'measured'; readonly measured: Measured }
  /** `skipped`: the other build cannot run it. */
  | { readonly kind: 'skipped' | 'failed'; readonly name: string; readonly reason: string }
