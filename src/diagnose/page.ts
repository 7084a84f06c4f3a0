/** A diagnosis as one HTML page that needs no other file and no network. */

import type { Diagnosis } from './diagnosis.js'
import { figures } from './figures.js'
import type { Figure } from './panels.js'
import { claimTable, costTable, type Origin, processTables, type Table, toJson } from './report.js'

/**
 * @param plotly the minified script of Plotly
 * @returns the page; it holds the whole diagnosis as JSON in the element `diagnosis`
 */
export function page(diagnosis: Diagnosis, origin: Origin, plotly: string): string {
  const { setup } = diagnosis
  const all = figures(diagnosis)
  const sections = all.map((figure) =>
    section(figure, (tablesOf[figure.id]?.(diagnosis) ?? []).map(table).join('')),
  )
  const drawn = all.map(({ id, data, layout }) => ({ id, data, layout }))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=1120">
<title>${escapeHtml(`spikewasm diagnose: ${setup.network} on ${setup.dataset}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>How well does rate-based backpropagation stand in for BPTT?</h1>
<p class="lead">${escapeHtml(describe(diagnosis))}</p>
${table(claimTable(diagnosis))}
<noscript><p>The plots need JavaScript.</p></noscript>
${sections.join('\n')}
<footer>${escapeHtml(footer(origin))}</footer>
</main>
<script type="application/json" id="diagnosis">${embed(toJson(diagnosis, origin))}</script>
<script type="application/json" id="figures">${embed(JSON.stringify(drawn))}</script>
<script>${plotly.replaceAll(/<\/(script)/gi, '<\\/$1')}</script>
<script>${DRAW}</script>
</body>
</html>
`
}

/** Tables below a figure. */
const tablesOf: Readonly<Record<string, (diagnosis: Diagnosis) => readonly Table[]>> = {
  memory: (diagnosis) => [costTable(diagnosis)],
  processes: processTables,
}

function section({ id, title, caption, layout }: Figure, more: string): string {
  return `<section>
<h2>${escapeHtml(title)}</h2>
<div class="plot" id="${id}" style="height: ${layout.height}px"></div>
<p class="caption">${escapeHtml(caption)}</p>
${more}</section>`
}

function table({ title, head, rows }: Table): string {
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  const [first] = head
  return `<table class="${first === 'claim' ? 'text' : 'numbers'}">
<caption>${escapeHtml(title)}</caption>
<thead>${cells('th', head)}</thead>
<tbody>
${rows.map((row) => cells('td', row)).join('\n')}
</tbody>
</table>
`
}

function describe({ setup, training }: Diagnosis): string {
  const { network, dataset, parameters, batchSize, steps, learningRate, probes, seed } = setup
  const accuracies = training.map(({ testAccuracy }) => (100 * testAccuracy).toFixed(1))
  const T = training.map(({ timeSteps }) => timeSteps)
  return [
    `Network ${network} with ${parameters.toLocaleString('en-US')} parameters on ${dataset}.`,
    `For each T it was trained with BPTT for ${steps} steps of ${batchSize} samples`,
    `(SGD, learning rate ${learningRate} to 0 along a cosine, seed ${seed}),`,
    `to a test accuracy of ${accuracies.join(', ')} % for T ${T.join(', ')}.`,
    `Each cosine is the mean over ${probes} training batches.`,
  ].join(' ')
}

const footer = ({ version, node, processor, cores }: Origin): string =>
  `spikewasm ${version}, Node ${node}, ${processor}, ${cores} cores. ` +
  'Method and claims: Yu et al., NeurIPS 2024, arXiv 2410.11488.'

const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

/** JSON inside a script element must not end it. */
const embed = (json: string): string => json.replaceAll('<', '\\u003c')

/** The page loads nothing: its scripts, styles and pictures are in the file itself. */
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

const DRAW = `
for (const { id, data, layout } of JSON.parse(document.getElementById('figures').textContent))
  Plotly.newPlot(id, data, layout, {
    displaylogo: false,
    displayModeBar: 'hover',
    responsive: true,
    modeBarButtonsToRemove: ['select2d', 'lasso2d'],
  })
`

const STYLE = `
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
main { width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 18px; margin: 36px 0 4px; padding-top: 16px; border-top: 1px solid #ddd; }
.lead { margin: 0 0 20px; max-width: 960px; }
.caption { margin: 4px 0 16px; max-width: 960px; color: #444; }
table { border-collapse: collapse; margin: 12px 0; font-size: 14px; }
table caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
th, td { padding: 3px 14px 3px 0; border-bottom: 1px solid #e4e4e4; vertical-align: top; }
th { text-align: left; font-weight: 600; border-bottom-color: #888; }
.numbers th:not(:first-child), .numbers td:not(:first-child) {
  text-align: right; padding: 3px 0 3px 26px; font-variant-numeric: tabular-nums;
}
footer { margin-top: 32px; padding-top: 12px; border-top: 1px solid #ddd; }
footer { color: #666; font-size: 13px; }
@page { size: A4; margin: 10mm; }
@media print {
  /* 1080 pixels on 190 mm of paper. */
  main { padding: 0; zoom: 0.66; }
  section, table { break-inside: avoid; }
  h2 { break-after: avoid; border: 0; }
  .modebar { display: none; }
}
`
