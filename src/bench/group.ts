/** A part of a section that is measured and printed together. */
import type { Section } from './benchmark.js'
import type { Report } from './report.js'

/** Tells what is measured now; on a terminal alone. */
export type Progress = (text: string) => void

export interface Group {
  readonly section: Section | string
  /** What it measures, one name each. */
  readonly names: readonly string[]
  /**
   * Measures those of its names that are wanted. What fails is in the report.
   *
   * @param signal aborted: no more is begun, and what there is comes back
   */
  run(wanted: ReadonlySet<string>, progress: Progress, signal?: AbortSignal): Promise<Report>
}
