/** What a benchmark says: tables for people (terminal, markdown) and entries for machines. */
import Table from 'cli-table3'

export interface ResultTable {
  readonly title: string
  /** What the columns mean, one sentence a line. */
  readonly notes: readonly string[]
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Columns that may be left out where a terminal is narrow; the first one goes first. */
  readonly lesser?: readonly string[]
}

/** A column of a table: what stands above it, and its cell of a row. */
export type Column<R> = readonly [head: string, cell: (of: R) => string]

/** A table of such columns; one without anything in it says nothing. */
export function tableOf<R>(
  title: string,
  notes: readonly string[],
  columns: readonly Column<R>[],
  rows: readonly R[],
  lesser?: readonly string[],
): ResultTable {
  const used = columns.filter(([, cell]) => rows.some((row) => cell(row) !== ''))
  const head = used.map(([name]) => name)
  return { title, notes, head, rows: rows.map((row) => used.map(([, cell]) => cell(row))), lesser }
}

/**
 * An entry as github-action-benchmark reads it (tools customSmallerIsBetter and
 * customBiggerIsBetter).
 */
export interface Entry {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly range?: string
  readonly extra?: string
}

export interface Report {
  readonly tables: ResultTable[]
  /** Times and sizes. */
  readonly smallerIsBetter: Entry[]
  /** Rates. */
  readonly biggerIsBetter: Entry[]
  /** Why there are no figures, by their names. */
  readonly failed: Map<string, string>
}

export const emptyReport = (): Report => ({
  tables: [],
  smallerIsBetter: [],
  biggerIsBetter: [],
  failed: new Map(),
})

export function addReport(to: Report, from: Report): void {
  to.tables.push(...from.tables)
  to.smallerIsBetter.push(...from.smallerIsBetter)
  to.biggerIsBetter.push(...from.biggerIsBetter)
  for (const [name, why] of from.failed) to.failed.set(name, why)
}

/** Tells what is measured now; on a terminal alone. */
export type Progress = (text: string) => void

/** A part of a section that is measured and printed together. */
export interface Group {
  readonly section: string
  /** What it measures, one name each. */
  readonly names: readonly string[]
  /**
   * Measures those of its names that are wanted. What fails is in the report.
   *
   * @param signal aborted: no more is begun, and what there is comes back
   */
  run(wanted: ReadonlySet<string>, progress: Progress, signal?: AbortSignal): Promise<Report>
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const above = value === 0 ? -1 : Math.floor(Math.log10(Math.abs(value)))
  return value.toFixed(Math.min(9, Math.max(0, 2 - above)))
}
export const percent = (fraction: number): string =>
  Number.isFinite(fraction) ? `${(100 * fraction).toFixed(0)} %` : '–'
export const deviation = (spread: number): string => `± ${spread.toFixed(1)} %`

/** A time in a unit that suits it. */
export function time(ms: number): string {
  if (ms < 1e-3) return `${digits(1e6 * ms)} ns`
  if (ms < 1) return `${digits(1000 * ms)} µs`
  if (ms >= 10_000) return `${digits(ms / 1000)} s`
  return Number.isFinite(ms) ? `${digits(ms)} ms` : '–'
}

/** Lines of at most so many characters, if words let it. */
export function wrap(text: string, width: number): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1]
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines.join('\n')
}

const NOTE_WIDTH = 100
/** The first column is not made narrower. */
const LEAST_WIDTH = 16

/** @param width columns of the terminal; undefined: as wide as it gets, for files and pipes */
export function toText(table: ResultTable, width = Number.POSITIVE_INFINITY): string {
  const { title, notes, lesser = [] } = table
  let shown = table.head.map((_, i) => i)
  const out: string[] = []
  /** Characters of each column, with a blank on both sides. */
  const widths = (): number[] =>
    shown.map((i) => 2 + Math.max(...[table.head, ...table.rows].map((row) => row[i]?.length ?? 0)))
  const beyond = (): number => widths().reduce((sum, each) => sum + each + 1, 1) - width
  for (const name of lesser) {
    const at = table.head.indexOf(name)
    if (beyond() <= 0 || at < 0) continue
    shown = shown.filter((i) => i !== at)
    out.push(name)
  }
  const [first, ...rest] = widths()
  const colWidths = [Math.max(LEAST_WIDTH, first - beyond()), ...rest]
  const [head, ...rows] = [table.head, ...table.rows].map((row) => shown.map((i) => row[i]))
  const text = new Table({
    head,
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
    ...(beyond() > 0 && { colWidths, wordWrap: true }),
  })
  text.push(...rows)
  const missing = out.length > 0 ? [`Too narrow for: ${out.join(', ')}. Files have them.`] : []
  const lines = [...notes, ...missing].map((note) => wrap(note, Math.min(NOTE_WIDTH, width)))
  return [title, ...lines, text.toString(), ''].join('\n')
}

/** What a cell of markdown must not have as it is. */
const escapeCell = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('|', '\\|')

export function toMarkdown({ title, notes, head, rows }: ResultTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  const table = [head, rule, ...rows].map(line)
  return [`### ${escapeCell(title)}`, '', ...notes.map(escapeCell), '', ...table, ''].join('\n')
}
