/** The page of a run that goes on. Its server gives it what there is to show. */

import { figureHtml, pageHtml } from './frame.js'
import { escapeHtml } from './html.js'
import { noSteps, runFigures } from './run.js'

const cards = {
  loss: 'loss of the last steps',
  accuracy: 'accuracy on the test data',
  best: 'best accuracy',
  speed: 'samples',
  lowest: 'lowest firing rate',
}

export function livePage(title: string): Promise<string> {
  const figures = runFigures({ layers: [], records: [], steps: noSteps }, true)
  const body = `<h1 id="live">${escapeHtml(title)}</h1>
<p class="status" id="status" role="status">Waiting for the first step.</p>
<progress id="share" max="1" value="0" aria-label="share of the run"></progress>
<ul class="cards">
${Object.entries(cards)
  .map(([id, what]) => `<li><b id="card-${id}">–</b><span>${what}</span></li>`)
  .join('\n')}
</ul>
${figures.map((figure) => figureHtml(figure)).join('')}<section>
<h2>Options of the run</h2>
<div class="wide" tabindex="0" role="region" aria-label="options of the run">
<table class="text values"><tbody id="options"></tbody></table>
</div>
</section>
`
  return pageHtml({ title, body, live: true, style: '#share { width: 100%; }' })
}
