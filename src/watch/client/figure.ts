/** A figure: charts side by side, and one legend that hides lines and shows their values. */

import { type Chart, type Figure, isRaster, type Series } from '../pages/chart.js'
import { colourOf, dashOf, make, onScheme, symbolPath } from './looks.js'
import { drawPlot, drawRaster } from './plot.js'

export function drawFigure(place: HTMLElement, first: Figure) {
  const charts = make('div', { className: 'charts' })
  const { columns = 2 } = first
  charts.style.setProperty('--least', columns === 1 ? '100%' : columns > 2 ? '15rem' : '20rem')
  const legend = make('ul', { className: 'legend' })
  // What arrow keys have come to is read out.
  const said = make('p', { className: 'said' }, { 'aria-live': 'polite' })
  place.append(charts, legend, said)
  const values = new Map<string, HTMLElement>()
  /** Names of lines that are not shown. */
  const hidden = new Set<string>()
  let plots: ReturnType<typeof drawPlot>[] = []
  let rasters: ReturnType<typeof drawRaster>[] = []
  let current = first
  let known = ''

  const point = (found: ReadonlyMap<string, string> | undefined, words?: string): void => {
    for (const [name, output] of values) output.textContent = found?.get(name) ?? ''
    if (words !== undefined) said.textContent = words
  }

  const build = (): void => {
    charts.replaceChildren()
    plots = []
    rasters = []
    for (const chart of current.charts) {
      if (isRaster(chart)) {
        const drawn = drawRaster(chart)
        rasters.push(drawn)
        charts.append(drawn.element)
        continue
      }
      const drawn = drawPlot(chart, point)
      plots.push(drawn)
      for (const name of hidden) drawn.show(name, false)
      charts.append(drawn.element)
    }
  }

  const list = (): void => {
    const all = seriesOf(current)
    const wanted = JSON.stringify(all.map(([{ x: _, y: __, ...looks }]) => looks))
    if (wanted === known) return
    known = wanted
    values.clear()
    const buttons = new Map<string, HTMLElement>()
    const focused = legend.contains(document.activeElement)
      ? (document.activeElement as HTMLElement).dataset.name
      : undefined
    legend.replaceChildren(
      ...(all.length > 1 ? all : []).map(([series, at]) => {
        const { name } = series
        const { item, button, output } = entry(series, at, !hidden.has(name), (shown) => {
          if (shown) hidden.delete(name)
          else hidden.add(name)
          for (const plot of plots) plot.show(name, shown)
        })
        values.set(name, output)
        buttons.set(name, button)
        return item
      }),
    )
    if (focused !== undefined) buttons.get(focused)?.focus()
  }

  build()
  list()
  onScheme(() => {
    known = ''
    list()
    for (const one of [...plots, ...rasters]) one.recolour()
  })
  return {
    update(next: Figure): void {
      const same = current.charts.length === next.charts.length
      current = next
      if (!same) build()
      else for (const [i, chart] of next.charts.entries()) plots[i]?.update(chart as Chart)
      list()
    },
  }
}

/** Those of all charts, each name once, with the place in its chart. */
function seriesOf({ charts }: Figure): (readonly [Series, number])[] {
  const found = new Map<string, readonly [Series, number]>()
  for (const chart of charts)
    if (!isRaster(chart))
      for (const [i, series] of chart.series.entries())
        if (!series.quiet && !found.has(series.name)) found.set(series.name, [series, i])
  return [...found.values()]
}

const SVG = 'http://www.w3.org/2000/svg'

function entry(series: Series, at: number, isShown: boolean, onShow: (shown: boolean) => void) {
  const { name, mode = 'line', symbol = 'circle', open = false } = series
  const colour = colourOf(series, at)
  const text = make('span', { textContent: name })
  const output = make('span', { className: 'value' })
  const mark = document.createElementNS(SVG, 'svg')
  mark.setAttribute('viewBox', '0 0 22 12')
  mark.setAttribute('aria-hidden', 'true')
  const path = (d: string, filled: boolean): SVGElement => {
    const element = document.createElementNS(SVG, 'path')
    const looks = { d, stroke: colour, 'stroke-width': '1.8', fill: filled ? colour : 'none' }
    for (const [key, value] of Object.entries(looks)) element.setAttribute(key, value)
    mark.append(element)
    return element
  }
  if (mode !== 'points')
    path('M1,6H21', false).setAttribute('stroke-dasharray', dashOf(series).join(' '))
  if (mode !== 'line') path(symbolPath(symbol, 11, 6, 3.6), !open)
  const button = make(
    'button',
    { type: 'button', title: 'show or hide' },
    { 'aria-pressed': String(isShown) },
    [mark, text, output],
  )
  button.dataset.name = name
  button.addEventListener('click', () => {
    const shown = button.getAttribute('aria-pressed') !== 'true'
    button.setAttribute('aria-pressed', String(shown))
    onShow(shown)
  })
  return { item: make('li', {}, {}, [button]), button, output }
}
