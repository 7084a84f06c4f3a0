/** The page of a sweep: how far it is, its best runs, and what each option does. */

import { figureText } from '../../pages/chart.js'
import { pageHtml } from '../../pages/frame.js'
import { escapeHtml, shortened, type Table, tableHtml } from '../../pages/html.js'
import { parallelSvg } from './parallel.js'
import { bestFirst, countStates, type SweepRow, type SweepStatus } from './rows.js'

/** Rows of the table; the others are in `sweep results`. */
const MOST_ROWS = 200
/** Values of an option that are told one by one. */
const MOST_VALUES = 20

const style = `
progress { width: 100%; }
.parallel polyline { fill: none; stroke-width: 1.6; }
.parallel polyline:hover { stroke-width: 4; stroke-opacity: 1; }
.parallel line { stroke: var(--line); stroke-width: 1.5; }
.parallel text { fill: var(--soft); font-size: 11px; paint-order: stroke; stroke: var(--back);
  stroke-width: 4px; stroke-linejoin: round; }
.runs th:last-child, .runs td:last-child { text-align: left; white-space: normal; min-width: 10ch;
  max-width: 44ch; overflow-wrap: anywhere; }
.parallel .name { fill: var(--ink); font-size: 12px; font-weight: 600; }
`

/**
 * Puts what the server sends in place of what is there. What was scrolled stays so, and what has
 * the focus keeps it.
 */
const script = `
const place = document.getElementById('sweep')
const told = document.getElementById('told')
const regions = () => [...place.querySelectorAll('.wide')]
const labelOf = (element) => element.getAttribute('aria-label')
let last = ''
function show(event) {
  const html = JSON.parse(event.data)
  told.textContent = ''
  if (html === '' || html === last) return
  last = html
  const scrolled = new Map(regions().map((region) => [labelOf(region), region.scrollLeft]))
  const focus = regions().find((region) => region === document.activeElement)
  place.innerHTML = html
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
  told.textContent = 'The sweep has ended. This page no longer changes.'
})
source.onerror = () => { told.textContent = 'The connection is lost. Trying again …' }
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
  const table: Table = {
    title: 'Runs, the best first',
    // What is compared stands where a narrow screen shows it.
    head: ['run', 'test accuracy', ...varied, 'epochs', 'state'],
    rows: best
      .slice(0, MOST_ROWS)
      .map((row) => [
        row.id.slice(0, 12),
        accuracyText(row.testAccuracy),
        ...varied.map((name) => chosenText(row.chosen[name])),
        `${row.epoch} of ${row.epochs}`,
        stateText(row),
      ]),
  }
  const left = rows.length - MOST_ROWS
  const more = left > 0 ? `<p class="note">${left} more are in sweep results.</p>\n` : ''
  const picture = parallelSvg(best, varied)
  return `<h1>${escapeHtml(title)}</h1>
<p class="status" role="status">${escapeHtml(summaryText({ rows }))}.</p>
<progress max="${Math.max(1, rows.length)}" value="${share.toFixed(3)}"></progress>
${
  picture === undefined
    ? ''
    : `<section>
<h2>What each option does</h2>
<figure>
<div class="wide" tabindex="0" role="region" aria-label="parallel coordinates">${picture}</div>
<figcaption>A line is a run, from its options to its test accuracy; colours go from blue, the worst,
over green to orange, the best.</figcaption></figure>
${varied.map((name) => effectTable(name, rows)).join('')}</section>
`
}<section class="runs">
<h2>Runs</h2>
${tableHtml(table)}${more}</section>
`
}

/** Means over all runs with a value of an option. */
function effectTable(name: string, rows: readonly SweepRow[]): string {
  const groups = new Map<string, { value: unknown; accuracies: number[] }>()
  for (const { chosen, testAccuracy } of rows) {
    if (testAccuracy === null) continue
    const key = JSON.stringify(chosen[name] ?? null)
    const group = groups.get(key) ?? { value: chosen[name], accuracies: [] }
    group.accuracies.push(testAccuracy)
    groups.set(key, group)
  }
  if (groups.size < 2 || groups.size > MOST_VALUES) return ''
  const sorted = [...groups.values()].sort((a, b) =>
    typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : 0,
  )
  return tableHtml({
    title: `Test accuracy by ${name}`,
    head: [name, 'runs', 'mean', 'best'],
    rows: sorted.map(({ value, accuracies }) => [
      chosenText(value),
      String(accuracies.length),
      accuracyText(accuracies.reduce((a, b) => a + b, 0) / accuracies.length),
      accuracyText(Math.max(...accuracies)),
    ]),
  })
}

/** A page that needs no other file. */
export const sweepPage = (status: SweepStatus): Promise<string> =>
  pageHtml({ title: status.title, body: sweepBody(status), style })

/** A page that hears from its server. */
export const liveSweepPage = (status: SweepStatus): Promise<string> =>
  pageHtml({
    title: status.title,
    body: `<p id="told" class="warn" role="status"></p>
<div id="sweep">${sweepBody(status)}</div>\n`,
    ...{ script, style, live: true },
  })
