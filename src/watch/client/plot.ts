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

export function drawPlot(first: Chart, pointed: Pointed) {
  const title = make('h3', {})
  const place = make('div', { tabIndex: 0 }, { role: 'img' })
  const outside = make('p', { className: 'outside' })
  const element = make('div', { className: 'chart' }, {}, [title, place, outside])
  let chart = first
  let shown = shownOf(chart)
  let plot: uPlot | undefined
  const hidden = new Set<string>()
  let byKey = false

  const tell = (): void => {
    title.textContent = chart.title
    outside.textContent = shown?.outside ?? ''
    place.setAttribute('aria-label', sayChart(chart))
  }

  const onCursor = (of: uPlot): void => {
    const { idx } = of.cursor
    if (idx === null || idx === undefined) {
      pointed(undefined)
      return
    }
    const x = of.data[0][idx]
    const values = new Map<string, string>()
    for (const [i, { name, quiet }] of chart.series.entries()) {
      const value = of.data[i + 1]?.[idx]
      if (!quiet && value !== null && value !== undefined)
        values.set(name, figureText(value, chart.y.percent))
    }
    const said = [...values].map(([name, value]) => `${name} ${value}`).join(', ')
    pointed(values, byKey ? `${chart.x.label} ${figureText(x)}: ${said}` : undefined)
    byKey = false
  }

  const build = (): void => {
    plot?.destroy()
    const { width } = place.getBoundingClientRect()
    if (width === 0) return
    const options = optionsOf(chart, width, hidden, () => shown, onCursor)
    plot = new uPlot(options, dataOf(chart.series), place)
  }

  place.addEventListener('keydown', (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!plot || steps === undefined) return
    event.preventDefault()
    const { length } = plot.data[0]
    const at = plot.cursor.idx ?? (steps > 0 ? -1 : length)
    const next = Math.max(0, Math.min(length - 1, at + steps))
    byKey = true
    plot.setCursor({ left: plot.valToPos(plot.data[0][next], 'x'), top: 8 })
  })

  new ResizeObserver(() => {
    const { width } = place.getBoundingClientRect()
    if (width === 0) return
    if (!plot || isUpright(chart, plot.width) !== isUpright(chart, width)) build()
    else if (Math.abs(plot.width - width) >= 1)
      plot.setSize({ width, height: heightOf(chart, width) })
  }).observe(place)
  tell()

  return {
    element,
    /** Other data; the chart is made anew where its lines are others. */
    update(next: Chart): void {
      const now = shownOf(next)
      const same = shapeOf(chart) === shapeOf(next) && shown?.isLog === now?.isLog
      chart = next
      shown = now
      tell()
      if (same && plot) plot.setData(dataOf(next.series))
      else build()
    },
    /** Shows or hides lines. */
    show(name: string, shown: boolean): void {
      if (shown) hidden.delete(name)
      else hidden.add(name)
      for (const [i, series] of chart.series.entries())
        if (series.name === name) plot?.setSeries(i + 1, { show: shown })
    },
    /** Colours have changed. */
    recolour: build,
  }
}

/** What an update cannot change. */
const shapeOf = ({ x, y, series }: Chart): string =>
  JSON.stringify([x, y, series.map(({ x: _, y: __, ...looks }) => looks)])

/** Lines over places of their own, as uPlot wants them: over one list of places. */
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
  const { x, y, series } = chart
  const isLog = shown()?.isLog === true
  const [soft, line, back] = ['--soft', '--line', '--back'].map(styled)
  const font = '12px system-ui, sans-serif'
  const axis = {
    stroke: soft,
    font,
    labelFont: font,
    labelSize: 18,
    labelGap: 0,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 5 },
    border: { show: true, stroke: line, width: 1 },
  }
  const upright = isUpright(chart, width)
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
    axes: [
      {
        ...axis,
        label: x.label,
        size: axisRoom(chart, width),
        space: 44,
        ...(upright && { rotate: -90, gap: 4 }),
        ...(x.ticks && ticksOf(x.ticks, upright)),
        ...(!x.ticks && {
          // Steps and epochs are whole numbers, but amid the first ones.
          incrs: (_: uPlot, __: number, low: number, high: number) =>
            high - low < 2 ? PARTS : WHOLE,
          values: (_: uPlot, at: number[]) =>
            at.map((value) => String(Number(value.toPrecision(6)))),
        }),
      },
      {
        ...axis,
        label: isLog ? `${y.label}, log scale` : y.label,
        size: 54,
        space: 32,
        values: (_, at) =>
          at.map((value) =>
            isLog ? figureText(value, y.percent) : tickText(value, at, y.percent),
          ),
        ...(isLog && {
          splits: (_: uPlot, __: number, low: number, high: number) => logTicks(low, high),
          filter: (_: uPlot, splits: number[]) => splits,
        }),
      },
    ],
    series: [
      {},
      ...series.map((one, i): uPlot.Series => {
        const { name, mode = 'line', dash, symbol = 'circle', open = false } = one
        const colour = colourOf(one, i)
        const known = one.y.reduce<number>((sum, value) => sum + (value === null ? 0 : 1), 0)
        const size = mode === 'line' ? 5 : 8
        return {
          label: name,
          show: !hidden.has(name),
          stroke: colour,
          width: dash ? 1.2 : 1.7,
          dash: dashOf(one),
          spanGaps: true,
          ...(mode === 'points' && { paths: () => null }),
          points: {
            show: mode !== 'line' || (!dash && known <= FEW),
            size,
            stroke: colour,
            fill: open ? back : colour,
            paths: (plot, at, from, to) => pointsPath(plot, at, from, to, symbol, size),
          },
        }
      }),
    ],
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
