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
  /** What disturbed figures, by their names. */
  readonly marks: Map<string, string>
  /** Why there are no figures, by their names. */
  readonly failed: Map<string, string>
}

export const emptyReport = (): Report => ({
  tables: [],
  smallerIsBetter: [],
  biggerIsBetter: [],
  marks: new Map(),
  failed: new Map(),
})

export function addReport(to: Report, from: Report): void {
  to.tables.push(...from.tables)
  to.smallerIsBetter.push(...from.smallerIsBetter)
  to.biggerIsBetter.push(...from.biggerIsBetter)
  for (const [name, marks] of from.marks) to.marks.set(name, marks)
  for (const [name, why] of from.failed) to.failed.set(name, why)
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return Math.abs(value) >= 100
    ? value.toFixed(0)
    : Math.abs(value) >= 10
      ? value.toFixed(1)
      : Math.abs(value) >= 1
        ? value.toFixed(2)
        : Math.abs(value) >= 0.1 || value === 0
          ? value.toFixed(3)
          : value.toFixed(Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value)))))
}
export const percent = (fraction: number): string =>
  Number.isFinite(fraction) ? `${(100 * fraction).toFixed(0)} %` : '–'
export const deviation = (spread: number): string => `± ${spread.toFixed(1)} %`

/** A time in a unit that suits it. */
export function time(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  if (ms < 1e-3) return `${digits(1e6 * ms)} ns`
  if (ms < 1) return `${digits(1000 * ms)} µs`
  return ms < 10_000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`
}

/** Lines of at most so many characters, if words let it. */
export function wrap(text: string, width: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}

const NOTE_WIDTH = 100
/** The first column is not made narrower. */
const LEAST_WIDTH = 16

/** Characters of each column, with a blank on both sides. */
const widthsOf = ({ head, rows }: ResultTable): number[] =>
  head.map((name, i) => 2 + Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)))

const widthOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width + 1, 1)

/** Without a column. */
function leaveOut(table: ResultTable, name: string): ResultTable {
  const at = table.head.indexOf(name)
  const without = (cells: readonly string[]): string[] => cells.filter((_, i) => i !== at)
  return { ...table, head: without(table.head), rows: table.rows.map(without) }
}

/** @param width columns of the terminal; undefined: as wide as it gets, for files and pipes */
export function toText(full: ResultTable, width = Number.POSITIVE_INFINITY): string {
  let table = full
  const out: string[] = []
  for (const name of full.lesser ?? []) {
    if (widthOf(widthsOf(table)) <= width) break
    if (!table.head.includes(name)) continue
    table = leaveOut(table, name)
    out.push(name)
  }
  const { title, notes, head, rows } = table
  const widths = widthsOf(table)
  const [first, ...rest] = widths
  const beyond = widthOf(widths) - width
  const colWidths = beyond > 0 ? [Math.max(LEAST_WIDTH, first - beyond), ...rest] : widths
  const text = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
    ...(beyond > 0 && { colWidths, wordWrap: true }),
  })
  for (const row of rows) text.push([...row])
  const missing = out.length > 0 ? [`Too narrow for: ${out.join(', ')}. Files have them.`] : []
  const lines = [...notes, ...missing].map((note) => wrap(note, Math.min(NOTE_WIDTH, width)))
  return [title, ...lines, text.toString(), ''].join('\n')
}

/** What a cell of markdown must not have as it is. */
const escapeCell = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('|', '\\|')

export function toMarkdown({ title, notes, head, rows }: ResultTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  return [
    `### ${escapeCell(title)}`,
    '',
    ...notes.map(escapeCell),
    '',
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
  ].join('\n')
}

/** What failed, in one line. */
export function failureOf(name: string, error: unknown): string {
  const isMistake = error instanceof Error && error.name === 'SpikewasmError'
  return `bench "${name}" failed: ${isMistake ? error.message : String(error)}`
}
