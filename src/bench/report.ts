/** What a benchmark says: tables for people (terminal, markdown) and entries for machines. */
import Table from 'cli-table3'

export interface ResultTable {
  readonly title: string
  /** What the columns mean, one sentence a line. */
  readonly notes: readonly string[]
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
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

export function toText({ title, notes, head, rows }: ResultTable): string {
  const plain = { head: [], border: [], compact: true }
  const table = new Table({
    head: [...head],
    style: plain,
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
  })
  for (const row of rows) table.push([...row])
  return [title, ...notes, table.toString(), ''].join('\n')
}

export function toMarkdown({ title, notes, head, rows }: ResultTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [
    `### ${title}`,
    '',
    ...notes,
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
