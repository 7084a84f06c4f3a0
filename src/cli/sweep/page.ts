/**
 * What people see of a sweep, on a page and in a terminal: how far it is, its best runs, and what
 * each option does.
 */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, fail, plainText, quote } from '../../base/errors.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { kindOfPath, writeFileAtomic } from '../../files/files.js'
import { FolderLock, whereHeld } from '../../files/folder/lock.js'
import { parseJsonBytes } from '../../files/json.js'
import { figureText } from '../../watch/pages/chart.js'
import { escapeHtml, pageHtml, shortened, type Table, tableHtml } from '../../watch/pages/frame.js'
import { type ScatterPoint, scatterHtml, scatterStyle } from '../../watch/pages/scatter.js'
import { withFiles } from '../mistakes.js'
import { openOutFolder } from '../run-folder.js'
import { present } from '../spec.js'
import { tableText } from '../terminal.js'
import type { GivenOptions } from './spec.js'

// What a sweep knows of its runs, and the folder that keeps it.

const figure = v.nullable(v.pipe(v.number(), v.finite()))

const resultSchema = v.strictObject({
  /** Complete ones. */
  epochs: v.pipe(v.number(), v.integer(), v.minValue(0)),
  testAccuracy: figure,
  testLoss: figure,
  trainLoss: figure,
  /** SHA-256 of its weights.safetensors, hexadecimal. */
  weightsSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** Why a callback ended it, such as early stopping. */
  stopped: v.nullable(v.pipe(v.string(), v.maxLength(300))),
  /** What the process took that ended it; less than all where it was continued. */
  seconds: v.pipe(v.number(), v.finite(), v.minValue(0)),
})

/** What a run gave. All of it but the time is a function of its options and data. */
export type RunResult = v.InferOutput<typeof resultSchema>

/** @throws SpikewasmError for what is no result; it came from a file or from Redis */
export function checkResult(value: unknown, name: string): RunResult {
  const { success, output } = v.safeParse(resultSchema, value)
  if (success) return output
  fail(`${name} must be the result of a run, got ${describe(value)}`)
}

/**
 * 'halved': successive halving has ended it; 'stopped': it was ended from outside and can go on.
 */
export type RowState = 'waiting' | 'running' | 'finished' | 'halved' | 'failed' | 'stopped'

export interface SweepRow {
  readonly id: string
  readonly options: GivenOptions
  /** Those of them that differ between runs. */
  readonly chosen: Readonly<Record<string, unknown>>
  readonly state: RowState
  /** Complete ones, and all of a run that comes to its end. */
  readonly epoch: number
  readonly epochs: number
  /** Share of the run that is done, 0…1. */
  readonly share: number
  /** Where the run stands: at its end, or so far. */
  readonly testAccuracy: number | null
  readonly result?: RunResult
  readonly error?: string
  /** Names that its jobs may have. */
  readonly tasks: readonly string[]
}

export interface SweepStatus {
  readonly format: 1
  readonly title: string
  /** The process that drives the sweep; null when it has ended. */
  readonly pid: number | null
  readonly varied: readonly string[]
  readonly rows: readonly SweepRow[]
}

/** Whether nothing more comes of a run, as things are. */
export const isOver = ({ state }: Pick<SweepRow, 'state'>): boolean =>
  state !== 'waiting' && state !== 'running'

/** The best first; those without a figure behind, in the order of the sweep. */
export function bestFirst(rows: readonly SweepRow[]): SweepRow[] {
  const figure = (row: SweepRow): number => row.testAccuracy ?? Number.NEGATIVE_INFINITY
  // A run that was halved has been compared with fewer epochs.
  const depth = ({ state }: SweepRow): number => (state === 'finished' ? 1 : 0)
  return [...rows].sort((a, b) => {
    if (depth(a) !== depth(b)) return depth(b) - depth(a)
    if (figure(a) !== figure(b)) return figure(b) - figure(a)
    return a.id < b.id ? -1 : 1
  })
}

export function countStates(rows: readonly SweepRow[]): Record<RowState, number> {
  const counts = { waiting: 0, running: 0, finished: 0, halved: 0, failed: 0, stopped: 0 }
  for (const { state } of rows) counts[state]++
  return counts
}

/** What `--json` says of a run that has ended. */
export function lineOf({ id, options, result, state, error }: SweepRow): object {
  if (!result) return { id, options, state, error }
  const { testAccuracy, weightsSha256, epochs, testLoss, trainLoss, stopped } = result
  return { id, options, testAccuracy, weightsSha256, epochs, testLoss, trainLoss, state, stopped }
}

const files = { spec: 'sweep.json', status: 'status.json', stop: 'stop', page: 'sweep.html' }

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 1)}\n`

/** Names results, so that a rung of a run is not its end. */
export const taskName = (id: string, until: number | undefined): string =>
  until === undefined ? id : `${id}-${until}`

export type SweepFolder = Awaited<ReturnType<typeof openSweep>>

/** @throws SpikewasmError when it cannot be written, or another process drives this sweep */
export async function openSweep(path: string) {
  await openOutFolder(path, '--out')
  const lock = await withFiles(() => FolderLock.take(path))
  for (const name of ['runs', 'results']) await mkdir(join(path, name), { recursive: true })
  await rm(join(path, files.stop), { force: true })
  const write = (name: string, content: Uint8Array | string): Promise<void> =>
    writeFileAtomic(join(path, name), Buffer.from(content))
  return {
    path,
    page: join(path, files.page),
    runFolder: (id: string): string => join(path, 'runs', id),
    /** Results of this and of earlier sweeps in the folder, by their names. */
    async results(): Promise<Map<string, RunResult>> {
      const found = new Map<string, RunResult>()
      for (const file of await readdir(join(path, 'results'))) {
        const name = /^([0-9a-f]{24}(?:-\d+)?)\.json$/.exec(file)?.[1]
        if (name === undefined) continue
        const from = join(path, 'results', file)
        const value = parseJsonBytes(await readFile(from), from, 'the result', { length: 100_000 })
        found.set(name, checkResult(value, from))
      }
      return found
    },
    keepResult: (name: string, result: RunResult) => write(`results/${name}.json`, json(result)),
    writeSpec: (bytes: Uint8Array) => write(files.spec, bytes),
    writeStatus: (status: SweepStatus) => write(files.status, json(status)),
    writePage: (html: string) => write(files.page, html),
    /** Whether somebody has asked this sweep to stop. */
    wasAskedToStop: () => kindOfPath(join(path, files.stop)).then((kind) => kind !== undefined),
    close: () => lock.release(),
  }
}

/** Asks the process that drives a sweep to stop. */
export const askToStop = (path: string): Promise<void> =>
  writeFileAtomic(join(path, files.stop), new Uint8Array(0))

/** More than the status of the largest sweep. */
const MOST_BYTES = 24_000_000

/** @throws SpikewasmError for a folder without a sweep */
export async function readStatus(path: string): Promise<SweepStatus> {
  const file = join(path, files.status)
  const bytes = await readFile(file).catch(() => undefined)
  if (!bytes)
    fail(
      `the folder must be one that sweep --out has written, got ${quote(path)}, which has no ` +
        files.status,
    )
  const status = parseJsonBytes(bytes, file, 'the status', { length: MOST_BYTES }) as SweepStatus
  if (status?.format !== 1 || !Array.isArray(status.rows) || !Array.isArray(status.varied))
    fail(`${file}: must be the status of a sweep, got something else; run the sweep again`)
  return status
}

/**
 * Where the process that drives a sweep is; undefined where there is none. Another process may have
 * the number of one that was killed: the folder's lock tells them apart.
 */
export const whereRunning = async (
  path: string,
  { pid }: SweepStatus,
): Promise<'here' | 'elsewhere' | undefined> => (pid === null ? undefined : whereHeld(path))

/** Rows that are seen at once, and those behind a click; the others are in `sweep results`. */
const BEST_ROWS = 10
const MOST_ROWS = 1000
/** Options of the best run that are seen at once. */
const MOST_CARDS = 8

const style = `
progress { width: 100%; }
details { margin: 12px 0; }
summary { cursor: pointer; font-size: 14px; }
.runs tbody th { white-space: nowrap; }
.runs .text td:nth-child(2) { min-width: 15rem; }
${scatterStyle}`

/**
 * Puts what the server sends in place of what is there. What was scrolled or opened stays so, and
 * what has the focus keeps it.
 */
const script = `
const place = document.getElementById('sweep')
const told = document.getElementById('told')
const regions = () => [...place.querySelectorAll('.wide, summary')]
const labelOf = (element) => element.getAttribute('aria-label') ?? element.tagName
const isOpen = () => place.querySelector('details')?.open === true
let last = ''
function say(text, isError) {
  told.textContent = text
  told.className = isError ? 'warn' : 'note'
}
function show(event) {
  const html = JSON.parse(event.data)
  say('', false)
  if (html === '' || html === last) return
  last = html
  const scrolled = new Map(regions().map((region) => [labelOf(region), region.scrollLeft]))
  const focus = regions().find((region) => region === document.activeElement)
  const wasOpen = isOpen()
  place.innerHTML = html
  if (wasOpen) place.querySelector('details')?.setAttribute('open', '')
  for (const region of regions()) {
    region.scrollLeft = scrolled.get(labelOf(region)) ?? 0
    if (focus && labelOf(region) === labelOf(focus)) region.focus({ preventScroll: true })
  }
}
const source = new EventSource('events')
source.addEventListener('sweep', show)
source.addEventListener('end', (event) => {
  source.close()
  show(event)
  say('The sweep has ended. This page no longer changes.', false)
})
source.onerror = () => say('The connection is lost. Trying again …', true)
`

export const accuracyText = (value: number | null): string =>
  value === null ? '–' : figureText(value, true)

export const chosenText = (value: unknown): string =>
  shortened(typeof value === 'string' ? value : JSON.stringify(value ?? null), 40)

/** How many runs stand how, in a line. */
export function summaryText({ rows }: Pick<SweepStatus, 'rows'>): string {
  const counts = countStates(rows)
  const told = Object.entries(counts).filter(([, n]) => n > 0)
  return `${rows.length} runs: ${told.map(([state, n]) => `${n} ${state}`).join(', ')}`
}

export const stateText = ({ state, error }: SweepRow): string =>
  error === undefined ? state : `${state}: ${shortened(error, 120)}`

/** What is inside the page, without a script: what a live page gets anew. */
export function sweepBody({ title, varied, rows }: SweepStatus): string {
  const best = bestFirst(rows)
  const share = rows.reduce((sum, row) => sum + (row.state === 'halved' ? 1 : row.share), 0)
  const scatters = scatterHtml(varied, pointsOf(best, varied), {
    best: 'the best run',
    whole: 'a run at its end',
    part: 'a run so far: it goes on, was stopped, or was ended early',
    failed: 'a run that failed, at the lower edge',
  })
  return `<h1>${escapeHtml(title)}</h1>
<p class="status" role="status">${escapeHtml(summaryText({ rows }))}.</p>
<progress max="${Math.max(1, rows.length)}" value="${share.toFixed(3)}"></progress>
${bestCards(best[0], varied)}${
  scatters === undefined
    ? ''
    : `<section>
<h2>Test accuracy by each option</h2>
<figure>
${scatters}<figcaption>Each run is one point in each chart. Runs that differ in one option mostly
differ in others too, so look at the upper edge of the points: it says how good a value can be. Low
points may be the fault of another option. Runs that share a word, or one of a few numbers, lie side
by side; the place of any other number is exact.
</figcaption>
</figure>
</section>
`
}<section class="runs">
<h2>Runs</h2>
${failedTable(best, varied)}${runTables(best, varied)}</section>
`
}

/** The best first, those without a figure left out but for what failed. */
const pointsOf = (best: readonly SweepRow[], varied: readonly string[]): ScatterPoint[] =>
  best.flatMap((row, i): ScatterPoint[] => {
    const { state, testAccuracy, chosen } = row
    const isFailed = state === 'failed'
    if (testAccuracy === null && !isFailed) return []
    const about = varied.map((name) => `${name} ${chosenText(chosen[name])}`).join(', ')
    const kind = isFailed ? 'failed' : state !== 'finished' ? 'part' : i === 0 ? 'best' : 'whole'
    const y = isFailed ? null : testAccuracy
    const title = `${about}: ${y === null ? '' : `${accuracyText(y)}, `}${stateText(row)}`
    return [{ at: chosen, y, kind, title }]
  })

/** What the best run has, and with which options. */
function bestCards(best: SweepRow | undefined, varied: readonly string[]): string {
  if (!best || best.testAccuracy === null) return ''
  const far = best.state === 'finished' ? '' : ' so far'
  const cards = [
    [accuracyText(best.testAccuracy), `best test accuracy${far}`],
    ...varied.slice(0, MOST_CARDS).map((name) => [chosenText(best.chosen[name]), name]),
  ]
  const items = cards.map(
    ([value, name]) => `<li><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></li>`,
  )
  return `<ul class="cards">\n${items.join('\n')}\n</ul>\n`
}

const cellsOf = ({ chosen }: SweepRow, varied: readonly string[]): string[] =>
  varied.map((name) => chosenText(chosen[name]))

const nameOf = ({ id }: SweepRow): string => id.slice(0, 12)

function runTables(best: readonly SweepRow[], varied: readonly string[]): string {
  const table = (title: string, rows: readonly SweepRow[]): string =>
    tableHtml({
      title,
      // What is compared stands where a narrow screen shows it.
      head: ['run', 'test accuracy', ...varied, 'epochs', 'state'],
      rows: rows.map((row) => [
        nameOf(row),
        accuracyText(row.testAccuracy),
        ...cellsOf(row, varied),
        `${row.epoch} of ${row.epochs}`,
        row.state,
      ]),
    } satisfies Table)
  const { length } = best
  if (length <= BEST_ROWS) return table('Runs, the best first', best)
  const left = length - MOST_ROWS
  const more = left > 0 ? `<p class="note">${left} more are in sweep results.</p>\n` : ''
  const all = left > 0 ? `The best ${MOST_ROWS} of ${length} runs` : `All ${length} runs`
  const known = best.filter(({ testAccuracy }) => testAccuracy !== null).slice(0, BEST_ROWS)
  return `${known.length > 0 ? table(`The best ${known.length} runs`, known) : ''}<details>
<summary>${all}</summary>
${table(`${all}, the best first`, best.slice(0, MOST_ROWS))}${more}</details>
`
}

/** Which runs failed, and why. */
function failedTable(best: readonly SweepRow[], varied: readonly string[]): string {
  const failed = best.filter(({ state }) => state === 'failed')
  const { length } = failed
  if (length === 0) return ''
  const table = tableHtml({
    title: length > BEST_ROWS ? `The first ${BEST_ROWS} that failed` : 'Those that failed',
    head: ['run', 'why', ...varied],
    rows: failed
      .slice(0, BEST_ROWS)
      .map((row) => [nameOf(row), shortened(row.error ?? '', 200), ...cellsOf(row, varied)]),
    cells: 'text',
  })
  return `<p class="warn">${length} ${length === 1 ? 'run' : 'runs'} failed.</p>\n${table}`
}

/** A page that needs no other file. */
export const sweepPage = (status: SweepStatus): Promise<string> =>
  pageHtml({ title: status.title, body: sweepBody(status), style })

/** A page that hears from its server. */
export const liveSweepPage = (status: SweepStatus): Promise<string> =>
  pageHtml({
    title: status.title,
    body: `<p id="told" class="note" role="status"></p>
<div id="sweep">${sweepBody(status)}</div>\n`,
    script,
    style,
    live: true,
  })

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
    id,
    ...varied.map((name) => chosen[name]),
    state,
    epoch,
    testAccuracy,
    result?.testLoss,
    result?.weightsSha256,
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
