/** A figure: charts side by side, and one legend that hides lines and shows their values. */

import { type Chart, type Figure, isRaster, type Series } from '../pages/chart.js'
import { colourOf, dashOf, make, onScheme, symbolPath } from './looks.js'
import { drawRaster, Plot } from './plot.js'

export class FigureView {
  private readonly charts = make('div', { className: 'charts' })
  private readonly legend = make('ul', { className: 'legend' })
  // What arrow keys have come to is read out.
  private readonly said = make('p', { className: 'said' }, { 'aria-live': 'polite' })
  private readonly values = new Map<string, HTMLElement>()
  /** Names of lines that are not shown. */
  private readonly hidden = new Set<string>()
  private plots: Plot[] = []
  private rasters: ReturnType<typeof drawRaster>[] = []
  /** What the legend shows. */
  private looks = ''

  constructor(
    place: HTMLElement,
    private figure: Figure,
  ) {
    const { columns = 2 } = figure
    const least = columns === 1 ? '100%' : columns > 2 ? '15rem' : '20rem'
    this.charts.style.setProperty('--least', least)
    place.append(this.charts, this.legend, this.said)
    this.build()
    this.list()
    onScheme(() => {
      this.looks = ''
      this.list()
      for (const plot of this.plots) plot.build()
      for (const { recolour } of this.rasters) recolour()
    })
  }

  update(next: Figure): void {
    const same = this.figure.charts.length === next.charts.length
    this.figure = next
    if (!same) this.build()
    else for (const [i, chart] of next.charts.entries()) this.plots[i]?.update(chart as Chart)
    this.list()
  }

  private build(): void {
    this.charts.replaceChildren()
    this.plots = []
    this.rasters = []
    for (const chart of this.figure.charts) {
      if (isRaster(chart)) {
        const drawn = drawRaster(chart)
        this.rasters.push(drawn)
        this.charts.append(drawn.element)
        continue
      }
      const plot = new Plot(chart, (found, words) => this.point(found, words))
      this.plots.push(plot)
      for (const name of this.hidden) plot.show(name, false)
      this.charts.append(plot.element)
    }
  }

  /** Shows the values at the place that is pointed at. */
  private point(found: ReadonlyMap<string, string> | undefined, words?: string): void {
    for (const [name, output] of this.values) output.textContent = found?.get(name) ?? ''
    if (words !== undefined) this.said.textContent = words
  }

  private show(name: string, isShown: boolean): void {
    if (isShown) this.hidden.delete(name)
    else this.hidden.add(name)
    for (const plot of this.plots) plot.show(name, isShown)
  }

  /** Makes the legend, where its lines are others. */
  private list(): void {
    const { legend, values, hidden } = this
    const all = seriesOf(this.figure)
    const looks = JSON.stringify(all.map(([{ x: _, y: __, ...others }]) => others))
    if (looks === this.looks) return
    this.looks = looks
    values.clear()
    const buttons = new Map<string, HTMLElement>()
    const focused = legend.contains(document.activeElement)
      ? (document.activeElement as HTMLElement).dataset.name
      : undefined
    legend.replaceChildren(
      ...(all.length > 1 ? all : []).map(([series, at]) => {
        const { name } = series
        const isShown = !hidden.has(name)
        const made = entry(series, at, isShown, (shown) => this.show(name, shown))
        values.set(name, made.output)
        buttons.set(name, made.button)
        return made.item
      }),
    )
    if (focused !== undefined) buttons.get(focused)?.focus()
  }
}

/** Lines of all charts, each name once, with the place in its chart. */
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
