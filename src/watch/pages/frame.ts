/** The frame of all pages: one file, which loads nothing. */

import { readFile } from 'node:fs/promises'
import { printable } from '../../base/errors.js'
import { sha256 } from '../../base/hash.js'
import { codeFile } from '../../package-files.js'
import type { Figure } from './chart.js'

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
export const wideTable = (
  label: string,
  title: string,
  kind: string,
  heads: string,
  rows: readonly string[],
): string => `<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(label)}">
<table class="${kind}">
<caption>${escapeHtml(title)}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</div>
`

// The style of all pages: from 320 pixels on, light and dark, on paper too.

const STYLE = `
:root {
  color-scheme: light dark;
  --ink: #1d1f23; --soft: #565b64; --back: #fff; --line: #d9dce1; --panel: #f6f7f9;
  --mark: #0b62b8; --good: #1a7f4b; --bad: #b3261e; --heat: 11 98 184;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e6ea; --soft: #a4a9b3; --back: #15171a; --line: #363a42; --panel: #1d2025;
    --mark: #6cb4ff; --good: #5ed39a; --bad: #ff8a80; --heat: 78 150 220;
  }
}
* { box-sizing: border-box; }
html { overflow-wrap: anywhere; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 18px; line-height: 1.3; margin: 0 0 6px; }
h3 { font-size: 14px; margin: 0; }
section { margin-top: 28px; padding-top: 16px; border-top: 1px solid var(--line); }
p { margin: 0 0 10px; }
.lead, figcaption, .note { max-width: 60rem; }
figcaption, .note, footer { color: var(--soft); font-size: 14px; }
figure { margin: 0; }
figure > figcaption { margin-top: 8px; }
footer { margin-top: 32px; padding-top: 12px; border-top: 1px solid var(--line); }
.cards { display: grid; gap: 10px; margin: 16px 0 0; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); }
.cards li { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 8px 12px; }
.cards b { display: block; font-size: 19px; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.cards span { color: var(--soft); font-size: 13px; }
.wide { overflow-x: auto; margin: 12px 0; }
.wide table { overflow-wrap: normal; }
table { border-collapse: collapse; font-size: 14px; }
table caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
th, td { padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { text-align: left; font-weight: 400; }
thead th { font-weight: 600; border-bottom-color: var(--soft); }
.numbers th:not(:first-child), .numbers td {
  text-align: right; padding: 3px 0 3px 22px; font-variant-numeric: tabular-nums;
}
.numbers td { white-space: nowrap; }
.text td, .text th { overflow-wrap: anywhere; min-width: 7rem; }
.text { width: 100%; }
.values th:first-child { width: 14rem; }
.charts { display: grid; gap: 18px 20px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--least, 20rem)), 1fr)); }
.chart { min-width: 0; }
.chart > div { position: relative; border-radius: 4px; }
.outside { margin: 2px 0 0; color: var(--soft); font-size: 13px; }
.outside:empty { display: none; }
.chart canvas.raster { display: block; width: 100%; border: 1px solid var(--line); }
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; }
.legend { list-style: none; margin: 8px 0 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 6px; }
.legend button {
  display: inline-flex; align-items: center; gap: 6px; max-width: 100%; min-height: 28px;
  font: inherit; font-size: 13px; color: inherit; background: none; border: 1px solid transparent;
  border-radius: 4px; padding: 1px 6px; cursor: pointer; text-align: left;
}
.legend button:hover { border-color: var(--line); }
.legend button[aria-pressed=false] { opacity: .45; text-decoration: line-through; }
.legend svg { flex: none; width: 22px; height: 12px; }
.legend .value { color: var(--soft); font-variant-numeric: tabular-nums; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.samples { display: grid; gap: 14px; list-style: none; margin: 12px 0 0; padding: 0;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
.samples img { display: block; width: 100%; max-width: 8.5rem; height: auto;
  image-rendering: pixelated;
  border: 1px solid var(--line); background: #fff; }
.samples p { margin: 4px 0 0; font-size: 13px; line-height: 1.35; }
.confusion td, .confusion th { padding: 3px 7px; text-align: right; font-size: 13px;
  font-variant-numeric: tabular-nums; border: 1px solid var(--line); white-space: nowrap; }
.confusion td { background: rgb(var(--heat) / calc(var(--share) * .6)); min-width: 2.4rem; }
.confusion td.right { font-weight: 600; outline: 2px solid var(--good); outline-offset: -2px; }
.confusion tbody th { text-align: left; max-width: 12rem; white-space: normal; }
.status { font-variant-numeric: tabular-nums; }
.warn { color: var(--bad); }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
@media (max-width: 480px) {
  .numbers th:not(:first-child), .numbers td { padding-left: 12px; }
}
@page { size: A4; margin: 12mm; }
@media print {
  main { padding: 0; max-width: none; }
  section, table, figure { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`

// What a page may do: run the scripts and use the styles it was written with, load nothing.

/** A browser takes an inline text whose hash is named, and none that was put in later. */
const hashesOf = (texts: readonly string[]): string =>
  texts.length === 0
    ? "'none'"
    : texts.map((text) => `'sha256-${sha256([text], 'base64')}'`).join(' ')

/** The policy that a page names, for the header of one that is served; all else is forbidden. */
export const policyOf = (html: string): string =>
  /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "default-src 'none'"

/**
 * A Content-Security-Policy.
 *
 * @param scripts texts of the page's script elements
 * @param styles texts of its style elements; attributes cannot have styles
 * @param live whether the page hears from its server
 */
export const pagePolicy = (
  scripts: readonly string[],
  styles: readonly string[],
  live = false,
): string =>
  [
    "default-src 'none'",
    `script-src ${hashesOf(scripts)}`,
    `style-src ${hashesOf(styles)}`,
    'img-src data: blob:',
    ...(live ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')

export interface PageParts {
  readonly title: string
  /** HTML of `main`. */
  readonly body: string
  /** Those that places of the body have asked for, by `figureHtml`. */
  readonly figures?: readonly Figure[]
  /** JSON that the page carries, by the id of its element. */
  readonly data?: Readonly<Record<string, string>>
  /** Whether the page is served, and hears from its server. */
  readonly live?: boolean
  /** A script of its own, and a style. */
  readonly script?: string
  readonly style?: string
}

/** What `tools/bundle.mjs` makes of `client/` and uPlot. */
const bundled = (name: 'page.js' | 'page.css'): Promise<string> =>
  readFile(codeFile(`watch/vendor/${name}`), 'utf8')

let assets: Promise<readonly string[]> | undefined

/** With its styles and scripts inside, so that it opens from a file. */
export async function pageHtml(parts: PageParts): Promise<string> {
  const { title, body, figures, data = {}, live = false, script = '', style = '' } = parts
  const draws = figures !== undefined || live
  assets ??= Promise.all([bundled('page.js'), bundled('page.css')])
  const [code, sheet] = draws ? await assets : ['', '']
  const json = { ...data, ...(figures && { figures: JSON.stringify(figures) }) }
  const held = Object.entries(json).map(
    ([id, text]) => `<script type="application/json" id="${id}">${embedJson(text)}</script>`,
  )
  const scripts = [code, script].filter((text) => text !== '').map(inScript)
  const styles = `${STYLE}${sheet}${style}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${pagePolicy(scripts, [styles], live)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${live ? ICON : ''}<title>${escapeHtml(title)}</title>
<style>${styles}</style>
</head>
<body>
<main>
${body}${draws ? '<noscript><p>The charts need JavaScript.</p></noscript>\n' : ''}</main>
${[...held, ...scripts.map((text) => `<script>${text}</script>`)].join('\n')}
</body>
</html>
`
}

/** A browser asks its server for one, unless the page has it. */
const ICON = '<link rel="icon" href="data:,">\n'

/** The place of a figure, with its heading. `more`: HTML below it. */
export const figureHtml = ({ id, title, caption }: Figure, more = ''): string => `<section>
<h2>${escapeHtml(title)}</h2>
<figure>
<div data-figure="${id}"></div>
<figcaption>${escapeHtml(caption)}</figcaption>
</figure>
${more}</section>
`
