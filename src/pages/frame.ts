/** The frame of all pages: one file, which loads nothing. */

import { readFile } from 'node:fs/promises'
import type { Figure } from './chart.js'
import { embedJson, escapeHtml, inScript } from './html.js'
import { pagePolicy } from './policy.js'
import { STYLE } from './style.js'

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
const bundled = (name: string): Promise<string> =>
  readFile(new URL(`./vendor/${name}`, import.meta.url), 'utf8')

let assets: Promise<readonly string[]> | undefined

/** A whole page. */
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
export function figureHtml({ id, title, caption }: Figure, more = ''): string {
  return `<section>
<h2>${escapeHtml(title)}</h2>
<figure>
<div data-figure="${id}"></div>
<figcaption>${escapeHtml(caption)}</figcaption>
</figure>
${more}</section>
`
}
