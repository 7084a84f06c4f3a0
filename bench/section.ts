/** What a section of the repository's bench works with, and where its figures go. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Column, emptyReport, type Progress, tableOf } from '../src/bench/report.js'
import { machineLabel } from '../src/bench/run.js'
import type { BenchOptions } from './options.js'

export class Section {
  readonly report = emptyReport()
  private readonly label = machineLabel()

  constructor(
    readonly options: BenchOptions,
    readonly progress: Progress,
  ) {}

  /** Adds an entry of which less is better. @param about lines on it */
  entry(
    name: string,
    unit: string,
    value: number,
    about: readonly string[] = [],
    range?: string,
  ): void {
    const extra = [...about, this.label].join('\n')
    const entry = { name, unit, value, ...(range !== undefined && { range }), extra }
    this.report.smallerIsBetter.push(entry)
  }

  table<R>(
    title: string,
    notes: readonly string[],
    columns: readonly Column<R>[],
    rows: readonly R[],
  ): void {
    this.report.tables.push(tableOf(title, notes, columns, rows))
  }
}

/** Runs `body` with a folder of its own, which is gone afterwards. */
export async function withFolder<T>(body: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-bench-'))
  try {
    return await body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
