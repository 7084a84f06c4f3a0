/** The table of a sweep in a terminal, and as CSV. */

import { plainText } from '../../errors.js'
import { shortened } from '../../pages/html.js'
import { present } from '../spec.js'
import { tableText } from '../terminal.js'
import { accuracyText, chosenText, stateText, summaryText } from './page.js'
import { bestFirst, type SweepRow, type SweepStatus } from './rows.js'

/** How much is shown. */
interface Shape {
  /** Characters of an option's name or value. */
  readonly option: number
  /** Characters of a state, which says why a run has failed. */
  readonly state: number
  /** How many of the options; default: all. With fewer columns come a short id and no epochs. */
  readonly options?: number
}

/** The best runs, `most` of them, and how many there are of which state. */
export function sweepTable(
  { varied, rows }: SweepStatus,
  most = Number.POSITIVE_INFINITY,
  shape: Shape = { option: 40, state: 140 },
): string {
  const isWhole = shape.options === undefined
  const names = varied.slice(0, shape.options)
  const short = (text: string): string => plainText(shortened(text, shape.option))
  const heads = [...names.map(short), ...(isWhole ? ['epochs', 'test accuracy'] : ['test'])]
  // Those that are at work belong to what is worth seeing.
  const order = [...bestFirst(rows)].sort((a, b) => rank(a) - rank(b)).slice(0, most)
  const cells = order.map((row) => [
    row.id.slice(0, isWhole ? 12 : 6),
    ...names.map((name) => short(chosenText(row.chosen[name]))),
    ...(isWhole ? [progressText(row)] : []),
    accuracyText(row.testAccuracy),
    plainText(shortened(stateText(row), shape.state), shape.state + 1),
  ])
  const table = tableText(`l${'r'.repeat(heads.length)}l`, ['run', ...heads, 'state'], cells)
  const left = rows.length - most
  return present([table, left > 0 && `and ${left} more`, summaryText({ rows })]).join('\n')
}

const rank = ({ state }: SweepRow): number =>
  ['finished', 'running', 'halved', 'failed', 'stopped', 'waiting'].indexOf(state)

function progressText({ state, epoch, epochs, share }: SweepRow): string {
  if (state !== 'running') return `${epoch} of ${epochs}`
  return `${epoch} of ${epochs} (${Math.floor(100 * share)} %)`
}

/** A value that spreadsheets neither split nor take for a formula. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = typeof value === 'number' || !/^[=+\-@\t]/.test(text) ? text : `'${text}`
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function sweepCsv({ varied, rows }: SweepStatus): string {
  const head = ['id', ...varied, 'state', 'epochs', 'testAccuracy', 'testLoss', 'weightsSha256']
  const lines = bestFirst(rows).map(({ id, chosen, state, epoch, testAccuracy, result }) => [
    ...[id, ...varied.map((name) => chosen[name]), state, epoch, testAccuracy],
    ...[result?.testLoss, result?.weightsSha256],
  ])
  return [head, ...lines].map((line) => `${line.map(cell).join(',')}\n`).join('')
}

/**
 * Lines of a table of a limited width: options are shortened, then left out, so that accuracies are
 * there in the narrowest one.
 */
function fitting(status: SweepStatus, most: number, width: number): string[] {
  const { length: all } = status.varied
  const shapes: Shape[] = [
    ...[40, 20, 12, 8, 5].map((option) => ({ option, state: 24 })),
    ...Array.from({ length: all + 1 }, (_, i) => ({ option: 6, state: 12, options: all - i })),
  ]
  let lines: string[][] = []
  for (const shape of shapes) {
    lines = sweepTable(status, most, shape)
      .split('\n')
      .map((line) => [...line])
    // The line below it may be cut off.
    if (lines[0].length <= width) break
  }
  return lines.map((line) => line.slice(0, width).join(''))
}

/** A table in a terminal, drawn in place of what was drawn before. */
export function liveTable(stream: NodeJS.WriteStream) {
  let lines = 0
  const away = (): string => (lines > 0 ? `\x1b[${lines}A\x1b[J` : '')
  return {
    draw(status: SweepStatus, note = ''): void {
      const { rows: height = 24, columns = 80 } = stream
      const most = Math.max(3, height - 8)
      const cut = fitting(status, most, columns - 1)
      if (note !== '') cut.push(plainText(note, columns).slice(0, columns - 1))
      stream.write(`${away()}${cut.join('\n')}\n`)
      lines = cut.length
    },
    /** Takes it away, so that something else can be written; the next one is drawn below. */
    clear(): void {
      stream.write(away())
      lines = 0
    },
  }
}
