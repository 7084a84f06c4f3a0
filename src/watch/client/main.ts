/** The script of all pages with charts; `tools/bundle.mjs` makes one file of it and uPlot. */

import 'uplot/dist/uPlot.min.css'
import type { Figure } from '../pages/chart.js'
import { FigureView } from './figure.js'
import { watch } from './live.js'

const held = document.getElementById('figures')
for (const figure of JSON.parse(held?.textContent ?? '[]') as Figure[]) {
  const place = document.querySelector<HTMLElement>(`[data-figure="${figure.id}"]`)
  if (place) new FigureView(place, figure)
}
if (document.getElementById('live')) watch()
