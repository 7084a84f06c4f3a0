/** One chart: uPlot, with our data, colours, keys and words. */

import uPlot from 'uplot'
import {
  type Chart,
  figureText,
  logTicks,
  type Raster,
  type Series,
  sayChart,
} from '../pages/chart.js'
import { type Shown, shownOf } from '../pages/shown.js'
import { addSymbol, colourOf, dashOf, make, styled } from './looks.js'

/** Values at the place that is pointed at, by line; undefined: no place. */
export type Pointed = (values: ReadonlyMap<string, string> | undefined, said?: string) => void

const HEIGHT = 230
/** Lines of fewer points show them. */
const FEW = 30
/** Upright tick labels need so many pixels each. */
const UPRIGHT = 13
/** Pixels beside the lines: the axis of y and the edge. */
const BESIDE = 66

export class Plot {
  readonly element: HTMLElement
  private readonly title = make('h3', {})
  private readonly place = make('div', { tabIndex: 0 }, { role: 'img' })
  private readonly outside = make('p', { className: 'outside' })
  private readonly hidden = new Set<string>()
  private shown: Shown | undefined
  private plot: uPlot | undefined
  /** Whether a key has moved the cursor. */
  private byKey = false

  constructor(
    private chart: Chart,
    private readonly pointed: Pointed,
  ) {
    const { title, place, outside } = this
    this.shown = shownOf(chart)
    this.element = make('div', { className: 'chart' }, {}, [title, place, outside])
    place.addEventListener('keydown', (event) => this.onKey(event))
    new ResizeObserver(() => this.resize()).observe(place)
    this.describe()
  }

  /** Other data; the chart is made anew where its lines are others. */
  update(next: Chart): void {
    const shown = shownOf(next)
    const same = shapeOf(this.chart) === shapeOf(next) && this.shown?.isLog === shown?.isLog
    this.chart = next
    this.shown = shown
    this.describe()
    if (same && this.plot) this.plot.setData(dataOf(next.series))
    else this.build()
  }

  /** All lines of a name: charts of one figure share it. */
  show(name: string, show: boolean): void {
    if (show) this.hidden.delete(name)
    else this.hidden.add(name)
    for (const [i, series] of this.chart.series.entries())
      if (series.name === name) this.plot?.setSeries(i + 1, { show })
  }

  /** Made anew: its lines, its width or its colours are others. */
  build(): void {
    this.plot?.destroy()
    const { width } = this.place.getBoundingClientRect()
    if (width === 0) return
    const { chart, hidden } = this
    const onCursor = (plot: uPlot): void => this.onCursor(plot)
    const options = optionsOf(chart, width, hidden, () => this.shown, onCursor)
    this.plot = new uPlot(options, dataOf(chart.series), this.place)
  }

  private describe(): void {
    this.title.textContent = this.chart.title
    this.outside.textContent = this.shown?.outside ?? ''
    this.place.setAttribute('aria-label', sayChart(this.chart))
  }

  private resize(): void {
    const { chart, plot } = this
    const { width } = this.place.getBoundingClientRect()
    if (width === 0) return
    if (!plot || isUpright(chart, plot.width) !== isUpright(chart, width)) this.build()
    else if (Math.abs(plot.width - width) >= 1)
      plot.setSize({ width, height: heightOf(chart, width) })
  }

  private onKey(event: KeyboardEvent): void {
    const { plot } = this
    const steps = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!plot || steps === undefined) return
    event.preventDefault()
    const { length } = plot.data[0]
    const at = plot.cursor.idx ?? (steps > 0 ? -1 : length)
    const next = Math.max(0, Math.min(length - 1, at + steps))
    this.byKey = true
    plot.setCursor({ left: plot.valToPos(plot.data[0][next], 'x'), top: 8 })
  }

  private onCursor({ cursor: { idx }, data }: uPlot): void {
    if (idx === null || idx === undefined) {
      this.pointed(undefined)
      return
    }
    const { x, y, series } = this.chart
    const values = new Map<string, string>()
    for (const [i, { name, quiet }] of series.entries()) {
      const value = data[i + 1]?.[idx]
      if (!quiet && value !== null && value !== undefined)
        values.set(name, figureText(value, y.percent))
    }
    const said = [...values].map(([name, value]) => `${name} ${value}`).join(', ')
    this.pointed(values, this.byKey ? `${x.label} ${figureText(data[0][idx])}: ${said}` : undefined)
    this.byKey = false
  }
}

/** What an update cannot change. */
const shapeOf = ({ x, y, series }: Chart): string =>
  JSON.stringify([x, y, series.map(({ x: _, y: __, ...looks }) => looks)])

/** Data as uPlot wants them: all lines over one list of places, with null where a line has none. */
function dataOf(series: readonly Series[]): uPlot.AlignedData {
  const tables = series
    .filter(({ x }) => x.length > 0)
    .map(({ x, y }) => [x, y] as unknown as uPlot.AlignedData)
  if (tables.length === 0) return [[], ...series.map(() => [])]
  const [x, ...columns] = uPlot.join(tables)
  const none = Array.from(x, () => null)
  let next = 0
  const lines = series.map((one) => (one.x.length > 0 ? columns[next++] : none))
  return [x, ...lines] as uPlot.AlignedData
}

/** Pixels of the longest tick label. */
const longest = ({ x: { ticks } }: Chart): number =>
  6.2 * Math.max(0, ...(ticks?.text ?? []).map((text) => text.length))

/** Tick labels stand upright where they have no room side by side. */
function isUpright(chart: Chart, width: number): boolean {
  const count = chart.x.ticks?.text.length ?? 0
  return count > 12 || count * (longest(chart) + 8) > width - BESIDE
}

const axisRoom = (chart: Chart, width: number): number =>
  isUpright(chart, width) ? 16 + longest(chart) : 34

const heightOf = (chart: Chart, width: number): number => HEIGHT + axisRoom(chart, width) - 34

/** @param shown what the axis of y shows, as the data are now */
function optionsOf(
  chart: Chart,
  width: number,
  hidden: ReadonlySet<string>,
  shown: () => Shown | undefined,
  onCursor: (plot: uPlot) => void,
): uPlot.Options {
  const { x, series } = chart
  const isLog = shown()?.isLog === true
  return {
    width,
    height: heightOf(chart, width),
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false, setScale: true } },
    hooks: { setCursor: [onCursor], draw: [(plot) => markOutside(plot, chart, shown())] },
    scales: {
      x: { time: false, ...(x.log && { distr: 3, log: 2 }), ...rangeOfX(chart) },
      y: {
        ...(isLog && { distr: 3 as const, log: 10 as const }),
        range: (_, low, high) => rangeOfY(chart, shown(), low, high),
      },
    },
    axes: [axisOfX(chart, width), axisOfY(chart, isLog)],
    series: [{}, ...series.map((one, i) => lineOf(one, i, !hidden.has(one.name)))],
  }
}

/** What both axes look like. */
function axisLooks(): uPlot.Axis {
  const [stroke, line] = ['--soft', '--line'].map(styled)
  const font = '12px system-ui, sans-serif'
  return {
    stroke,
    font,
    labelFont: font,
    labelSize: 18,
    labelGap: 0,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 5 },
    border: { show: true, stroke: line, width: 1 },
  }
}

function axisOfX(chart: Chart, width: number): uPlot.Axis {
  const { label, ticks } = chart.x
  const upright = isUpright(chart, width)
  return {
    ...axisLooks(),
    label,
    size: axisRoom(chart, width),
    space: 44,
    ...(upright && { rotate: -90, gap: 4 }),
    ...(ticks
      ? ticksOf(ticks, upright)
      : {
          // Steps and epochs are whole numbers, but amid the first ones.
          incrs: (_, __, low, high) => (high - low < 2 ? PARTS : WHOLE),
          values: (_, at) => at.map((value) => String(Number(value.toPrecision(6)))),
        }),
  }
}

const axisOfY = ({ y: { label, percent } }: Chart, isLog: boolean): uPlot.Axis => ({
  ...axisLooks(),
  label: isLog ? `${label}, log scale` : label,
  size: 54,
  space: 32,
  values: (_, at) =>
    at.map((value) => (isLog ? figureText(value, percent) : tickText(value, at, percent))),
  ...(isLog && {
    splits: (_: uPlot, __: number, low: number, high: number) => logTicks(low, high),
    filter: (_: uPlot, splits: number[]) => splits,
  }),
})

function lineOf(one: Series, place: number, show: boolean): uPlot.Series {
  const { name, mode = 'line', dash, symbol = 'circle', open = false } = one
  const colour = colourOf(one, place)
  const known = one.y.reduce<number>((sum, value) => sum + (value === null ? 0 : 1), 0)
  const size = mode === 'line' ? 5 : 8
  return {
    label: name,
    show,
    stroke: colour,
    width: dash ? 1.2 : 1.7,
    dash: dashOf(one),
    spanGaps: true,
    ...(mode === 'points' && { paths: () => null }),
    points: {
      show: mode !== 'line' || (!dash && known <= FEW),
      size,
      stroke: colour,
      fill: open ? styled('--back') : colour,
      paths: (plot, at, from, to) => pointsPath(plot, at, from, to, symbol, size),
    },
  }
}

const WHOLE = [1, 2, 5]
  .flatMap((n) => Array.from({ length: 9 }, (_, i) => n * 10 ** i))
  .sort((a, b) => a - b)

const PARTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, ...WHOLE]

function pointsPath(
  plot: uPlot,
  at: number,
  from: number,
  to: number,
  symbol: NonNullable<Series['symbol']>,
  size: number,
): { stroke: Path2D; fill: Path2D } {
  const path = new Path2D()
  const radius = (size / 2 - 0.5) * uPlot.pxRatio
  for (let i = from; i <= to; i++) {
    const value = plot.data[at][i]
    if (value === null || value === undefined) continue
    const x = plot.valToPos(plot.data[0][i], 'x', true)
    addSymbol(path, symbol, x, plot.valToPos(value, 'y', true), radius)
  }
  return { stroke: path, fill: path }
}

function rangeOfX({ x: { range, log, ticks }, series }: Chart): uPlot.Scale {
  if (range) return { range: [...range] }
  if (log) {
    const all = series.flatMap((one) => one.x)
    return { range: [Math.min(...all) / 1.15, Math.max(...all) * 1.15] }
  }
  // Names of places 0, 1, …
  if (ticks?.at.every((value, i) => value === i)) return { range: [-0.7, ticks.at.length - 0.3] }
  return {
    range: (_, low, high) => {
      if (low === null || high === null) return [0, 1]
      const room = Math.max((high - low) * 0.02, low === high ? 0.5 : 0)
      return [low - room, high + room]
    },
  }
}

/** `low`, `high`: ends of what is seen; another part of the lines may be. */
function rangeOfY(
  { y: { range } }: Chart,
  shown: Shown | undefined,
  low: number | null,
  high: number | null,
): uPlot.Range.MinMax {
  if (range) return [...range]
  if (low === null || high === null || !shown) return [0, 1]
  const within = (value: number): number => Math.max(shown.low, Math.min(shown.high, value))
  const [least, most] = [within(low), within(high)]
  if (shown.isLog) {
    const room = Math.max(1.1, (most / least) ** 0.06)
    return [least / room, most * room]
  }
  const [bottom, top] = [Math.min(0, least), Math.max(0, most)]
  return [bottom, top === bottom ? 1 : top + (top - bottom) * 0.06]
}

/** Arrows at the edge, where lines have values beyond it. */
function markOutside(plot: uPlot, { series, y }: Chart, shown: Shown | undefined): void {
  if (!shown || y.range) return
  const { ctx, bbox } = plot
  const size = 5 * uPlot.pxRatio
  for (const [i, one] of series.entries()) {
    if (!plot.series[i + 1].show) continue
    ctx.fillStyle = colourOf(one, i)
    for (const [at, value] of plot.data[i + 1].entries()) {
      const side = value === null || value === undefined ? 0 : shown.side(value)
      const x = plot.valToPos(plot.data[0][at], 'x', true)
      if (side === 0 || x < bbox.left || x > bbox.left + bbox.width) continue
      const edge = side > 0 ? bbox.top : bbox.top + bbox.height
      ctx.beginPath()
      ctx.moveTo(x, edge)
      ctx.lineTo(x - size, edge + 1.6 * side * size)
      ctx.lineTo(x + size, edge + 1.6 * side * size)
      ctx.fill()
    }
  }
}

/** Some are left out where they have no room. */
function ticksOf({ at, text }: NonNullable<Chart['x']['ticks']>, upright: boolean): uPlot.Axis {
  const chosen = (plot: uPlot): number[] => {
    const wide = plot.bbox.width / uPlot.pxRatio
    const room = upright ? UPRIGHT : 26
    const every = Math.max(1, Math.ceil((at.length * room) / Math.max(1, wide)))
    return at.filter((_, i) => i % every === 0)
  }
  return {
    splits: chosen,
    filter: (_, splits) => splits,
    values: (_, splits) => splits.map((value) => text[at.indexOf(value)] ?? ''),
  }
}

/** As many places as the distance of ticks needs. */
function tickText(value: number, all: readonly number[], percent = false): string {
  const scale = percent ? 100 : 1
  const apart = Math.abs((all[1] ?? all[0]) - all[0]) * scale
  const size = Math.abs(value * scale)
  if (!percent && (size >= 1e5 || (size > 0 && apart < 1e-4))) return value.toExponential(0)
  let places = 0
  // 0.025 apart are three places.
  while (places < 6 && Math.abs(apart * 10 ** places - Math.round(apart * 10 ** places)) > 1e-6)
    places++
  return `${(value * scale).toFixed(places)}${percent ? ' %' : ''}`
}

// Spikes of a layer as points: a row for each neuron, a column for each step.

/** Pixels of a row. */
const ROW = 3
const LEAST = 60
const MOST = 300

export function drawRaster(raster: Raster) {
  const { title, rows, steps, bits } = raster
  const label = { role: 'img', 'aria-label': sayChart(raster) }
  const canvas = make('canvas', { className: 'raster' }, label)
  const height = Math.max(LEAST, Math.min(MOST, rows * ROW))
  canvas.style.height = `${height}px`
  const texts = ['t 1', `t ${steps}`].map((textContent) => make('span', { textContent }))
  const ends = make('div', { className: 'ends', ariaHidden: 'true' }, {}, texts)
  const heading = make('h3', { textContent: title })
  const element = make('div', { className: 'chart' }, {}, [heading, canvas, ends])
  const bytes = Uint8Array.from(atob(bits), (char) => char.charCodeAt(0))

  const draw = (): void => {
    const { width } = canvas.getBoundingClientRect()
    if (width === 0) return
    const ratio = devicePixelRatio || 1
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    const context = canvas.getContext('2d')!
    context.fillStyle = colourOf(raster)
    const [column, row] = [canvas.width / steps, canvas.height / rows]
    const [w, h] = [Math.max(1, Math.min(column * 0.8, 14 * ratio)), Math.max(1, row * 0.8)]
    for (let at = 0; at < rows * steps; at++) {
      if (((bytes[at >> 3] >> (at & 7)) & 1) === 0) continue
      const [y, x] = [Math.floor(at / steps), at % steps]
      context.fillRect(x * column + (column - w) / 2, y * row + (row - h) / 2, w, h)
    }
  }
  new ResizeObserver(draw).observe(canvas)
  return { element, recolour: draw }
}
