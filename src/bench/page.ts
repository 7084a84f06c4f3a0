/** A history as one HTML page that needs no other file and no network: curves over commits. */
import { expect } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import { loadPlotly, plotlyPackage } from '../io/plotly.js'
import { pagePolicy } from '../pages/frame.js'
import { embedJson, inScript } from '../pages/html.js'
import { nameOf, type Origin } from './compare/origin.js'
import type { HistoryRun } from './history.js'
import { draw, type PageData, type PageSeries } from './page-script.js'

/** Points of a curve; older ones are left out. */
const MOST_POINTS = 1000

const machineOf = ({ processor, processors, platform, node }: Origin): string =>
  `${processor}, ${processors} processors, ${platform}, Node ${node.split('.')[0]}`

/** What a run is called: its commit; without one, when it was. */
const labelOf = (origin: Origin): string =>
  origin.commit === undefined ? dateOf(origin) : nameOf(origin)

const dateOf = ({ date }: Origin): string => date.slice(0, 16).replace('T', ' ')

/** Runs as curves, one for each name, unit and mode. */
export function pageData(all: readonly HistoryRun[]): PageData {
  const runs = all.slice(-MOST_POINTS)
  const machines = [...new Set(runs.map(({ origin }) => machineOf(origin)))]
  // Short runs and long ones differ, whatever the commit.
  const isMixed = new Set(runs.map(({ mode }) => mode)).size > 1
  const series = new Map<string, PageSeries & { points: [number, number, string][] }>()
  for (const [at, { figures, mode }] of runs.entries())
    for (const { name: plain, unit, value, marks = [] } of figures) {
      const name = isMixed ? `${plain} (${mode})` : plain
      const key = `${unit} ${name}`
      const found = series.get(key) ?? { name, unit, points: [] }
      found.points.push([at, value, marks.join(' ')])
      series.set(key, found)
    }
  return {
    runs: runs.map(({ origin }) => ({
      date: dateOf(origin),
      name: labelOf(origin),
      machine: machines.indexOf(machineOf(origin)),
    })),
    machines,
    series: [...series.values()],
  }
}

/** @param plotly the minified script of Plotly */
export function historyPage(runs: readonly HistoryRun[], plotly: string): string {
  const data = pageData(runs)
  const scripts = [plotly, `(${draw.toString()})()`].map(inScript)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${pagePolicy(scripts, [STYLE, PLOTLY_STYLE])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>spikewasm bench: history</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Benchmarks over commits</h1>
<p>${data.runs.length} runs, the oldest first. Smaller is better. A hollow diamond: the run was
disturbed, see the text at the point. A dashed line: the next run was on another machine.
Keys: / searches, ↑ and ↓ choose.</p>
<noscript><p>The curves need JavaScript.</p></noscript>
<h2 id="title"></h2>
<div id="plot" role="img" aria-labelledby="title"></div>
<label for="search">Search <span id="count" role="status"></span></label>
<input id="search" type="search" autocomplete="off" spellcheck="false">
<ul id="list"></ul>
</main>
<script type="application/json" id="data">${embedJson(JSON.stringify(data))}</script>
${scripts.map((text) => `<script>${text}</script>`).join('\n')}
</body>
</html>
`
}

/** The script of Plotly. @throws SpikewasmError when it is not installed */
export async function needPlotly(): Promise<string> {
  const plotly = await loadPlotly()
  expect(
    plotly !== undefined,
    () => `bench.html needs Plotly, which is not installed; run npm install ${plotlyPackage}`,
  )
  return plotly
}

/**
 * Writes the page.
 * @throws SpikewasmError when Plotly is not installed, or the file cannot be written
 */
export async function writeHistoryPage(path: string, runs: readonly HistoryRun[]): Promise<void> {
  const plotly = await needPlotly()
  await writeFileAtomic(path, new TextEncoder().encode(historyPage(runs, plotly)))
}

/** Plotly makes an empty element, and gives it rules afterwards. */
const PLOTLY_STYLE = ''

const STYLE = `
:root { color-scheme: light dark; --ink: #222; --back: #fff; --line: #ccc; --mark: #0b62b8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --back: #161616; --line: #444; --mark: #6cb4ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 16px; }
h1 { font-size: 24px; margin: 0 0 8px; }
h2 { font-size: 17px; margin: 16px 0 0; overflow-wrap: anywhere; }
#plot { width: 100%; min-height: 380px; overflow: hidden; }
label { display: block; margin-top: 8px; font-weight: 600; }
#count { font-weight: 400; }
#search { width: 100%; padding: 8px; font: inherit; color: inherit; background: transparent; }
#search { border: 1px solid var(--line); border-radius: 4px; }
#list { list-style: none; margin: 8px 0 0; padding: 0; }
#list button {
  display: grid; grid-template-columns: 1fr auto 100px; gap: 4px 16px; align-items: center;
  width: 100%; padding: 6px 8px; text-align: left; font: inherit; color: inherit;
  background: none; border: 0; border-bottom: 1px solid var(--line); cursor: pointer;
}
#list button[aria-current=true] { box-shadow: inset 4px 0 var(--mark); font-weight: 600; }
#list .name { overflow-wrap: anywhere; }
#list .figure { font-variant-numeric: tabular-nums; white-space: nowrap; }
#list svg { width: 100px; height: 24px; }
#list polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
@media (max-width: 640px) {
  #list button { grid-template-columns: 1fr auto; }
  #list .name { grid-column: 1 / -1; }
}
`
