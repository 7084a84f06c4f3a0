/** Text in HTML: nothing that a page shows can become a part of the page. */

import { printable } from '../errors.js'

// Options of a run as rows of texts.

/** More rows say nothing more. */
const MOST_ROWS = 300

/**
 * Plain data as rows: an option of an option is `name.name`. A network's layers are told by their
 * number.
 */
export function optionRows(options: unknown): [string, string][] {
  const rows: [string, string][] = []
  const add = (name: string, value: unknown): void => {
    if (value === undefined || rows.length >= MOST_ROWS) return
    if (name === 'network' || name.endsWith('.network')) {
      const { nodes } = (value ?? {}) as { nodes?: unknown }
      rows.push([name, Array.isArray(nodes) ? `${nodes.length} layers` : 'a network'])
      return
    }
    const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isPlain && Object.keys(value).length > 0)
      for (const [key, part] of Object.entries(value))
        add(name === '' ? key : `${name}.${key}`, part)
    else rows.push([shortened(printable(name), 100), shortened(printable(textOf(value)))])
  }
  add('', options)
  return rows
}

const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value) && value.every((item) => typeof item !== 'object')
      ? value.join(', ')
      : JSON.stringify(value)

/** Text between tags, and in attributes; what would turn or hide a part of it is written out. */
export const escapeHtml = (text: string): string =>
  printable(text).replace(/[&<>"'`]/g, (char) => `&#${char.charCodeAt(0)};`)

/** JSON inside a script element must not end it, nor begin a comment. */
export const embedJson = (json: string): string => json.replaceAll('<', '\\u003c')

/** Code inside a script element must not end it. */
export const inScript = (code: string): string => code.replaceAll(/<\/(script)/gi, '<\\/$1')

/** Characters of a cell or name that are shown; the rest of a longer text is left out. */
const LONGEST = 300

export const shortened = (text: string, most = LONGEST): string =>
  text.length > most ? `${text.slice(0, most)}…` : text

/** A table: the first cell of a row names it. */
export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** What the cells behind the first are: numbers, texts, or values of what the first names. */
  readonly cells?: 'numbers' | 'text' | 'values'
}

/** A table that scrolls by itself where it is wider than the page. */
export function tableHtml({ title, head, rows, cells: kind = 'numbers' }: Table): string {
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, i) => {
        const text = escapeHtml(cell)
        return i === 0 ? `<th scope="row">${text}</th>` : `<td>${text}</td>`
      })
      .join('')
  const heads = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')
  const body = rows.map((row) => `<tr>${cells(row)}</tr>`)
  return wideTable(title, title, kind === 'values' ? 'text values' : kind, heads, body)
}

/** The same of rows and heads that are HTML, with a name of its own for its region. */
export function wideTable(
  label: string,
  title: string,
  kind: string,
  heads: string,
  rows: readonly string[],
): string {
  return `<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(label)}">
<table class="${kind}">
<caption>${escapeHtml(title)}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</div>
`
}
